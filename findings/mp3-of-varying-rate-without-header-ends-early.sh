#!/usr/bin/env bash
# An mp3 of varying bit rate that has no header of its own is read to a third, without an error.
#
# Encoders that write to a pipe cannot go back and write the Xing header. libsndfile and pedalboard then work out the length from
# the bit rate at the beginning, stop there, and pedalboard calls that length exact. FFmpeg reads to the end.
# So compare what was read with what the file could hold, or let FFmpeg count.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.14.0 pedalboard==0.9.26 av==18.1.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import av
import numpy as np
import soundfile
from pedalboard.io import AudioFile

RATE, SECONDS = 44100, 20
QUALITY = 2  # of LAME's varying bit rate; the soft first half takes few bits, the noise after it many
QSCALE, LAMBDA = 2, 118  # flag of FFmpeg's encoders, and their unit of quality

time = np.arange(SECONDS * RATE) / RATE
noise = 0.2 * np.random.default_rng(0).standard_normal((2, len(time))) * (time > SECONDS / 2)
audio = (0.1 * np.sin(2 * np.pi * 440 * time) + noise).astype(np.float32)


def write(path, header):
    options = {"write_xing": header, "id3v2_version": "0"}
    with av.open(path, "w", format="mp3", options=options) as file:
        stream = file.add_stream("libmp3lame", rate=RATE, layout="stereo")
        stream.codec_context.flags |= QSCALE
        stream.codec_context.global_quality = QUALITY * LAMBDA
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)


print(f"soundfile {soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}, PyAV {av.__version__}")
print(f"written: {len(time)} samples")
for path, header in (("with.mp3", "1"), ("without.mp3", "0")):
    write(path, header)
    by_soundfile = len(soundfile.read(path)[0])
    with AudioFile(path) as file:
        by_pedalboard, exact = file.read(file.frames).shape[1], file.exact_duration_known
    with av.open(path) as file:
        by_ffmpeg = sum(frame.samples for frame in file.decode(audio=0))
    print(f"{path:12} soundfile {by_soundfile}, pedalboard {by_pedalboard} (exact: {exact}), FFmpeg {by_ffmpeg}")
    if header == "1":
        assert by_soundfile == len(time)
    else:
        assert by_soundfile < 0.5 * len(time)
        assert by_pedalboard < 0.5 * len(time) and exact
    assert by_ffmpeg >= len(time)
PYTHON
