"""Processes that leave their memory to the system when they end."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys, threading, time
from stems.ending import ending_at_once

def work():
    atexit.register(print, "registered inside", end="")
    threading.Thread(target=lambda: (time.sleep(0.3), print("a thread,", end=" "))).start()
    {last}

with ending_at_once():
    work()
"""


@pytest.mark.parametrize(
    ("last", "code"),
    [("pass", 0), ("sys.exit()", 0), ("sys.exit(3)", 3), ("sys.exit('a sentence')", 1), ("raise ValueError", 1)],
)
def test_threads_handlers_and_all_that_was_printed_come_before_the_end(last: str, code: int) -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM.format(last=last)], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (code, "a thread, registered inside")
    assert ("a sentence" in run.stderr, "ValueError" in run.stderr) == ("a sentence" in last, "ValueError" in last)


@pytest.mark.parametrize(("ending", "freed"), [("with ending_at_once(): pass", ""), ("pass", "freed")])
def test_objects_are_left_to_the_system(ending: str, freed: str) -> None:
    noticed = "class Noticed:\n    def __del__(self): print('freed', end='')\n"
    program = f"from stems.ending import ending_at_once\n{noticed}kept = Noticed()\n{ending}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, freed)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--version"], 0), (["split", "no such.wav"], 1), (["--nonsense"], 2)]
)
def test_the_command_line_keeps_its_exit_codes(arguments: list[str], code: int) -> None:
    run = subprocess.run([sys.executable, "-m", "stems", *arguments], capture_output=True, text=True)
    assert run.returncode == code
    assert run.stdout or run.stderr
