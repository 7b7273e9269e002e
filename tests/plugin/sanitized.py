"""What the sanitizers watch: streams of all kinds, and models that are damaged.

python sanitized.py LIBRARY MODEL...

Run by test_soundness.py in a process of its own, which has loaded the sanitizers, and nothing as large as torch.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from engine import WHOLE_HOP, Engine, EngineError, EngineModel, EngineStream

DAMAGED = 1000


def run_streams(model: EngineModel) -> None:
    """Runs what may come: rates, channels, blocks, silence, denormals and what is no audio."""
    random = np.random.default_rng(0)
    for rate in (44_100, 95_479, 192_000):  # of the second the window has a prime factor of 1109
        for channels, spread in ((1, 0), (2, WHOLE_HOP), (2, 77)):
            stream = EngineStream(model, rate, channels, mixes=3, spread=spread)
            for turn in range(8):
                block = random.standard_normal((channels, random.integers(0, 4097))).astype(np.float32)
                if turn % 4 == 1:
                    block[:, ::3] = random.choice([0, 1e-40, np.nan, np.inf, 1e20])
                stream.set(random.uniform(0, 4, (3, 4)).astype(np.float32), random.uniform(0.2, 5), turn % 3)
                assert np.isfinite(stream.run(block)[1]).all()
            stream.reset()


def damaged_files(content: bytes, card: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Some bytes of a model changed, and a card that vouches for them or is damaged itself."""
    random = np.random.default_rng(0)
    header = int.from_bytes(content[:8], "little")
    for number in range(DAMAGED):
        new = bytearray(content)
        for place in random.integers(8 + header if number % 2 else len(new), size=random.integers(1, 6)):
            new[place] = random.integers(256)
        if number % 5 == 0:
            new = new[: random.integers(len(new))]
        about = json.loads(card)
        about["sha256"] = hashlib.sha256(new).hexdigest()
        text = json.dumps(about)
        if number % 3 == 0:  # another number somewhere
            numbers = list(re.finditer(r"\b\d+\b", text))
            place = numbers[random.integers(len(numbers))]
            other = random.choice(["0", "-1", "1e308", "99999999999", "3", '"a"', "null", "[]", "5000"])
            text = text[: place.start()] + other + text[place.end() :]
        if number % 7 == 0:
            text = text[: random.integers(len(text))]
        yield bytes(new), text.encode()


def main() -> None:
    """Prints how many damaged models were refused."""
    engine = Engine(Path(sys.argv[1]))
    paths = [Path(name) for name in sys.argv[2:]]
    for path, kernels in zip(paths, ("portable", engine.kernels, engine.kernels), strict=True):
        engine.use_kernels(kernels)
        run_streams(engine.model(path))
    refused = 0
    small = paths[0]
    for content, card in damaged_files(small.read_bytes(), small.with_suffix(".json").read_bytes()):
        try:
            stream = EngineStream(engine.parse(content, card), 44_100, 2, mixes=1)
            stream.run(np.ones((2, 2000), np.float32))
        except EngineError as error:
            assert re.match(r".+\.", str(error))
            refused += 1
    print(f"refused {refused} of {DAMAGED}")


if __name__ == "__main__":
    main()
