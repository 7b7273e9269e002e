"""Scores vocals over real music that training never heard, as `openband_material.py` lays it out.

    python recipes/score_sung.py --songs data/valid-sung

SDR in dB, median over the seconds in which somebody sings, then over the excerpts, of the vocals and of the rest.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile

from stems import Separator
from stems.evaluate.quick import distortion_energies

SINGS_DB = -40  # seconds of singing this far below an excerpt's loudest are silence


def scores(vocals: np.ndarray, rest: np.ndarray, estimate: np.ndarray, rate: int) -> tuple[float, float]:
    """SDR of vocals and rest, for vocals as estimated and what they leave of the mixture: (channels, samples)."""
    seconds = [slice(start, start + rate) for start in range(0, vocals.shape[1] - rate + 1, rate)]
    remainder = vocals + rest - estimate
    signal, error = distortion_energies((vocals, rest), (estimate, remainder), seconds)
    sings = signal[0] > 10 ** (SINGS_DB / 10) * signal[0].max()
    medians = np.median(10 * np.log10(signal[:, sings] / error[:, sings]), axis=1)
    return float(medians[0]), float(medians[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    options = parser.parse_args()
    print("| model | vocals | rest |\n|---|---|---|")
    for name in options.model or ["openband"]:
        separator, found = Separator(name), []
        for folder in sorted(options.songs.iterdir()):
            vocals, rate = soundfile.read(folder / "vocals.flac", dtype="float32")
            rest, _ = soundfile.read(folder / "accompaniment.flac", dtype="float32")
            estimate = separator((vocals + rest).T, rate)["vocals"]
            found.append(scores(vocals.T, rest.T, estimate, rate))
        print(f"| {name} | " + " | ".join(f"{median:.2f}" for median in np.median(found, axis=0)) + " |")


if __name__ == "__main__":
    main()
