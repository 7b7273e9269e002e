"""Scores on disk and in sum: one JSON file per track, medians over frames, then over tracks.

Files follow museval's schema and folders, `<method>/<subset>/<track>.json`, so that `museval.MethodStore` reads them.
Each is written when its track is done and never half, so that a run can be resumed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stems.errors import StemsError
from stems.evaluate.engine import Array
from stems.evaluate.published import Published
from stems.files.destination import whole

if TYPE_CHECKING:
    from stems.song.confidence import Confidence

METRICS = ("SDR", "ISR", "SIR", "SAR", "SI-SDR")
MUSEVAL_METRICS = ("SDR", "ISR", "SIR", "SAR")
PLACES = {"mixture": 0, "ibm": 2, "irm": 3, "mwf": 4}  # of methods in tables and plots; all others are between
MUSEVAL_VERSION = "0.4.1"  # the one whose schema and definitions these are

TrackScores = dict[str, dict[str, Array]]
"""Stem -> metric -> one figure per frame in dB, NaN where the frame has no signal."""


def result_path(folder: Path, method: str, subset: str, track: str) -> Path:
    """Where the scores of this track belong: `<folder>/<method>/<subset>/<track>.json`."""
    return folder / method / subset / f"{track}.json"


def save_track(
    path: Path,
    stems: tuple[str, ...],
    scores: Mapping[str, Array],
    engine: str,
    confidence: Confidence | None = None,
    window_seconds: float = 1.0,
    hop_seconds: float = 1.0,
    version: str = "",
) -> None:
    """Writes the scores of one track.

    stems: names of the rows of the scores.
    scores: metric -> `(stems, frames)` in dB, as an engine returns it. As in museval, infinite figures (of an estimate
        without any distortion, say) are kept as NaN, and metrics that were not computed are NaN.
    engine: its name, by which a later run knows whether it may rely on this file.
    confidence: of the method in its estimates of this track, written as `stems split --json` says it.
    version: of the method, likewise: other weights or estimates may come under the same name.
    """
    frames = len(next(iter(scores.values()))[0])
    names = [metric for metric in METRICS if metric in scores or metric in MUSEVAL_METRICS]
    nothing = np.full((len(stems), frames), np.nan)
    targets = [
        {
            "name": stem,
            "frames": [
                {
                    "time": frame * hop_seconds,
                    "duration": window_seconds,
                    "metrics": {name: _figure(scores.get(name, nothing)[row, frame]) for name in names},
                }
                for frame in range(frames)
            ],
        }
        for row, stem in enumerate(stems)
    ]
    content: dict[str, Any] = {"targets": targets, "museval_version": MUSEVAL_VERSION, "engine": engine}
    content |= {"version": version} if version else {}
    content |= confidence.as_json() if confidence else {}
    with whole(path, StemsError) as unfinished:
        unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")


def is_finished(path: Path, engine: str, version: str = "") -> bool:
    """Whether this file holds a track's scores by this engine, of this version of the method."""
    try:
        result = read_result(path)
        return bool(result["engine"] == engine and result.get("version", "") == version)
    except (OSError, KeyError, StemsError):
        return False


def load_track(path: Path) -> TrackScores:
    """Scores of one track, from a file of ours or of museval.

    Raises StemsError if it is neither.
    """
    try:
        scores = {
            str(target["name"]): {
                metric: np.array([frame["metrics"][metric] for frame in target["frames"]], dtype=float)
                for metric in METRICS
                if all(metric in frame["metrics"] for frame in target["frames"])
            }
            for target in read_result(path)["targets"]
        }
        if not all("SDR" in metrics for metrics in scores.values()):
            raise KeyError("SDR")
        return scores
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise StemsError(f"{path} does not hold museval scores; delete it and score its track again.") from error


def load_method(folder: Path, tracks: Collection[tuple[str, str]] | None = None) -> dict[str, TrackScores]:
    """Track name -> scores, of the files `<subset>/<track>.json` in the folder of a method.

    tracks: subset and name of those that are wanted; all by default.
    """
    return {path.stem: load_track(path) for path in result_paths(folder, tracks)}


def result_paths(folder: Path, tracks: Collection[tuple[str, str]] | None = None) -> Iterator[Path]:
    """The files that `load_method` reads."""
    paths = sorted(folder.glob("*/*.json"))
    return (path for path in paths if tracks is None or (path.parent.name, path.stem) in tracks)


def methods(folder: Path, tracks: Collection[tuple[str, str]] | None = None) -> Iterator[str]:
    """Names of the methods that have results in this folder, of these tracks: the mixture first, the oracles last."""
    named = sorted((PLACES.get(path.name, 1), path.name, path) for path in folder.iterdir() if path.is_dir())
    return (name for _, name, path in named if any(result_paths(path, tracks)))


@dataclass(frozen=True)
class Row:
    """A method's scores of one stem.

    scores: metric -> median over tracks of the medians over frames, dB; metrics without any figure are absent.
    tracks: how many tracks have a figure; 0 for a published result.
    frames, frames_without_signal: all frames, and those of them that are NaN because a stem is silent.
    share: how far the SDR is on the way from the mixture (0) to the ideal binary mask (1), None if either is unknown.
    """

    method: str
    stem: str
    scores: dict[str, float]
    tracks: int = 0
    frames: int = 0
    frames_without_signal: int = 0
    share: float | None = None


def track_medians(tracks: Mapping[str, TrackScores], stem: str, metric: str) -> Array:
    """Median over the frames of each track that has a figure for this stem, dB."""
    per_track = (scores[stem][metric] for scores in tracks.values() if metric in scores.get(stem, {}))
    return np.array([np.nanmedian(frames) for frames in per_track if not np.isnan(frames).all()])


def summarise(
    method: str,
    tracks: Mapping[str, TrackScores],
    mixture: Mapping[str, float] | None = None,
    binary_mask: Mapping[str, float] | None = None,
) -> list[Row]:
    """One row per stem.

    mixture, binary_mask: SDR in dB per stem of these two baselines on the same tracks, for the share of the way.
    """
    rows = []
    for stem in dict.fromkeys(stem for scores in tracks.values() for stem in scores):
        medians = {metric: track_medians(tracks, stem, metric) for metric in METRICS}
        scores = {metric: float(np.median(figures)) for metric, figures in medians.items() if len(figures)}
        sdr = [scores[stem]["SDR"] for scores in tracks.values() if stem in scores]
        rows.append(
            Row(
                method,
                stem,
                scores,
                tracks=len(medians["SDR"]),
                frames=sum(len(frames) for frames in sdr),
                frames_without_signal=sum(int(np.isnan(frames).sum()) for frames in sdr),
                share=share_of_the_way(scores.get("SDR"), (mixture or {}).get(stem), (binary_mask or {}).get(stem)),
            )
        )
    return rows


def published_rows(result: Published, mixture: Published, binary_mask: Published) -> list[Row]:
    """One row per stem of a published result, its share measured between two other published ones."""
    return [
        Row(
            result.system,
            stem,
            scores,
            share=share_of_the_way(
                scores.get("SDR"), mixture.scores[stem].get("SDR"), binary_mask.scores[stem].get("SDR")
            ),
        )
        for stem, scores in result.scores.items()
    ]


def share_of_the_way(sdr: float | None, mixture: float | None, binary_mask: float | None) -> float | None:
    """How far an SDR is on the way from the mixture's (0) to the ideal binary mask's (1); all in dB."""
    if sdr is None or mixture is None or binary_mask is None or mixture == binary_mask:
        return None
    return (sdr - mixture) / (binary_mask - mixture)


def sdr_by_stem(rows: list[Row]) -> dict[str, float]:
    """The SDR in dB of each row's stem."""
    return {row.stem: row.scores["SDR"] for row in rows if "SDR" in row.scores}


def _figure(value: Any) -> float:
    return round(float(value), 5) if np.isfinite(value) else float("nan")


def read_result(path: Path) -> dict[str, Any]:
    """All that the file of a track holds.

    Raises StemsError if it does not look like one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StemsError(f"{path} does not hold museval scores; delete it and score its track again.") from error
    if not isinstance(content, dict):
        raise StemsError(f"{path} does not hold museval scores; delete it and score its track again.")
    return content
