#!/usr/bin/env bash
# One silent second in one stem takes that second away from all stems in museval.
#
# BSS Eval v4 is scored second by second. Where one reference or one estimate is silent, the second is NaN for every source, so medians of a song
# rest on the seconds in which all sources sound. A tail below a second is not scored, and a source that is silent all through is an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet museval==0.4.1 scipy==1.15.3 pandas==2.2.3 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import museval
import numpy as np

SECOND = 8000  # samples; the figures do not depend on the rate
rng = np.random.default_rng(0)
truth = rng.standard_normal((2, 4 * SECOND, 1))
estimates = truth + 0.1 * rng.standard_normal(truth.shape)


def sdr(truth, estimates):
    return museval.evaluate(truth, estimates, win=SECOND, hop=SECOND)[0]


def silent(signals, source, second):
    signals = signals.copy()
    signals[source, second * SECOND : (second + 1) * SECOND] = 0
    return signals


print("museval 0.4.1, SDR of two sources in four seconds")
for name, figures, missing in (
    ("all sound", sdr(truth, estimates), []),
    ("the first reference is silent in second 1", sdr(silent(truth, 0, 1), estimates), [1]),
    ("the second estimate is silent in second 2", sdr(truth, silent(estimates, 1, 2)), [2]),
):
    print(f"{name}:\n{figures.round(1)}")
    assert [second for second in range(4) if np.isnan(figures[:, second]).all()] == missing
    assert np.isnan(figures).sum() == 2 * len(missing)

cut = int(3.9 * SECOND)
assert sdr(truth[:, :cut], estimates[:, :cut]).shape == (2, 3)
print("3.9 seconds: three are scored")
try:
    sdr(np.stack([0 * truth[0], truth[1]]), estimates)
    raise AssertionError("a source of silence was scored")
except ValueError as error:
    print(f"a source that is silent all through: {error}")
PYTHON
