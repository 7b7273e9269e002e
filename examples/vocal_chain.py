"""A vocal chain on the singing alone, while the band passes as it is: vocal_chain.py INPUT OUTPUT."""

import sys

from pedalboard import Compressor, Delay, HighpassFilter, PeakFilter, Reverb
from pedalboard.io import AudioFile

from stems import Split

chain = [
    HighpassFilter(cutoff_frequency_hz=90),
    Compressor(threshold_db=-24, ratio=3, attack_ms=5),
    PeakFilter(cutoff_frequency_hz=3500, gain_db=2, q=0.8),
    Delay(delay_seconds=0.25, feedback=0.2, mix=0.15),
    Reverb(room_size=0.6, wet_level=0.15, dry_level=0.9),
]
split = Split({"vocals": chain}, mix=True)

with AudioFile(sys.argv[1]) as song:
    audio, sample_rate = song.read(song.frames), song.samplerate

produced = split(audio, sample_rate)

with AudioFile(sys.argv[2], "w", sample_rate, len(produced)) as file:
    file.write(produced)
