"""Box plot of scores per stem, beside published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stems.errors import StemsError
from stems.evaluate.published import Published
from stems.evaluate.results import TrackScores, track_medians
from stems.files.destination import whole

Results = Mapping[str, Mapping[str, TrackScores]]
"""Method -> track -> scores."""

SHOWN = (-20.0, 40.0)  # dB: the mixture has no artifacts at all, and a stem that hardly sounds drowns


def save_box_plot(
    path: Path, results: Results, published: Sequence[Published] = (), metric: str = "SDR", subset: str = ""
) -> None:
    """Writes a PNG: a panel per stem, a box over tracks per method, published medians as dots below them.

    What is beyond `SHOWN` is left out.

    results: scores of each method.
    published: results to show beside them; of these only the median is known.
    subset: what was scored, for the title.
    """
    figure = box_plot(results, published, metric, subset)
    with whole(path, StemsError) as unfinished:
        figure.savefig(unfinished, format="png", dpi=150)


def box_plot(results: Results, published: Sequence[Published] = (), metric: str = "SDR", subset: str = "") -> Any:
    """The same as a `matplotlib.figure.Figure`, which needs no display."""
    from matplotlib import __version_info__
    from matplotlib.figure import Figure

    # The old spelling is on its way out, the new one came with 3.10.
    lying: dict[str, Any] = {"orientation": "horizontal"} if __version_info__ >= (3, 10) else {"vert": False}
    stems = list(dict.fromkeys(stem for tracks in results.values() for scores in tracks.values() for stem in scores))
    known = [result for result in published if any(metric in result.scores.get(stem, {}) for stem in stems)]
    labels = [*results, *(result.system for result in known)]
    figure = Figure(figsize=(3.2 + 2.4 * len(stems), 1.6 + 0.32 * len(labels)), layout="constrained")
    panels = figure.subplots(1, len(stems), sharey=True, squeeze=False)[0] if stems else []
    for panel, stem in zip(panels, stems, strict=True):
        for position, tracks in enumerate(results.values()):
            figures = track_medians(tracks, stem, metric)
            if len(figures):
                panel.boxplot(figures, positions=[position], widths=0.6, **lying)
        for position, result in enumerate(known, start=len(results)):
            if metric in result.scores.get(stem, {}):
                shape = "D" if result.kind == "oracle" else "o"
                panel.plot(result.scores[stem][metric], position, shape, color="tab:gray")
        if known:
            panel.axhline(len(results) - 0.5, color="lightgray", linewidth=0.8)
        left, right = panel.get_xlim()
        if left < SHOWN[1] and right > SHOWN[0]:
            panel.set_xlim(max(left, SHOWN[0]), min(right, SHOWN[1]))
        panel.set_title(stem)
        panel.set_xlabel(f"{metric} (dB)")
        panel.grid(axis="x", color="lightgray", linewidth=0.5)
        panel.set_yticks(range(len(labels)), labels)
        panel.set_ylim(len(labels) - 0.5, -0.5)
    title = f"{metric} per track{f', {subset}' if subset else ''}"
    if known:
        title += "; below: published medians on MUSDB18 (diamonds: oracles)"
    figure.suptitle(title, fontsize="medium")
    return figure
