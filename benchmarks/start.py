"""Seconds until `stems --help` has answered and `import stems` is done.

python benchmarks/start.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import Cost, describe_machine, measure, stems_command, table

HEAVY = ("torch", "musdb", "museval", "matplotlib")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (15)")
    options = parser.parse_args()
    print(describe_machine())
    commands: dict[str, Sequence[str | Path]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import stems": [sys.executable, "-c", "import stems"],
        "stems --help": [stems_command(), "--help"],
    }
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(options.runs):  # in turns, so that a busy moment of the machine meets all of them
        for name, command in commands.items():
            costs[name].append(measure(command))
    rows = []
    for name, runs in costs.items():
        taken = [cost.seconds for cost in runs]
        processors = statistics.median(cost.processor_seconds for cost in runs)
        rows.append([name, f"{statistics.median(taken):.3f} s", f"{min(taken):.3f} s", f"{processors:.3f} s"])
    print(table(["command", "median", "best", "processors"], rows))
    code = f"import sys, stems, stems.cli; print([name for name in {HEAVY} if name in sys.modules])"
    print("Heavy packages that are loaded:", measure([sys.executable, "-c", code]).output.strip())


if __name__ == "__main__":
    main()
