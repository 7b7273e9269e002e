"""A stream of many hours, simulated faster than real time: what it keeps must stay as large as after a minute.

    python tests/fuzz/long_stream.py 24
    python tests/fuzz/long_stream.py 24 --small

says every hour how much the process holds, and fails where it grew by more than 1 MB an hour on the average. A
small network has the same buffers as the one that ships, and is through many times sooner.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import torch

from stems import Stream
from stems.model import Design, Model
from stems.network.embedding import NetworkShape
from stems.spectrum import Bands

RATE, BLOCK = 8_000, 8_000


def run(hours: float, stream: Stream, say: bool = True) -> list[float]:
    """Most memory that the process has held, in MiB, after the first minute and after each of 24 parts of the hours."""
    rng = np.random.default_rng(0)
    blocks = [rng.uniform(-0.3, 0.3, (1, BLOCK)).astype(np.float32) for _ in range(17)]
    held, begun, seconds, next_look = [], time.monotonic(), 0.0, 60.0
    while seconds <= hours * 3600:
        stream(blocks[int(seconds) % len(blocks)])
        seconds += BLOCK / RATE
        if seconds >= next_look:
            held.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            next_look += max(60.0, hours * 3600 / 24)
            if say:
                pace = seconds / (time.monotonic() - begun)
                print(f"{seconds / 3600:6.2f} h: {held[-1]:.1f} MiB, {pace:.0f} times real time", flush=True)
    return held


def small_model() -> Model:
    """Untrained, and of a size that takes next to no time."""
    torch.manual_seed(0)
    network = NetworkShape(bands=96, dimensions=4, layers=1, units=8, bidirectional=False)
    return Model(Design(bands=Bands(count=96), network=network), {"name": "small", "licence": "CC0"}).eval()


def main() -> None:
    """Runs the hours that the command line says."""
    torch.set_num_threads(1)
    hours, small = float(sys.argv[1]), "--small" in sys.argv[2:]
    held = run(hours, Stream(small_model() if small else "openband-live", sample_rate=RATE, channels=1))
    sys.exit(held[-1] - held[0] > max(4.0, hours))


if __name__ == "__main__":
    main()
