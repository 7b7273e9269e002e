"""Importing torch, which takes a third of the time of a short command."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing_torch() -> Iterator[None]:
    """Where torch is imported in this block, its objects are never looked through for garbage.

    They are hundreds of thousands, all of which stay. To look through them again and again while they are made, and
    once more when the program ends, takes half as long as making them.

    Its threads do not spin while they wait for each other: a song would take many times as long where another program,
    such as a DAW, keeps a core busy. That is read once, when torch is loaded.
    """
    if "torch" in sys.modules:
        yield
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
