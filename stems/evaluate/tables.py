"""Tables of scores, and of how well confidence predicts them, as text, CSV or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import isnan

from stems.evaluate.prediction import Prediction
from stems.evaluate.results import METRICS, Row

MEANING = (
    "Figures are in dB: medians over frames of a second, then over tracks. {way}Frames in which a true or an estimated "
    "stem is silent have no figures and are left out, as museval does, which also has none for estimates without "
    "any error; 'silent' is the share of both."
)

WAY = "'Way' is how far the SDR is from the mixture's (0 %) to the ideal binary mask's (100 %). "


CONFIDENCE_MEANING = (
    "How well the confidence that `stems split --json` gives predicts SDR, from song to song: correlations of the "
    "figures and of their ranks, from -1 to 1, where 0 is no prediction at all. Few songs say little."
)


PUBLISHED_MEANING = (
    "Rows without a number of tracks are published results on the 50 test songs of MUSDB18, their way measured there; "
    "stems/evaluate/published.csv says where each is from."
)


def as_text(rows: Sequence[Row], predictions: Sequence[Prediction] = ()) -> str:
    """Tables in columns, with what their figures mean below them."""
    text = [*_columns(cells(rows), 2), "", *meaning(rows), ""]
    if predictions:
        text += ["", *_columns(prediction_cells(predictions), 3), "", CONFIDENCE_MEANING, ""]
    return "\n".join(text)


def as_markdown(rows: Sequence[Row], predictions: Sequence[Prediction] = ()) -> str:
    """Markdown tables, with what their figures mean below them."""
    text = [*_markdown(cells(rows), 2), "", *meaning(rows), ""]
    if predictions:
        text += ["", *_markdown(prediction_cells(predictions), 3), "", CONFIDENCE_MEANING, ""]
    return "\n".join(text)


def meaning(rows: Sequence[Row]) -> list[str]:
    """What the figures of these rows mean."""
    return [
        MEANING.format(way=WAY if _knows_way(rows) else ""),
        *([PUBLISHED_MEANING] if any(is_published(row) for row in rows) else []),
    ]


def is_published(row: Row) -> bool:
    """Whether a row was read in a publication, not scored here."""
    return not row.frames


def _columns(lines: Sequence[Sequence[str]], names: int) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column < names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _markdown(lines: Sequence[Sequence[str]], names: int) -> list[str]:
    header, *others = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    rule = ["---" if column < names else "---:" for column in range(len(header))]
    return ["| " + " | ".join(line) + " |" for line in (header, rule, *others)]


def as_csv(rows: Sequence[Row]) -> str:
    """CSV with all digits: dB, counts of frames and tracks, and if it is known of any row, the way as a fraction."""
    metrics, knows_way = _metrics(rows), _knows_way(rows)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        ["method", "stem", *metrics, *(["way"] if knows_way else []), "tracks", "frames", "frames_without_signal"]
    )
    for row in rows:
        figures = [row.scores.get(metric, "") for metric in metrics]
        way = ["" if row.share is None else row.share] if knows_way else []
        counts = ["", "", ""] if is_published(row) else [row.tracks, row.frames, row.frames_without_signal]
        writer.writerow([row.method, row.stem, *figures, *way, *counts])
    return table.getvalue()


def predictions_as_csv(predictions: Sequence[Prediction]) -> str:
    """CSV with all digits; a correlation that is not known is empty."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["method", "stem", "measure", "tracks", "correlation", "rank_correlation"])
    for found in predictions:
        figures = ["" if isnan(figure) else figure for figure in (found.correlation, found.rank_correlation)]
        writer.writerow([found.method, found.stem, found.measure, len(found.sdr), *figures])
    return table.getvalue()


def _metrics(rows: Sequence[Row]) -> list[str]:
    return [metric for metric in METRICS if any(metric in row.scores for row in rows)]


def _knows_way(rows: Sequence[Row]) -> bool:
    return any(row.share is not None for row in rows)


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """The header and the lines of the table of scores; the first two columns are names."""
    metrics, knows_way = _metrics(rows), _knows_way(rows)
    lines = [["method", "stem", *metrics, *(["way"] if knows_way else []), "tracks", "silent"]]
    for row in rows:
        figures = [f"{row.scores[metric]:.2f}" if metric in row.scores else "" for metric in metrics]
        way = ["" if row.share is None else f"{row.share:.0%}"] if knows_way else []
        silent = "" if is_published(row) else f"{row.frames_without_signal / row.frames:.0%}"
        counts = ["" if is_published(row) else str(row.tracks), silent]
        lines.append([row.method, row.stem, *figures, *way, *counts])
    return lines


def prediction_cells(predictions: Sequence[Prediction]) -> list[list[str]]:
    """The header and the lines of the table of confidence; the first three columns are names."""
    lines = [["method", "stem", "measure", "songs", "correlation", "of ranks"]]
    for found in predictions:
        figures = ["" if isnan(figure) else f"{figure:.2f}" for figure in (found.correlation, found.rank_correlation)]
        lines.append([found.method, found.stem, found.measure, str(len(found.sdr)), *figures])
    return lines
