#!/usr/bin/env bash
# AAC that PyAV writes from frames without a time stamp comes 1024 samples late.
#
# An encoder puts 1024 samples of priming before the music, and the file's edit list says so. With `frame.pts = None` (what a new frame
# has) the edit list says 0, and every reader plays the priming, too. With `frame.pts = 0` the music is in time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import av
import numpy as np

RATE, FIRST = 44100, 10000  # where the sound begins
time = np.arange(RATE) / RATE
audio = (0.5 * np.sin(2 * np.pi * 440 * time) * (np.arange(RATE) >= FIRST)).astype(np.float32)


def written_and_read(stamp):
    with av.open("song.m4a", "w", format="mp4") as file:
        stream = file.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(audio[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, stamp
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            file.mux(packet)
    with av.open("song.m4a") as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def lag(late):
    size = 1 << 17
    likeness = np.fft.irfft(np.fft.rfft(late, size) * np.conj(np.fft.rfft(audio, size)), size)
    return int((likeness.argmax() + size // 2) % size - size // 2)


print(f"PyAV {av.__version__}, avcodec {'.'.join(map(str, av.library_versions['libavcodec']))}")
for stamp, expected in ((None, 1024), (0, 0)):
    late = lag(written_and_read(stamp))
    print(f"frame.pts = {stamp}: {late} samples late")
    assert late == expected
PYTHON
