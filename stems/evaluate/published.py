"""Published results on the test set of MUSDB18, each with its source.

The figures are medians over frames, then over the 50 tracks, in dB. They live in `published.csv`, one row per system
and stem; a metric that a publication does not give is empty there and absent here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

BINARY_MASK = "SiSEC 2018 IBM1 (ideal binary mask)"
MIXTURE = "SiSEC 2018 MIX (mixture)"
LANDMARKS = (
    MIXTURE,
    "Deep clustering (Seetharaman et al. 2019)",
    "Open-Unmix",
    "Spleeter (multichannel Wiener filter)",
    "Demucs 2021",
    BINARY_MASK,
    "SiSEC 2018 IRM2 (ideal ratio mask)",
    "SiSEC 2018 MWF (multichannel Wiener filter)",
)


@dataclass(frozen=True)
class Published:
    """One published system: `scores[stem][metric]` in dB."""

    system: str
    kind: str  # "system" separates blindly, "oracle" knows the true stems
    scores: dict[str, dict[str, float]]
    source: str


@cache
def published() -> dict[str, Published]:
    """All published results, by name of the system, in the order of the file."""
    results: dict[str, Published] = {}
    table = files("stems.evaluate").joinpath("published.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines()):
        entry = results.setdefault(row["system"], Published(row["system"], row["kind"], {}, row["source"]))
        metrics = ("SDR", "ISR", "SIR", "SAR")
        entry.scores[row["stem"]] = {metric: float(row[metric]) for metric in metrics if row[metric]}
    return results
