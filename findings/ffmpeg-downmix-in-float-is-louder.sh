#!/usr/bin/env bash
# FFmpeg's resampler makes a mix of channels up to 7.7 dB louder in float than in 16 bit.
#
# In integers it lowers the matrix so that nothing clips; in float it does not. So 5.1 to stereo is 2.414 times as loud
# and stereo to mono 1.414 times, depending on the sample format alone. Ask for the file's own layout, and mix yourself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet av==18.1.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import av
import numpy as np

EXPECTED = {("fltp", "5.1", "stereo"): 2.4142, ("fltp", "stereo", "mono"): 1.4142, ("fltp", "mono", "stereo"): 0.7071,
            ("s16p", "5.1", "stereo"): 1.0, ("s16p", "stereo", "mono"): 1.0, ("s16p", "mono", "stereo"): 0.7071}
CHANNELS = {"5.1": 6, "stereo": 2, "mono": 1}
SCALE = {"fltp": (0.25, np.float32), "s16p": (8192, np.int16)}

print(f"PyAV {av.__version__}, swresample {'.'.join(map(str, av.library_versions['libswresample']))}")
for (form, source, target), expected in EXPECTED.items():
    level, kind = SCALE[form]
    frame = av.AudioFrame.from_ndarray(np.full((CHANNELS[source], 4096), level, kind), format=form, layout=source)
    frame.sample_rate = 44100
    mixed = av.AudioResampler(format=form, layout=target, rate=44100).resample(frame)[0].to_ndarray()
    gain = float(mixed[0, 2000]) / level
    print(f"{form} {source:>6} to {target:6} {gain:.4f} times, {20 * np.log10(gain):+.1f} dB")
    assert abs(gain - expected) < 0.001
PYTHON
