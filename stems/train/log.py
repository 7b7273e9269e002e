"""The log of a run: a line of JSON for each checkpoint."""

from __future__ import annotations

import json
from math import nan
from pathlib import Path
from typing import Any

_FIGURES = ("step", "minutes", "affinity", "stems")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a log, without lines that a crash or an editor has damaged; none where there is no log."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [entry for entry in map(_entry, lines) if entry is not None]


def add_to_log(path: Path, entry: dict[str, Any]) -> None:
    """Appends an entry, on a line of its own even where the last one was cut off."""
    text = path.read_bytes() if path.exists() else b"\n"
    with open(path, "ab") as log:
        log.write((b"" if text.endswith(b"\n") else b"\n") + json.dumps(entry).encode() + b"\n")


def score_of(entry: dict[str, Any], folder: str, stem: str) -> float:
    """The validation score of a stem in dB, NaN where the entry has none."""
    score = entry["sdr"].get(folder, {}).get(stem, nan)
    return float(score) if _is_number(score) else nan


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not all(_is_number(entry.get(key)) for key in _FIGURES):
        return None
    scores = entry.get("sdr")
    if not isinstance(scores, dict) or not all(isinstance(stems, dict) for stems in scores.values()):
        return None
    return entry


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and not abs(value) > 1e30  # NaN is what some scores are
