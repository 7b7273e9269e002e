"""Tables of scores as text, CSV or Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from stems.evaluate.results import METRICS, Row

MEANING = (
    "Figures are in dB: medians over frames of a second, then over tracks. 'Way' is how far the SDR is from the "
    "mixture's (0 %) to the ideal binary mask's (100 %). Frames in which a true or an estimated stem is silent have no "
    "figures and are left out; 'silent' is their share."
)


def as_text(rows: Sequence[Row]) -> str:
    """A table in columns, with what its figures mean below it."""
    lines = _cells(rows)
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*text, "", MEANING, ""])


def as_markdown(rows: Sequence[Row]) -> str:
    """A Markdown table, with what its figures mean below it."""
    header, *lines = ([cell.replace("|", "\\|") for cell in line] for line in _cells(rows))
    rule = ["---" if column < 2 else "---:" for column in range(len(header))]
    return "\n".join([*("| " + " | ".join(line) + " |" for line in (header, rule, *lines)), "", MEANING, ""])


def as_csv(rows: Sequence[Row]) -> str:
    """CSV with all digits: dB, counts of frames and tracks, the way as a fraction."""
    metrics = _metrics(rows)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["method", "stem", *metrics, "way", "tracks", "frames", "frames_without_signal"])
    for row in rows:
        figures = [row.scores.get(metric, "") for metric in metrics]
        way = "" if row.share is None else row.share
        counts = [row.tracks, row.frames, row.frames_without_signal] if row.frames else ["", "", ""]
        writer.writerow([row.method, row.stem, *figures, way, *counts])
    return table.getvalue()


def _metrics(rows: Sequence[Row]) -> list[str]:
    return [metric for metric in METRICS if any(metric in row.scores for row in rows)]


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    metrics = _metrics(rows)
    lines = [["method", "stem", *metrics, "way", "tracks", "silent"]]
    for row in rows:
        figures = [f"{row.scores[metric]:.2f}" if metric in row.scores else "" for metric in metrics]
        way = "" if row.share is None else f"{row.share:.0%}"
        counts = [str(row.tracks), f"{row.frames_without_signal / row.frames:.0%}"] if row.frames else ["", ""]
        lines.append([row.method, row.stem, *figures, way, *counts])
    return lines
