#!/usr/bin/env bash
# A wav that was written to a pipe has no size, and lasts thirteen hours in pedalboard.
#
# Whoever streams a wav writes 0xFFFFFFFF where its size belongs (ffmpeg and sox do). libsndfile takes the file's own size.
# pedalboard believes the header, calls the length exact, and gives silence for what is not there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 pedalboard==0.9.26 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import struct

import numpy as np
import pedalboard
import soundfile
from pedalboard.io import AudioFile

RATE, SECONDS, UNKNOWN = 44100, 1, 0xFFFFFFFF
samples = (np.arange(RATE * SECONDS) % 1000).astype("<i2")
form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
with open("piped.wav", "wb") as file:
    file.write(struct.pack("<4sI4s", b"RIFF", UNKNOWN, b"WAVE") + form + struct.pack("<4sI", b"data", UNKNOWN))
    file.write(samples.tobytes())

print(f"soundfile {soundfile.__version__}: {soundfile.info('piped.wav').frames} samples")
with AudioFile("piped.wav") as file:
    print(f"pedalboard {pedalboard.__version__}: {file.frames} samples, {file.duration:.0f} s, exact: {file.exact_duration_known}")
    assert file.frames == 2**31 - 1 and file.exact_duration_known
    read = file.read(10 * RATE)
print(f"pedalboard gives {read.shape[1]} samples when asked for 10 s, the last nine seconds of them silent")
assert read.shape[1] == 10 * RATE and not read[:, RATE:].any() and read[:, :RATE].any()
assert soundfile.info("piped.wav").frames == len(samples)
PYTHON
