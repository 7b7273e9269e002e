"""Times of a song as people read them."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds, to the millisecond where it needs that."""
    milliseconds = round(1000 * seconds)
    minutes, rest = divmod(milliseconds, 60_000)
    whole, part = divmod(rest, 1000)
    return f"{minutes}:{whole:02d}" + (f".{part:03d}".rstrip("0") if part else "")
