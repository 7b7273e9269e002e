"""The run of a command: its signals, its errors and its exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from stems.errors import StemsError


def main() -> None:
    """Runs the command line.

    An error of ours is one sentence and exit code 1. SIGTERM, and SIGHUP of a closed terminal, stop as Ctrl-C does; the
    exit code is 128 and the number of the signal.
    """
    try:
        with _stopped_by_signals():
            _run()
    except KeyboardInterrupt as stop:
        sys.exit(128 + getattr(stop, "number", signal.SIGINT))


def _run() -> None:
    from stems.cli.commands import app
    from stems.cli.output import accept_any_name, complain, unwritten

    accept_any_name()
    code: Any = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
    except StemsError as error:
        complain(f"stems: {error}")
        code = 1
    if why := unwritten():
        complain(f"stems: {why}")
        code = code or 1
    sys.exit(code)


class _Stop(KeyboardInterrupt):
    """A signal that ends the program as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {number: signal.getsignal(number) for number in numbers}
    stopped: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)  # unfinished files are being removed
        stopped.append(number)
        raise _Stop(number)

    try:
        for number in numbers:
            if before[number] != signal.SIG_IGN:  # as nohup has it
                signal.signal(number, stop)
        yield
    except SystemExit:
        if stopped:  # whoever caught it on the way knew only of Ctrl-C
            raise _Stop(stopped[0]) from None
        raise
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
