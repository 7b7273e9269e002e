"""Libraries: what `--cluster ray` costs beside `--jobs`, and what it takes to plan a list of songs.

    python benchmarks/library.py
    python benchmarks/library.py --songs 8 --seconds 10 --lines 1000    # a quick look

The songs are the example over and over, 44.1 kHz, stereo and 16 bit. Processor time is that of all processes which a
command starts, Ray's own among them.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from measure import MEMORY, describe_machine, stems_command, table
from songs import make_song

POLL_SECONDS = 0.05
PLAN = """
import resource, sys, time
from stems.batch.manifest import entries
from stems.batch.plan import Settings, plan
from stems.batch.presets import load_preset
settings = Settings(load_preset("stems"))
before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
tasks = plan([], settings, entries=entries(sys.argv[1]))
taken, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(tasks), taken, (after - before) / (1e6 if sys.platform == "darwin" else 1e3))
"""


class Family:
    """Processor time of a session: all processes that a command starts, also those that outlive their parents."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, str], float] = {}
        self._is_over = threading.Event()

    def watch(self, session: int) -> None:
        """Looks at all its processes again and again until it is stopped."""
        known = {session}
        while not self._is_over.wait(POLL_SECONDS):
            for folder in MEMORY.glob("[0-9]*"):
                try:
                    fields = (folder / "stat").read_text().rpartition(")")[2].split()
                except OSError:  # ended meanwhile
                    continue
                if int(fields[1]) in known or int(fields[3]) == session or int(folder.name) in known:
                    known.add(int(folder.name))
                    spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                    self._seconds[int(folder.name), fields[19]] = spent

    def stop(self) -> float:
        """Ends the watch; returns the seconds of all of them."""
        self._is_over.set()
        return sum(self._seconds.values())


def cost(command: Sequence[str | Path]) -> tuple[float, float]:
    """Seconds that a command takes, and that processors spend on it."""
    begun, family = time.perf_counter(), Family()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    watcher = threading.Thread(target=family.watch, args=(process.pid,))
    watcher.start()
    assert process.stdout is not None
    output = process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # so that it is seen once more
    time.sleep(3 * POLL_SECONDS)
    seconds = time.perf_counter() - begun - 3 * POLL_SECONDS
    spent = family.stop()
    watcher.join()
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{output.decode()}")
    return seconds, spent


def clusters(songs: int, length: float, jobs: int, repeat: int) -> str:
    """The same songs in processes of this machine and in a cluster on it, in turns; the least of all runs of each."""
    found: dict[str, list[tuple[float, float]]] = {f"--jobs {jobs}": [], f"--cluster ray --jobs {jobs}": []}
    with tempfile.TemporaryDirectory(prefix="stems-benchmark-") as name:
        song = make_song(Path(name) / "song.wav", length)
        for number in range(songs):
            os.link(song, Path(name) / f"{number}.wav")
        song.unlink()
        for _ in range(repeat):
            for options, runs in found.items():
                arguments = ["split", name, "--out", Path(name) / "stems", "--overwrite", *options.split()]
                runs.append(cost([stems_command(), *arguments]))
    first = min(spent for _, spent in found[f"--jobs {jobs}"])
    rows = []
    for options, runs in found.items():
        seconds, spent = (min(figures) for figures in zip(*runs, strict=True))
        rows.append([options, f"{seconds:.1f} s", f"{spent:.1f} s", f"{100 * (spent / first - 1):+.0f} %"])
    return table([f"{songs} songs of {length:.0f} s", "taken", "processors", "more"], rows)


def planning(lines: int) -> str:
    """A list of songs from its first line to the last task."""
    with tempfile.TemporaryDirectory(prefix="stems-benchmark-") as name:
        manifest = Path(name) / "songs.txt"
        paths = (f"s3://music/artist {n % 9973}/album {n % 33331}/{n % 13:02} title {n}.flac" for n in range(lines))
        manifest.write_text("".join(f"{path}\n" for path in paths))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        said = subprocess.run([sys.executable, "-c", PLAN, manifest], check=True, capture_output=True, text=True).stdout
        processors = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    count, seconds, megabytes = said.split()
    row = [f"{int(count):,} songs", f"{float(seconds):.1f} s", f"{processors:.1f} s", f"{float(megabytes):.0f} MB"]
    return table(["planned", "taken", "processors, start included", "memory added"], [row])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=40, help="songs to split (40)")
    parser.add_argument("--seconds", type=float, default=60, help="length of each (60)")
    parser.add_argument("--jobs", type=int, default=2, help="songs at a time (2)")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each (1)")
    parser.add_argument("--lines", type=int, default=100_000, help="songs of the list (100000)")
    options = parser.parse_args()
    print(describe_machine())
    print(planning(options.lines))
    if options.songs:
        print(clusters(options.songs, options.seconds, options.jobs, options.repeat))


if __name__ == "__main__":
    main()
