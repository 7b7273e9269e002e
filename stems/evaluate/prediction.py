"""How well the confidence of a method predicts its scores: a user sees the one and would like to know the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from stems.evaluate.engine import Array
from stems.evaluate.results import TrackScores, read_result, result_paths

MEASURES = ("confidence", "silhouette")
ALL_STEMS = "all"
FEWEST = 3  # of tracks, from which on a correlation says anything at all


@dataclass(frozen=True)
class Prediction:
    """One measure of confidence beside the SDR, over the tracks of a method that have both.

    stem: `ALL_STEMS` where the stems of all tracks count alike.
    measure: one of `MEASURES`, see `stems.song.confidence.Confidence`.
    figures: the measure, (tracks,).
    sdr: median over frames, (tracks,), dB.
    """

    method: str
    stem: str
    measure: str
    figures: Array
    sdr: Array

    @property
    def correlation(self) -> float:
        """Pearson's, -1 to 1; NaN where there are too few tracks, or no differences between them."""
        return _correlation(self.figures, self.sdr)

    @property
    def rank_correlation(self) -> float:
        """Spearman's: the same of ranks, so that only the order counts."""
        return _correlation(_ranks(self.figures), _ranks(self.sdr))


def predictions(
    folder: Path, method: str, scores: Mapping[str, TrackScores], tracks: Collection[tuple[str, str]] | None = None
) -> Iterator[Prediction]:
    """One for each measure and stem, all stems last; none for a method that has no confidence.

    folder: of the results of this method.
    scores, tracks: as in `stems.evaluate.results.load_method`.
    """
    said = {path.stem: read_result(path) for path in result_paths(folder, tracks)}
    for measure in MEASURES:
        pooled: list[tuple[float, float]] = []
        for stem in dict.fromkeys(stem for track in scores.values() for stem in track):
            pairs = [
                (_figure(said[track], measure, stem), _median(of_stems[stem]["SDR"]))
                for track, of_stems in scores.items()
                if stem in of_stems
            ]
            known = [(figure, sdr) for figure, sdr in pairs if figure is not None and not np.isnan(sdr)]
            if known:
                pooled += known
                yield _prediction(method, stem, measure, known)
        if pooled:
            yield _prediction(method, ALL_STEMS, measure, pooled)


def _prediction(method: str, stem: str, measure: str, pairs: list[tuple[float, float]]) -> Prediction:
    figures, sdr = np.array(pairs).T
    return Prediction(method, stem, measure, figures, sdr)


def _figure(content: Mapping[str, Any], measure: str, stem: str) -> float | None:
    """What a result says; None where it says nothing, or no number."""
    of_stems = content.get(measure)
    figure = of_stems.get(stem) if isinstance(of_stems, dict) else None
    return float(figure) if isinstance(figure, (int, float)) and abs(figure) < 1e30 else None


def _median(frames: Array) -> float:
    return nan if np.isnan(frames).all() else float(np.nanmedian(frames))


def _ranks(figures: Array) -> Array:
    """Places in the order of size; equal figures share the mean of theirs."""
    _, places, counts = np.unique(figures, return_inverse=True, return_counts=True)
    ranks: Array = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks


def _correlation(one: Array, other: Array) -> float:
    if len(one) < FEWEST or np.ptp(one) == 0 or np.ptp(other) == 0:
        return nan
    return float(np.corrcoef(one, other)[0, 1])
