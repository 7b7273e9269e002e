"""Time and memory of `stems split` over the length of a song, beside those of other separators.

    python benchmarks/lengths.py [--demucs-python PYTHON] [--openunmix-python PYTHON]

Songs are 44.1 kHz, stereo and 16 bit. Three hours and their stems need 10 GB in the temporary folder. See README.md.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure
from measure import describe_machine, table
from songs import make_song
from split import Entry, competitor_entry, stems_entry

LENGTHS = (30, 60, 240, 900, 3600, 10800)  # seconds
OTHERS_UP_TO = 240  # seconds: beyond that they need more memory or patience than most machines have
ALLOWED_MB = 100  # that the longest song may take above one of four minutes
STEMS = "stems"


@dataclass(frozen=True)
class Run:
    """What one separator took for one length of song."""

    separator: str
    length: float
    seconds: float
    processor_seconds: float
    peak_mb: float


def measured(separator: str, length: float, options: argparse.Namespace) -> Run | None:
    """Splits a song of this length; None if the separator is not installed."""
    with tempfile.TemporaryDirectory(prefix="stems-benchmark-") as name:
        folder = Path(name)
        song = make_song(folder / "song.wav", length)
        entry: Entry | None
        if separator == STEMS:
            entry = stems_entry(STEMS, [song], length, 1, folder)
        else:
            model = separator.lower().replace("-", "")
            python = getattr(options, f"{model.removeprefix('ht')}_python")
            entry = competitor_entry(separator, model, python, song, length, folder)
    return entry and Run(separator, length, entry.seconds, entry.processor_seconds, entry.peak_mb)


def known(results: Path) -> list[Run]:
    """Runs that a file of results holds."""
    if not results.exists():
        return []
    with open(results, newline="") as file:
        return [Run(row.pop("separator"), *map(float, row.values())) for row in csv.DictReader(file)]


def add(results: Path, run: Run) -> None:
    """Adds a run to a file of results."""
    is_new = not results.exists()
    with open(results, "a", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(run)))
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(run))


def draw(runs: list[Run], path: Path) -> None:
    """Draws seconds and memory over length, all on logarithmic axes."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    time, memory = figure.subplots(1, 2)
    for separator in dict.fromkeys(run.separator for run in runs):
        line = sorted((run for run in runs if run.separator == separator), key=lambda run: run.length)
        lengths = [run.length for run in line]
        time.loglog(lengths, [run.seconds for run in line], "o-", label=separator)
        memory.loglog(lengths, [run.peak_mb for run in line], "o-", label=separator)
    ends = [min(run.length for run in runs), max(run.length for run in runs)]
    time.loglog(ends, ends, ":", color="tab:gray", label="real time")
    time.set(title="Time", ylabel="seconds")
    memory.set(title="Memory", ylabel="MB at the most", ylim=(100, 20_000))
    for axes in (time, memory):
        axes.set_xlabel("length of the song")
        axes.set_xticks(LENGTHS, ["30 s", "1 min", "4 min", "15 min", "1 h", "3 h"])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Prints the table and draws the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="seconds, separated by commas")
    parser.add_argument("--demucs-python", default=sys.executable, help="interpreter that has demucs (this one)")
    parser.add_argument("--openunmix-python", default=sys.executable, help="interpreter that has openunmix (this one)")
    parser.add_argument("--results", type=Path, default=Path("lengths.csv"), help="what it holds is not measured again")
    parser.add_argument("--plot", type=Path, default=Path(__file__).with_name("lengths.png"), help="where to draw it")
    options = parser.parse_args()
    print(describe_machine())
    for length in map(float, options.lengths.split(",")):
        for separator in (STEMS, "Open-Unmix", "HTDemucs") if length <= OTHERS_UP_TO else (STEMS,):
            if not any((run.separator, run.length) == (separator, length) for run in known(options.results)):
                run = measured(separator, length, options)
                if run:
                    add(options.results, run)
    runs = known(options.results)
    rows = [
        [
            run.separator,
            f"{run.length:.0f} s",
            f"{run.seconds:.1f} s",
            f"{run.processor_seconds:.1f} s",
            f"{run.length / run.seconds:.1f}x",
            f"{run.peak_mb:.0f} MB",
        ]
        for run in sorted(runs, key=lambda run: (run.separator, run.length))
    ]
    print(table(["separator", "length", "taken", "processors", "real time", "peak memory"], rows))
    peaks = {run.length: run.peak_mb for run in runs if run.separator == STEMS}
    if LENGTHS[2] in peaks:
        more = peaks[max(peaks)] - peaks[LENGTHS[2]]
        print(f"The longest song takes {more:.0f} MB more than four minutes; up to {ALLOWED_MB} MB are allowed.")
    draw(runs, options.plot)


if __name__ == "__main__":
    main()
