"""Times of a song as people read them."""

from __future__ import annotations

import math

from stems.errors import OptionError


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds, to the millisecond where it needs that."""
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    whole, part = divmod(rest, 1000)
    return f"{minutes}:{whole:02d}" + (f".{part:03d}".rstrip("0") if part else "")


def seconds_of(text: str, option: str) -> float:
    """Reads what people write: seconds, m:ss or h:mm:ss, with parts of a second.

    Raises:
        OptionError: it is no time; the message names the option.
    """
    parts = text.strip().split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = [math.nan]
    if len(parts) > 3 or not all(0 <= number < 1e6 for number in numbers):
        raise OptionError(f"{option} {text!r} is no time: write it like 1:02.5 or 62.5.")
    return sum(number * 60.0**power for power, number in enumerate(reversed(numbers)))
