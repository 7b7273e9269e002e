"""What `stems evaluate --quick` costs beside `stems split` of the same song.

    python benchmarks/evaluate.py

The song and its true stems are 4 minutes long, 44.1 kHz, stereo and 16 bit. See README.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from measure import describe_machine, measure, stems_command, table

STEMS = Path(__file__).parents[1] / "tests" / "quality"
ALLOWED = 1.5  # times the processor time of a split


def make_stems(folder: Path, seconds: float) -> Path:
    """Writes four stems, over and over what the tests have some seconds of, and their mixture beside the folder.

    Returns:
        The path of the mixture.
    """
    folder.mkdir(parents=True)
    mixture = 0
    for path in sorted(STEMS.glob("*.ogg")):
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        stem = np.resize(audio, (round(seconds * rate), audio.shape[1]))
        soundfile.write(folder / f"{path.stem}.wav", stem, rate, subtype="PCM_16")
        mixture = mixture + stem
    soundfile.write(folder.parent.parent / "song.wav", mixture, rate, subtype="PCM_16")
    return folder.parent.parent / "song.wav"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=240, help="length of the song (240)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the least counts (3)")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="stems-benchmark-") as name:
        folder = Path(name)
        song = make_stems(folder / "songs" / "song", options.seconds)
        commands = {
            "split": ["split", song, "--out", folder / "stems", "--jobs", "1", "--overwrite"],
            "evaluate --quick": ["evaluate", "--songs", folder / "songs", "--quick", "--out"],
        }
        costs = {}
        for command, arguments in commands.items():
            runs = [
                measure([stems_command(), *arguments, *([folder / str(run)] if arguments[-1] == "--out" else [])])
                for run in range(options.repeat)
            ]
            costs[command] = min(runs, key=lambda cost: cost.processor_seconds)
    least = costs["split"].processor_seconds
    rows = [
        [
            f"stems {command}",
            f"{cost.seconds:.1f} s",
            f"{cost.processor_seconds:.1f} s",
            f"{cost.processor_seconds / least:.2f}x",
            f"{cost.peak_mb:.0f} MB",
        ]
        for command, cost in costs.items()
    ]
    print(table([f"a song of {options.seconds:.0f} s", "taken", "processors", "of a split", "peak memory"], rows))
    print(f"Up to {ALLOWED}x are allowed.")


if __name__ == "__main__":
    main()
