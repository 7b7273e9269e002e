"""Parallel compression of a song's drums alone, under the untouched song: parallel_drums.py INPUT OUTPUT."""

import sys

from pedalboard import Compressor, Gain, Limiter
from pedalboard.io import AudioFile

from stems import Board, Isolate, Mix

squashed_drums = Board([Isolate("drums"), Compressor(threshold_db=-35, ratio=8, attack_ms=2, release_ms=80), Gain(-3)])
untouched = Gain(0)
board = Board([Mix([untouched, squashed_drums]), Limiter(threshold_db=-1)])

with AudioFile(sys.argv[1]) as song:
    audio, sample_rate = song.read(song.frames), song.samplerate

punchier = board(audio, sample_rate)

with AudioFile(sys.argv[2], "w", sample_rate, len(punchier)) as file:
    file.write(punchier)
