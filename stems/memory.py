"""Memory of a long piece of work: reused while it goes on, given back between its stages."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # parameters of mallopt
_LARGEST_REUSED = 16 * 2**20  # bytes of a block
_ARENAS = 2


def give_back_memory() -> None:
    """Gives memory that is free back to the system; the C library of Linux would keep it for what is to come.

    It keeps it for each thread, in pieces that what comes next does not fit into, which in the end is more than all
    that is in use.
    """
    if trim := _of_glibc("malloc_trim"):
        trim(0)


def reuse_memory() -> None:
    """Lets blocks of some megabytes, as spectra are, be reused at once, for as long as this process lives.

    The C library of Linux gives most of them back to the system, which clears each page before it hands it out again:
    up to a tenth of the time of a split. Threads share few arenas, so that what is free in one is not lacking in
    another. To be called by a program of which nothing else depends on this.
    """
    if set_option := _of_glibc("mallopt"):
        set_option(_MMAP_THRESHOLD, _LARGEST_REUSED)
        set_option(_TRIM_THRESHOLD, 2 * _LARGEST_REUSED)
        set_option(_ARENA_MAX, _ARENAS)


def _of_glibc(name: str) -> Any:
    """A function of the C library; None where it is not glibc."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return getattr(library, name, None) if hasattr(library, "malloc_trim") else None
