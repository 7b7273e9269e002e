"""The outcome of an evaluation: tables and a box plot from a folder of results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from stems.errors import OptionError
from stems.evaluate.plots import save_box_plot
from stems.evaluate.published import BINARY_MASK, LANDMARKS, MIXTURE, published
from stems.evaluate.results import Row, TrackScores, load_method, methods, published_rows, sdr_by_stem, summarise
from stems.evaluate.tables import as_csv, as_markdown, as_text


def collect_rows(folder: Path, with_published: bool = False) -> list[Row]:
    """One row per method and stem of a results folder.

    The share of the way is measured between the methods `mixture` and `ibm` of the same folder on the method's tracks.
    with_published: adds published results on MUSDB18; where this folder lacks the two baselines, the published ones
        take their place.

    Raises OptionError if the folder holds no results.
    """
    results = {method: load_method(folder / method) for method in methods(folder)} if folder.is_dir() else {}
    if not results:
        raise OptionError(f"{folder} holds no results to sum up.")
    known = published()
    mixture, binary_mask = known[MIXTURE], known[BINARY_MASK]
    instead = (mixture, binary_mask) if with_published else (None, None)
    rows = []
    for method, tracks in results.items():
        ends = []
        for baseline, substitute in zip(("mixture", "ibm"), instead, strict=True):
            sdr = _sdr_on(tracks, results.get(baseline, {}))
            if not sdr and substitute is not None:
                sdr = {stem: scores["SDR"] for stem, scores in substitute.scores.items()}
            ends.append(sdr)
        rows += summarise(method, tracks, *ends)
    if with_published:
        for name in LANDMARKS:
            rows += published_rows(known[name], mixture, binary_mask)
    return rows


def write_report(folder: Path, with_published: bool = False, title: str = "") -> str:
    """Writes `scores.txt`, `scores.csv`, `scores.md` and `SDR.png` into a results folder; returns the text.

    with_published: as in `collect_rows`.
    title: what was scored, for the plot.
    """
    rows = collect_rows(folder, with_published)
    text = as_text(rows)
    for name, content in (("scores.txt", text), ("scores.csv", as_csv(rows)), ("scores.md", as_markdown(rows))):
        temporary = folder / f".{name}.{os.getpid()}.part"
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(folder / name)
    results = {method: load_method(folder / method) for method in methods(folder)}
    landmarks = [published()[name] for name in LANDMARKS] if with_published else []
    save_box_plot(folder / "SDR.png", results, landmarks, subset=title)
    return text


def _sdr_on(tracks: Mapping[str, TrackScores], baseline: Mapping[str, TrackScores]) -> dict[str, float]:
    """SDR per stem of a baseline on these tracks, dB; nothing if it has not been scored on all of them."""
    if not tracks.keys() <= baseline.keys():
        return {}
    return sdr_by_stem(summarise("", {name: baseline[name] for name in tracks}))
