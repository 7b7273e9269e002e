"""What a command costs: its seconds, and the memory of all its processes together."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.1
MEMORY = Path("/proc")  # where Linux tells about processes


@dataclass(frozen=True)
class Cost:
    """What one run of a command cost.

    Attributes:
        seconds: from its start to its end.
        processor_seconds: time that all its processes computed, on all cores together; a busy machine changes it less.
        peak_mb: most memory (10^6 bytes) that was resident at one time, added up over the command and all processes
            that it started; libraries that processes share count for each. Outside Linux, that of the largest process.
        output: what it printed.
    """

    seconds: float
    processor_seconds: float
    peak_mb: float
    output: str


def measure(command: Sequence[str | Path]) -> Cost:
    """Runs a command to its end.

    Raises:
        SystemExit: if the command fails, with what it printed.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peaks = [0]
    watcher = threading.Thread(target=_watch, args=(process.pid, peaks), daemon=True)
    if MEMORY.exists():
        watcher.start()
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output}")
    largest = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, max(largest, *peaks) / 1e6, output)


def stems_command() -> Path:
    """The `stems` of the interpreter that runs the benchmark.

    Raises:
        SystemExit: if it is not installed.
    """
    found = shutil.which("stems", path=Path(sys.executable).parent) or shutil.which("stems")
    if found is None:
        raise SystemExit("There is no `stems` command here: install it with `pip install .`")
    return Path(found)


def describe_machine() -> str:
    """What figures depend on: processor cores in use, and how busy the machine already is."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} of {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the start"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, whose first column is text and whose others are figures."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join([cells[0].ljust(widths[0]), *padded])} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(map(line, (head, rule, *rows)))


def _watch(root: int, peaks: list[int]) -> None:
    page = resource.getpagesize()
    while (pages := sum(_resident_pages(process) for process in _tree(root))) > 0:
        peaks[0] = max(peaks[0], pages * page)
        time.sleep(POLL_SECONDS)


def _tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents = {}
    for folder in MEMORY.iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # ended meanwhile
                continue
            parents[int(folder.name)] = int(fields[1])
    family = [root]
    for process in family:
        family += [child for child, parent in parents.items() if parent == process]
    return family


def _resident_pages(process: int) -> int:
    try:
        return int((MEMORY / str(process) / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
