"""The page about an evaluation: how far methods are on the way, box plots, confidence beside SDR, all figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import isnan
from pathlib import Path

import numpy as np

from stems.daw.colours import colour_of
from stems.evaluate.plots import SHOWN
from stems.evaluate.prediction import ALL_STEMS, Prediction
from stems.evaluate.published import published
from stems.evaluate.results import Row
from stems.evaluate.tables import CONFIDENCE_MEANING, cells, is_published, meaning, prediction_cells
from stems.report.page import embedded, page, section

FULL_NAMES = {
    "SDR": "all distortion",
    "ISR": "wrong level or place",
    "SIR": "other stems",
    "SAR": "artifacts",
    "SI-SDR": "all distortion, whatever the level",
}


def scores_page(title: str, rows: Sequence[Row], predictions: Sequence[Prediction], plots: Mapping[str, Path]) -> str:
    """A page that needs no other file.

    title: what was scored.
    plots: a PNG for each metric.
    """
    tracks = max((row.tracks for row in rows), default=0)
    facts = f"{tracks} song{'' if tracks == 1 else 's'} · BSS Eval v4, medians over seconds, then over songs"
    return page(f"Scores: {title}", facts, "\n".join(_sections(rows, predictions, plots)))


def _sections(rows: Sequence[Row], predictions: Sequence[Prediction], plots: Mapping[str, Path]) -> Iterator[str]:
    yield section(
        "SDR of each stem",
        "In dB: the higher, the cleaner. Bars and percentages show how far that is on the way from the mixture itself "
        "(0 %) to the ideal binary mask (100 %). Of the names here, ibm and irm are ideal binary and ratio masks and "
        "mwf is a multichannel Wiener filter: they know the true stems.",
        _overview(rows),
    )
    pictures = "".join(
        f'<h3>{escape(metric)}: {FULL_NAMES[metric]}</h3><div class="scores"><img class="plot" '
        f'src="{embedded(path.read_bytes(), "image/png")}" alt="Box plot of {escape(metric)}"></div>'
        for metric, path in plots.items()
    )
    yield section(
        "From song to song",
        "Each box holds the middle half of the songs, its line is their median, its whiskers reach to the last song "
        f"within one and a half boxes, circles are songs beyond. What is under {SHOWN[0]:g} or over {SHOWN[1]:g} dB is "
        "left out.",
        pictures,
    )
    if predictions:
        yield section(
            "Does confidence predict SDR?",
            "Each dot is a stem of a song. The more the dots rise to the right, the better a song's confidence, which "
            "is known without its true stems, tells how well it was separated.",
            f'<div class="charts">{"".join(_scatters(predictions))}</div>'
            f'{_table(prediction_cells(predictions), 3)}<p class="note">{escape(CONFIDENCE_MEANING)}</p>',
        )
    yield section("All figures", " ".join(meaning(rows)), _table(cells(rows), 2) + _sources(rows))


def _sources(rows: Sequence[Row]) -> str:
    """Where the published results among these rows are from."""
    systems = dict.fromkeys(row.method for row in rows if is_published(row))
    return "".join(f'<p class="note">{escape(name)}: {escape(published()[name].source)}.</p>' for name in systems)


def _overview(rows: Sequence[Row]) -> str:
    stems = list(dict.fromkeys(row.stem for row in rows))
    by_method: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_method.setdefault(row.method, {})[row.stem] = row
    lines = [
        f"<tr><td>{escape(method)}</td>{''.join(_bar(found.get(stem), stem) for stem in stems)}</tr>"
        for method, found in by_method.items()
    ]
    header = "".join(f"<th>{escape(stem)}</th>" for stem in stems)
    return (
        f'<div class="scores"><table class="overview"><thead><tr><th>method</th>{header}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _bar(row: Row | None, stem: str) -> str:
    if row is None or "SDR" not in row.scores:
        return "<td></td>"
    share = ""
    if row.share is not None:
        width = 100 * min(max(row.share, 0), 1)
        share = f' <small>{row.share:.0%}</small><span class="way"><i style="width: {width:.0f}%"></i></span>'
    return f'<td style="--colour: {colour_of(stem)}">{row.scores["SDR"]:.2f}{share}</td>'


def _scatters(predictions: Sequence[Prediction]) -> Iterator[str]:
    """A chart for each method and measure, 300 by 200, with a dot for each stem of a song."""
    for method, measure in dict.fromkeys((found.method, found.measure) for found in predictions):
        shown = [found for found in predictions if (found.method, found.measure) == (method, measure)]
        of_all = next(found for found in shown if found.stem == ALL_STEMS)
        by_stem = [found for found in shown if found.stem != ALL_STEMS]
        (left, right), (bottom, top) = _reach(of_all.figures, 0.05), _reach(np.clip(of_all.sdr, *SHOWN), 1.0)
        dots = "".join(
            f'<circle style="--colour: {colour_of(found.stem)}" cx="{300 * (figure - left) / (right - left):.1f}" '
            f'cy="{200 * (top - np.clip(sdr, *SHOWN)) / (top - bottom):.1f}" r="4">'
            f"<title>{escape(found.stem)}: {figure:.2f}, {sdr:.1f} dB</title></circle>"
            for found in by_stem
            for figure, sdr in zip(found.figures, found.sdr, strict=True)
        )
        legend = "".join(
            f'<span style="--colour: {colour_of(found.stem)}"><i></i>{escape(found.stem)}</span>' for found in by_stem
        )
        said = "" if isnan(of_all.correlation) else f", correlation {of_all.correlation:.2f}"
        yield (
            f"<figure><figcaption>{escape(method)}: SDR over {measure}{said}</figcaption>"
            f'<svg class="points" viewBox="0 0 300 200"><path class="guide" d="M0,0V200H300"/>{dots}</svg>'
            f'<div class="reach"><span>{left:.2f}</span><span>{measure}</span><span>{right:.2f}</span></div>'
            f'<div class="reach">SDR from {bottom:.1f} to {top:.1f} dB</div><div class="keys">{legend}</div></figure>'
        )


def _reach(figures: np.ndarray, margin: float) -> tuple[float, float]:
    """The ends of an axis that holds all figures."""
    return float(figures.min()) - margin, float(figures.max()) + margin


def _table(lines: Sequence[Sequence[str]], names: int) -> str:
    def row(line: Sequence[str], kind: str) -> str:
        return "".join(
            f"<{kind}{' class=text' if column < names else ''}>{escape(cell)}</{kind}>"
            for column, cell in enumerate(line)
        )

    body = "".join(f"<tr>{row(line, 'td')}</tr>" for line in lines[1:])
    return (
        f'<div class="scores"><table><thead><tr>{row(lines[0], "th")}</tr></thead><tbody>{body}</tbody></table></div>'
    )
