"""Memory between the stages of a long piece of work."""

from __future__ import annotations

import ctypes
import sys


def give_back_memory() -> None:
    """Gives memory that is free back to the system; the C library of Linux would keep it for what is to come.

    It keeps it for each thread, in pieces that what comes next does not fit into, which in the end is more than all
    that is in use.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):  # of glibc alone
        trim(0)
