"""Properties of how a song is heard, block by block, and of what is kept of it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import stems.song.encoded
from stems.cores import Cores
from stems.model import Design, Model
from stems.network.embedding import NetworkShape
from stems.separator import Separator
from stems.song.encoded import audio_of_frames, encode_song
from stems.spectrum import FLOOR_DB, Bands, Grid, analyse


class Array:
    def __init__(self, audio: np.ndarray) -> None:
        self.audio = audio
        self.samples = audio.shape[1]

    def read(self, start: int, count: int) -> np.ndarray:
        assert 0 <= start <= start + count <= self.samples
        return self.audio[:, start : start + count]


def noise(samples: int, channels: int = 2) -> Array:
    return Array(np.random.default_rng(samples).uniform(-0.3, 0.3, (channels, samples)).astype(np.float32))


@pytest.fixture
def cores() -> Iterator[Cores]:
    with Cores(torch.device("cpu")) as cores:
        yield cores


@pytest.fixture
def single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the processor is fastest at."""
    monkeypatch.setattr(stems.song.encoded, "fastest_precision", lambda device: torch.float32)


def levels_of(song: Array, model: Model, grid: Grid) -> torch.Tensor:
    """The levels of a whole song."""
    audio = audio_of_frames(song, grid, 0, grid.frames(song.samples))
    return model.design.bands.levels(analyse(audio, grid), grid)


@pytest.mark.parametrize("samples", [1, 185, 186, 187, 1000, 20_000])
@pytest.mark.parametrize("frames", [1, 3, 256])
@pytest.mark.parametrize("windows", [(4096, 0), (4096, 1024)])
def test_frames_of_a_song_lie_between_silences(samples: int, frames: int, windows: tuple[int, int]) -> None:
    grid, song = Grid(8_000, *windows), noise(samples)
    total, before = grid.frames(samples), grid.window - grid.hop
    around = (before, total * grid.hop - samples)
    whole = torch.nn.functional.pad(torch.from_numpy(song.audio), around)
    assert torch.equal(audio_of_frames(song, grid, 0, total), whole)
    for first in range(0, total, frames):
        count = min(frames, total - first)
        piece = audio_of_frames(song, grid, first, count)
        assert torch.equal(piece, whole[:, first * grid.hop : (first + count) * grid.hop + before])


@torch.inference_mode()
@pytest.mark.parametrize("channels", [0, 4])
@pytest.mark.parametrize(
    "shape",
    [
        NetworkShape(bands=96, dimensions=6, layers=3, units=16),
        NetworkShape(bands=96, dimensions=6, layers=3, units=16, bidirectional=False),
        NetworkShape(bands=96, dimensions=6, layers=2, units=12, groups=16, width=8, stride=1),
        NetworkShape(bands=96, dimensions=6, layers=2, units=12, groups=16, width=8, stride=1, bidirectional=False),
        NetworkShape(bands=96, dimensions=6, layers=2, units=12, groups=16, width=8, stride=4),
    ],
)
@pytest.mark.parametrize(("frames", "piece"), [(1, 1), (7, 127), (100, 5), (1024, 128)])
def test_a_song_is_heard_as_a_whole_whatever_the_length_of_blocks(
    monkeypatch: pytest.MonkeyPatch,
    cores: Cores,
    single_precision: None,
    frames: int,
    piece: int,
    shape: NetworkShape,
    channels: int,
) -> None:
    monkeypatch.setattr(stems.song.encoded, "BLOCK_FRAMES", frames)
    monkeypatch.setattr(stems.song.encoded, "PIECE_FRAMES", piece)
    torch.manual_seed(0)
    shape = dataclasses.replace(shape, channels=channels)
    model = Model(Design(bands=Bands(count=96), network=shape)).eval()
    grid, song = model.grid(8_000), noise(60_000)
    shares: list[float] = []
    heard = encode_song(song, model, grid, 0.5, torch.arange(9), cores, shares.append)
    levels = levels_of(Array(song.audio * np.float32(0.5)), model, grid)
    whole = model.network.context(levels[None])[0]
    assert torch.allclose(heard.context(0, len(whole)), whole, atol=2e-3)
    assert torch.equal(heard.context(50, 30), heard.context(0, len(whole))[50:80])
    assert shares == sorted(shares) and shares[-1] == 1.0
    heard.close()


@torch.inference_mode()
@pytest.mark.parametrize("spacing", [1, 7, 100, 10_000])
@pytest.mark.parametrize("more", [(), (0,), (1, 2, 3, 99, 100, 101, 257)])
def test_frames_are_kept_as_they_were_heard(
    small_model: Model, cores: Cores, spacing: int, more: tuple[int, ...]
) -> None:
    grid, song = small_model.grid(8_000), noise(60_000)
    total = grid.frames(song.samples)
    keep = torch.tensor(sorted({*range(0, total, spacing), *more}))
    heard = encode_song(song, small_model, grid, 1.0, keep, cores)
    levels = levels_of(song, small_model, grid)
    assert torch.equal(heard.kept, keep)
    assert torch.equal(heard.kept_contexts, heard.context(0, total)[keep].half())
    assert torch.allclose(heard.kept_levels, levels[:, keep], atol=1e-3)


@torch.inference_mode()
def test_silence_is_heard_as_the_lowest_level(small_model: Model, cores: Cores) -> None:
    grid, song = small_model.grid(8_000), Array(np.zeros((1, 8_000), np.float32))
    assert (encode_song(song, small_model, grid, 1.0, torch.arange(9), cores).kept_levels == FLOOR_DB).all()


MEMORY = """
import resource, sys
import numpy as np
from stems.separator import Separator

class Hiss:
    samples = int(sys.argv[1]) * 60 * 8000
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 100_000)).astype(np.float32)
    def read(self, start, count):
        return self.noise.take(np.arange(start, start + count), axis=1, mode="wrap")

assert sum(block.stems["bass"].shape[1] for block in Separator(sys.argv[2]).separate(Hiss(), 8000)) == Hiss.samples
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is of Unix")
def test_memory_does_not_grow_with_the_song(small_weights: object) -> None:
    megabytes = [
        float(subprocess.check_output([sys.executable, "-c", MEMORY, minutes, str(small_weights)], text=True))
        for minutes in ("4", "34")
    ]
    assert megabytes[1] < megabytes[0] + 45  # the levels of half an hour are 60 MB


@torch.inference_mode()
@pytest.mark.parametrize("samples", [1, 8_000, 60_000])
def test_a_song_that_was_heard_once_is_separated_as_if_it_were_heard_again(small_model: Model, samples: int) -> None:
    song = noise(samples)
    heard = Separator(small_model).encode(song, 8_000)
    wishes = [((), 1.0), (("vocals=0-1",), 1.0), (("bass=1-2@40-900Hz",), "0.5,drums=3"), (("piano=0:02-0:04",), 2)]
    for hints, sensitivity in wishes if samples == 60_000 else wishes[:1]:
        separator = Separator(small_model, hints=hints)
        again = {}
        for encoded in (None, heard):
            blocks = separator.separate(song, 8_000, sensitivity=sensitivity, encoded=encoded)
            again[encoded is None] = [block.stems for block in blocks]
        for new, old in zip(again[True], again[False], strict=True):
            assert all(np.array_equal(new[name], old[name]) for name in separator.stems)
    heard.close()
