"""The outcome of an evaluation: tables, box plots and a page from a folder of results."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from stems.errors import OptionError
from stems.evaluate.page import scores_page
from stems.evaluate.plots import save_box_plot
from stems.evaluate.prediction import predictions
from stems.evaluate.published import BINARY_MASK, LANDMARKS, MIXTURE, published
from stems.evaluate.results import (
    METRICS,
    Row,
    TrackScores,
    load_method,
    methods,
    published_rows,
    sdr_by_stem,
    summarise,
    track_medians,
)
from stems.evaluate.tables import as_csv, as_markdown, as_text, predictions_as_csv
from stems.report.page import write_page


def collect_rows(
    folder: Path, with_published: bool = False, tracks: Collection[tuple[str, str]] | None = None
) -> list[Row]:
    """One row per method and stem of a results folder.

    The share of the way is measured between the methods `mixture` and `ibm` of the same folder on the method's tracks.
    with_published: adds published results on MUSDB18; where this folder lacks the two baselines, the published ones
        take their place.
    tracks: subset and name of the tracks that count; all by default.

    Raises OptionError if the folder holds no results.
    """
    results = _results(folder, tracks)
    if not results:
        raise OptionError(f"{folder} holds no results to sum up.")
    known = published()
    mixture, binary_mask = known[MIXTURE], known[BINARY_MASK]
    instead = (mixture, binary_mask) if with_published else (None, None)
    rows = []
    for method, scores in results.items():
        ends = []
        for baseline, substitute in zip(("mixture", "ibm"), instead, strict=True):
            sdr = _sdr_on(scores, results.get(baseline, {}))
            if not sdr and substitute is not None:
                sdr = {stem: scores["SDR"] for stem, scores in substitute.scores.items()}
            ends.append(sdr)
        rows += summarise(method, scores, *ends)
    if with_published:
        for name in LANDMARKS:
            rows += published_rows(known[name], mixture, binary_mask)
    return rows


def write_report(
    folder: Path,
    with_published: bool = False,
    title: str = "",
    tracks: Collection[tuple[str, str]] | None = None,
) -> str:
    """Writes the outcome into a results folder; returns the tables as text.

    That is `scores.txt`, `scores.csv`, `scores.md`, `confidence.csv` if a method says how confident it is, a box plot
    of each metric such as `SDR.png`, and all of it as `scores.html`.

    with_published, tracks: as in `collect_rows`.
    title: what was scored.
    """
    rows = collect_rows(folder, with_published, tracks)
    results = _results(folder, tracks)
    found = [one for method, scores in results.items() for one in predictions(folder / method, method, scores, tracks)]
    text = as_text(rows, found)
    files = {"scores.txt": text, "scores.csv": as_csv(rows), "scores.md": as_markdown(rows, found)}
    if found:
        files["confidence.csv"] = predictions_as_csv(found)
    for earlier in ("confidence.csv", *(f"{metric}.png" for metric in METRICS)):
        (folder / earlier).unlink(missing_ok=True)  # of other tracks or methods, it may be
    for name, content in files.items():
        write_page(folder / name, content)
    landmarks = [published()[name] for name in LANDMARKS] if with_published else []
    plots = {metric: folder / f"{metric}.png" for metric in METRICS if _is_there(results, metric)}
    for metric, path in plots.items():
        save_box_plot(path, results, landmarks, metric, title)
    write_page(folder / "scores.html", scores_page(title, rows, found, plots))
    return text


def _results(folder: Path, tracks: Collection[tuple[str, str]] | None) -> dict[str, dict[str, TrackScores]]:
    if not folder.is_dir():
        return {}
    return {method: load_method(folder / method, tracks) for method in methods(folder, tracks)}


def _is_there(results: Mapping[str, Mapping[str, TrackScores]], metric: str) -> bool:
    return any(
        len(track_medians(tracks, stem, metric))
        for tracks in results.values()
        for stem in {stem for scores in tracks.values() for stem in scores}
    )


def _sdr_on(tracks: Mapping[str, TrackScores], baseline: Mapping[str, TrackScores]) -> dict[str, float]:
    """SDR per stem of a baseline on these tracks, dB; nothing if it has not been scored on all of them."""
    if not tracks.keys() <= baseline.keys():
        return {}
    return sdr_by_stem(summarise("", {name: baseline[name] for name in tracks}))
