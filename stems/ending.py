"""The end of a process that has loaded torch."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Where this block is the last that a process does, its memory is left to the system, which frees it at once.

    Python would free object by object, which takes a quarter of a second once torch is loaded. All threads are waited
    for as ever, and all that was registered with `atexit` in this block is done; the exit code is what it would be.
    """
    codes: list[int] = []

    def end() -> None:
        if codes:
            for stream in (sys.stdout, sys.stderr):
                with suppress(AttributeError, OSError, ValueError):  # there is none, or it was closed
                    stream.flush()
            os._exit(codes[0])

    atexit.register(end)  # runs after all that are registered later
    try:
        yield
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):  # else Python has something to print
            codes.append(stop.code or 0)
        raise
    codes.append(0)
