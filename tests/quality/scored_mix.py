"""Scores the weights that ship on a fixed mix of our own; run as a program it keeps the scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from stems import Separator, Stream

HERE = Path(__file__).parent
SCORES = HERE / "scores.json"
STEMS = ("drums", "bass", "vocals", "other")
LEVELS_DB = (0, -20)  # of the mix, since an input level that is wrong costs quality and nothing else


def scores() -> dict[str, dict[str, float]]:
    """SDR in dB over the whole mix by stem, of each model at each level."""
    stems = {name: soundfile.read(HERE / f"{name}.ogg", dtype="float32")[0].T for name in STEMS}
    found = {}
    for level_db in LEVELS_DB:
        true = {name: stem * np.float32(10 ** (level_db / 20)) for name, stem in stems.items()}
        mixture = np.ascontiguousarray(sum(true.values()), np.float32)
        found[f"openband at {level_db} dB"] = sdr(true, Separator("openband")(mixture, 44_100))
        found[f"openband-live at {level_db} dB"] = sdr(true, streamed(mixture))
    return found


def streamed(mixture: np.ndarray) -> dict[str, np.ndarray]:
    """The stems of a stream that hears nothing before the mixture, their latency taken out."""
    stream = Stream("openband-live", 44_100)
    late = stream.latency_samples
    return {name: stem[:, late:] for name, stem in stream(np.pad(mixture, ((0, 0), (0, late)))).items()}


def sdr(true: dict[str, np.ndarray], estimates: dict[str, np.ndarray]) -> dict[str, float]:
    """Signal-to-distortion ratio of each stem in dB."""
    return {
        name: round(float(10 * np.log10(np.square(stem).sum() / np.square(stem - estimates[name]).sum())), 2)
        for name, stem in true.items()
    }


if __name__ == "__main__":
    SCORES.write_text(json.dumps(scores(), indent=2) + "\n")
