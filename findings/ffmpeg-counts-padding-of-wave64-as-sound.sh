#!/usr/bin/env bash
# What FFmpeg writes as Wave64 (.w64) is up to 7 bytes longer than what it was given: it counts the padding as sound.
#
# Chunks of Wave64 are padded to multiples of 8 bytes, and the size in a chunk's header leaves the padding out. FFmpeg's
# writer puts the padded size there, so a mono song of 16 bit and 1001 samples comes back as 1004, from FFmpeg and libsndfile alike;
# libsndfile's own file of the same samples has 1001 in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 soundfile==0.13.1 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import av
import numpy as np
import soundfile

SAMPLES = 1001
song = np.arange(1, SAMPLES + 1, dtype=np.int16)

with av.open("ffmpeg.w64", "w") as container:
    stream = container.add_stream("pcm_s16le", rate=44100, layout="mono")
    frame = av.AudioFrame.from_ndarray(song[None], format="s16", layout="mono")
    frame.sample_rate = 44100
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
soundfile.write("sndfile.w64", song, 44100, "PCM_16", format="W64")


def by_ffmpeg(name: str) -> np.ndarray:
    with av.open(name) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


print(f"PyAV {av.__version__}, libavformat {'.'.join(map(str, av.library_versions['libavformat']))}, "
      f"{soundfile.__libsndfile_version__}")
for name, expected in {"ffmpeg.w64": 1004, "sndfile.w64": SAMPLES}.items():
    for reader, read in {"FFmpeg": by_ffmpeg(name), "libsndfile": soundfile.read(name, dtype="int16")[0]}.items():
        print(f"{name} by {reader}: {len(read)} samples, of which {len(read) - SAMPLES} are padding")
        assert len(read) == expected and np.array_equal(read[:SAMPLES], song) and not read[SAMPLES:].any()
PYTHON
