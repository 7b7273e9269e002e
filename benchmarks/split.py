"""Speed and memory of `stems split`, side by side with HTDemucs and Open-Unmix.

    python benchmarks/split.py [--demucs-python PYTHON] [--openunmix-python PYTHON]

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


def stems_entry(name: str, songs: list[Path], audio_seconds: float, jobs: int, folder: Path) -> Entry:
    """Splits songs with the `stems` command, its start-up counted."""
    cost = measure([stems_command(), "split", *songs, "--out", folder / "stems", "--jobs", str(jobs), "--overwrite"])
    return Entry(name, audio_seconds, cost.seconds, cost.processor_seconds, cost.peak_mb)


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
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="stems-benchmark-") as name:
        folder, length = Path(name), options.seconds
        songs = [make_song(folder / f"song {number + 1}.wav", length) for number in range(options.songs)]
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
