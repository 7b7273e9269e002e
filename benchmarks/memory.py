"""Memory of `stems split` for a 3-hour song, beside that for a 4-minute one.

    python benchmarks/memory.py

Both are 44.1 kHz, stereo and 16 bit. The temporary folder needs 10 GB for the long one and its stems.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from measure import describe_machine, measure, stems_command, table
from songs import make_song

ALLOWED_MB = 100  # above the short song


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", type=float, default=240, help="seconds of the short song (240)")
    parser.add_argument("--long", type=float, default=3 * 3600, help="seconds of the long song (10800)")
    options = parser.parse_args()
    print(describe_machine())
    rows, peaks = [], []
    for seconds in (options.short, options.long):
        with tempfile.TemporaryDirectory(prefix="stems-benchmark-") as name:
            song = make_song(Path(name) / "song.wav", seconds)
            cost = measure([stems_command(), "split", song, "--out", Path(name) / "stems", "--jobs", "1"])
        peaks.append(cost.peak_mb)
        speed = seconds / cost.seconds
        taken = [f"{cost.seconds:.1f} s", f"{cost.processor_seconds:.1f} s", f"{speed:.1f}x"]
        rows.append([f"{seconds:.0f} s", *taken, f"{cost.peak_mb:.0f} MB"])
    print(table(["length", "taken", "processors", "real time", "peak memory"], rows))
    print(f"The long song takes {peaks[1] - peaks[0]:.0f} MB more; up to {ALLOWED_MB} MB are allowed.")


if __name__ == "__main__":
    main()
