"""Speed and memory of `stems split`, side by side with HTDemucs and Open-Unmix, or with an earlier commit.

    python benchmarks/split.py [--demucs-python PYTHON] [--openunmix-python PYTHON]
    python benchmarks/split.py --against COMMIT [--repeat TIMES]

The songs are 4 minutes long unless told otherwise, 44.1 kHz, stereo; reading and writing files counts. See README.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import describe_machine, measure, stems_command, table
from songs import make_song

ROOT = Path(__file__).parents[1]
INSTALL = "pip install torch==2.9.1 torchaudio==2.9.1 demucs openunmix soundfile"


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    name: str
    audio_seconds: float
    seconds: float
    processor_seconds: float
    peak_mb: float

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.audio_seconds / self.seconds


def stems_entry(
    name: str, songs: list[Path], audio_seconds: float, jobs: int, folder: Path, command: Path | None = None
) -> Entry:
    """Splits songs with a `stems` command, by default that of this interpreter, its start-up counted."""
    arguments = ["split", *songs, "--out", folder / "stems", "--jobs", str(jobs), "--overwrite"]
    cost = measure([command or stems_command(), *arguments])
    return Entry(name, audio_seconds, cost.seconds, cost.processor_seconds, cost.peak_mb)


def built(commit: str, folder: Path) -> Path:
    """The `stems` command of a commit, in a virtual environment that shares all other packages with this one.

    Raises:
        CalledProcessError: if there is no such commit, or it cannot be installed.
    """
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", source], check=True)
    own = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], check=True, capture_output=True
    )
    shared = [path for path in sys.path if path.endswith("site-packages")]
    Path(own.stdout.decode().strip(), "shared.pth").write_text("\n".join(shared))
    return environment / "bin" / "stems"


def side_by_side(commit: str, songs: list[Path], length: float, jobs: int, repeat: int, folder: Path) -> list[Entry]:
    """This version and that of a commit in turns, the least time and the most memory of all runs of each."""
    commands = {commit: built(commit, folder), "this": stems_command()}
    runs: dict[str, list[Entry]] = {}
    for _ in range(repeat):
        for some, at_once in ((songs[:1], 1), (songs, jobs)):
            for version, command in commands.items():
                name = f"{version}, {len(some)} at {at_once} a time"
                entry = stems_entry(name, some, length * len(some), at_once, folder, command)
                runs.setdefault(name, []).append(entry)
    return [
        Entry(
            name,
            entries[0].audio_seconds,
            min(entry.seconds for entry in entries),
            min(entry.processor_seconds for entry in entries),
            max(entry.peak_mb for entry in entries),
        )
        for name, entries in runs.items()
    ]


def print_side_by_side(entries: list[Entry], length: float) -> None:
    """One row for each version and number of songs, and how many times as fast this is as the other."""
    rows = [
        [
            entry.name,
            f"{entry.seconds:.1f} s",
            f"{entry.processor_seconds:.1f} s",
            f"{entry.speed:.1f}x",
            f"{entry.speed / entries[number // 2 * 2].speed:.2f}x",
            f"{entry.peak_mb:.0f} MB",
        ]
        for number, entry in enumerate(entries)
    ]
    print(table([f"songs of {length:.0f} s", "taken", "processors", "real time", "as fast", "peak memory"], rows))


def competitor_entry(name: str, model: str, python: str, song: Path, seconds: float, folder: Path) -> Entry | None:
    """Separates a song with another separator, its start-up not counted; None if it is not installed."""
    package = {"htdemucs": "demucs.htdemucs", "openunmix": "openunmix"}[model]
    found = subprocess.run([python, "-c", f"import {package}, soundfile"], capture_output=True, text=True)
    if found.returncode != 0:
        reason = found.stderr.strip().splitlines()[-1]
        print(f"{name} is left out ({reason}). In a virtual environment of its own: {INSTALL}")
        return None
    cost = measure([python, Path(__file__).with_name("competitors.py"), model, song, folder])
    return Entry(name, seconds, float(cost.output.split()[-1]), cost.processor_seconds, cost.peak_mb)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=240, help="length of the songs (240)")
    parser.add_argument("--songs", type=int, default=4, help="songs in the batch (4)")
    parser.add_argument("--jobs", type=int, default=2, help="songs at a time in the batch (2)")
    parser.add_argument("--demucs-python", default=sys.executable, help="interpreter that has demucs (this one)")
    parser.add_argument("--openunmix-python", default=sys.executable, help="interpreter that has openunmix (this one)")
    parser.add_argument("--against", metavar="COMMIT", help="compare with a commit instead, built for that")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each beside a commit (3)")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="stems-benchmark-") as name:
        folder, length = Path(name), options.seconds
        songs = [make_song(folder / f"song {number + 1}.wav", length) for number in range(options.songs)]
        if options.against:
            jobs, repeat = options.jobs, options.repeat
            print_side_by_side(side_by_side(options.against, songs, length, jobs, repeat, folder), length)
            return
        batch = f"stems, {options.songs} songs, {options.jobs} at a time"
        entries = [
            stems_entry(batch, songs, length * len(songs), options.jobs, folder),
            stems_entry("stems, one song", songs[:1], length, 1, folder),
            competitor_entry("Open-Unmix", "openunmix", options.openunmix_python, songs[0], length, folder),
            competitor_entry("HTDemucs", "htdemucs", options.demucs_python, songs[0], length, folder),
        ]
    done = [entry for entry in entries if entry is not None]
    rows = [
        [
            entry.name,
            f"{entry.seconds:.1f} s",
            f"{entry.processor_seconds:.1f} s",
            f"{entry.speed:.1f}x",
            f"{done[0].speed / entry.speed:.1f}x",
            f"{done[1].speed / entry.speed:.1f}x",
            f"{entry.peak_mb:.0f} MB",
        ]
        for entry in done
    ]
    columns = ["taken", "processors", "real time", "batch is faster", "one is faster", "peak memory"]
    print(table([f"songs of {length:.0f} s", *columns], rows))


if __name__ == "__main__":
    main()
