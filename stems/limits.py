"""What numbers and names may be: the sensitivity, and what a card says, so that no file makes a split endless."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from stems.errors import OptionError

LOWEST_SENSITIVITY, HIGHEST_SENSITIVITY = 0.1, 10.0
LOWEST_BPM, HIGHEST_BPM = 1, 1000
LOUDEST = 2.0**32
"""Times full scale: what 32-bit integers reach that were saved as floats; beyond, single precision gives out."""
FAINTEST = 2.0**-126
"""Times full scale: what is smaller is denormal in single precision, and is taken as silence."""
MOST_STEMS = 16
MOST_OVERTONES = 64
NOT_IN_NAMES = '/\\:*?"<>|\0='

_SWITCHES = {("network", "bidirectional"), ("clustering", "anchored")}
_RANGES: dict[str, dict[str, tuple[float, float]]] = {  # of whole numbers where both ends are
    "bands": {
        "count": (2, 2048),
        "single_hz": (0.0, 22050.0),
        "top_hz": (1.0, 22050.0),
        "reference_window": (64, 65536),
        "reference_synthesis": (0, 65536),
    },
    "network": {
        "bands": (2, 2048),
        "dimensions": (1, 256),
        "layers": (1, 16),
        "units": (1, 1024),
        "dropout": (0.0, 1.0),
        "channels": (0, 1024),
        "texture": (0, 1024),
        "queries": (0, 1024),
        "reach": (0, 256),
        "depth": (0, 32),
        "groups": (0, 2048),
        "width": (1, 1024),
        "stride": (1, 64),
    },
    "clustering": {
        "iterations": (0, 1000),
        "pull": (0.0, 1000.0),
        "weight_exponent": (0.0, 10.0),
        "share": (0.0, 1.0),
    },
}


def check_sensitivity(sensitivity: float) -> None:
    """Raises OptionError for a sensitivity out of range.

    It multiplies how sharply the model has learned to assign cells to stems: 1 is what it learned, less lets stems
    bleed softly into each other, more cuts them hard (0.1 to 10).
    """
    if not LOWEST_SENSITIVITY <= sensitivity <= HIGHEST_SENSITIVITY:  # which no NaN is
        raise OptionError(
            f"sensitivity must be from {LOWEST_SENSITIVITY:g} to {HIGHEST_SENSITIVITY:g}, not {sensitivity:g}."
        )


def check_design(design: Any) -> None:
    """Raises ValueError, which says what is wrong, for a design that no model of ours has.

    Keys that are not known here are left to `stems.model` to refuse.
    """
    if not isinstance(design, Mapping):
        raise ValueError(f"its design must be a table, not {_short(design)}")
    for part, ranges in _RANGES.items():
        values = design.get(part, {})
        if not isinstance(values, Mapping):
            raise ValueError(f"{part} must be a table, not {_short(values)}")
        for key, value in values.items():
            if (part, key) in _SWITCHES and not isinstance(value, bool):
                raise ValueError(f"{part}.{key} must be true or false, not {_short(value)}")
            if key in ranges:
                _check_number(f"{part}.{key}", value, *ranges[key])
    _check_number("loudness", design.get("loudness", 0.1), 1e-6, 10.0)
    overtones = design.get("network", {}).get("overtones", ())
    if not isinstance(overtones, (list, tuple)) or len(overtones) > MOST_OVERTONES:
        raise ValueError(f"network.overtones must be a list of at most {MOST_OVERTONES} numbers")
    for overtone in overtones:
        _check_number("network.overtones", overtone, 0.001, 1000.0)
    _check_stems(design.get("stems", ()))


def _check_number(key: str, value: Any, lowest: float, highest: float) -> None:
    kind = (int,) if isinstance(highest, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not isfinite(value) or not lowest <= value <= highest:
        number = "a whole number" if kind == (int,) else "a number"
        raise ValueError(f"{key} must be {number} from {lowest:g} to {highest:g}, not {_short(value)}")


def _check_stems(stems: Any) -> None:
    if not isinstance(stems, (list, tuple)) or len(stems) > MOST_STEMS:
        raise ValueError(f"stems must be a list of at most {MOST_STEMS} names")
    for stem in stems:
        if not can_name_a_file(stem):
            raise ValueError(f"the stem {_short(stem)} cannot be part of a file's name")
    if len(set(stems)) < len(stems):
        raise ValueError("a stem is named twice")


def can_name_a_file(name: Any) -> bool:
    """Whether something can be the name of a stem or an output, and so part of a file's name on every system."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= 100
        and name[0] != "."
        and name.isprintable()
        and not (set(name) & set(NOT_IN_NAMES))
    )


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a number of more than 20 digits"
    return text if len(text) <= 60 else text[:57] + "..."
