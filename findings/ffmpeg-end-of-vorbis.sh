#!/usr/bin/env bash
# FFmpeg does not cut the end of an Ogg Vorbis where its granule position says (Vorbis I specification, appendix A) if all
# of its audio lies in one page, which is so below some 4,000 samples, nor at every link of a chain. libvorbis does.
# So a short stem is up to a block longer in FFmpeg's reading, and what follows it in a chain comes late.
# Exits 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 soundfile==0.14.0 numpy==2.2.6
"$folder/venv/bin/python" - <<'PYTHON'
import io

import av
import numpy as np
import soundfile


def vorbis(samples, seed=0):
    file = io.BytesIO()
    noise = np.random.default_rng(seed).uniform(-0.1, 0.1, (samples, 2))
    soundfile.write(file, noise, 48_000, format="OGG", subtype="VORBIS")
    return file.getvalue()


def by_ffmpeg(content):
    with av.open(io.BytesIO(content)) as container:
        return sum(frame.samples for frame in container.decode(container.streams.audio[0]))


print(f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}, libsndfile {soundfile.__libsndfile_version__}")
found = {}
for samples in (500, 1_000, 3_000, 20_011):
    content = vorbis(samples)
    found[samples] = by_ffmpeg(content)
    print(f"{samples} samples: libsndfile {len(soundfile.read(io.BytesIO(content))[0])}, FFmpeg {found[samples]}")
chain = by_ffmpeg(vorbis(48_000, 1) + vorbis(20_011, 3))
print(f"48000 and 20011 samples in a chain, 68011 in all: FFmpeg {chain}")
assert found == {500: 512, 1_000: 1_024, 3_000: 3_072, 20_011: 20_011}, found
assert chain == 68_139, chain
PYTHON
