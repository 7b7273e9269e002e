"""Karaoke: takes the singing out of a song, polishes what is left with pedalboard: karaoke.py INPUT OUTPUT."""

import sys

from pedalboard import HighShelfFilter, Limiter
from pedalboard.io import AudioFile

from stems import Board, Remove

board = Board([Remove("vocals"), HighShelfFilter(cutoff_frequency_hz=8000, gain_db=2), Limiter(threshold_db=-1)])

with AudioFile(sys.argv[1]) as song:
    audio, sample_rate = song.read(song.frames), song.samplerate

karaoke = board(audio, sample_rate)

with AudioFile(sys.argv[2], "w", sample_rate, len(karaoke)) as file:
    file.write(karaoke)
