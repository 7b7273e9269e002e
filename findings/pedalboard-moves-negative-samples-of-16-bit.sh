#!/usr/bin/env bash
# Reading and writing 16 bit by pedalboard moves every negative sample but the lowest by one step.
#
# It scales by 32767 where others scale by 32768, so full scale is read as -1.00003, and rounds down when it writes. A copy of a file differs
# from the file. Where samples must stay as they are (a null test, stems that add up), read and write 16 bit by libsndfile.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 pedalboard==0.9.26 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import pedalboard
import soundfile
from pedalboard.io import AudioFile

RATE = 44100
every = np.arange(-32768, 32768).astype(np.int16)
soundfile.write("song.wav", every, RATE, subtype="PCM_16")
with AudioFile("song.wav") as file:
    read = file.read(file.frames)
with AudioFile("copy.wav", "w", RATE, 1, bit_depth=16) as file:
    file.write(read)
copy = soundfile.read("copy.wav", dtype="int16")[0].astype(int)
moved = copy - every

print(f"pedalboard {pedalboard.__version__}: -32768 is read as {read[0, 0]:.6f}, 16384 as {read[0, 49152]:.6f}")
print(f"a copy of all {len(every)} samples: {np.count_nonzero(moved)} are moved, by {sorted({int(step) for step in moved if step})}")
assert read[0, 0] < -1
assert np.array_equal(moved, np.where((every < 0) & (every > -32768), -1, 0))

mine = soundfile.read("song.wav", dtype="float32")[0]
soundfile.write("same.wav", mine, RATE, subtype="PCM_16")
assert np.array_equal(soundfile.read("same.wav", dtype="int16")[0], every)
print(f"soundfile {soundfile.__version__}: none is moved")
PYTHON
