"""Remix as on a stage: block by block, with a fader that moves while the song plays: live_remix.py INPUT OUTPUT."""

import sys

import numpy as np
from pedalboard.io import AudioFile

from stems import Remix

BLOCK = 512  # samples, as an audio interface would deliver them

remix = Remix(bass_db=3, other_db=-3)

with AudioFile(sys.argv[1]) as song, AudioFile(sys.argv[2], "w", song.samplerate, song.num_channels) as file:
    while song.tell() < song.frames:
        remix.vocals_db = max(-60.0, -10 * song.tell() / song.samplerate)  # the singer leaves, 10 dB each second
        file.write(remix.process(song.read(BLOCK), song.samplerate, reset=False))
    silence = np.zeros((song.num_channels, remix.latency_samples), np.float32)  # gets out what is still inside
    file.write(remix.process(silence, song.samplerate, reset=False))
