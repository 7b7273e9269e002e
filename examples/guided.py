"""Plays what sounds like the first second of a song, a stem of its own, 12 dB softer: guided.py INPUT OUTPUT."""

import sys

from pedalboard.io import AudioFile

from stems import Separator

separator = Separator(hints=["intro=0:00-0:01"])

with AudioFile(sys.argv[1]) as song:
    audio, sample_rate = song.read(song.frames), song.samplerate

stems = separator(audio, sample_rate)
softer = sum(0.25 * stem if name == "intro" else stem for name, stem in stems.items())

with AudioFile(sys.argv[2], "w", sample_rate, len(softer)) as file:
    file.write(softer)
