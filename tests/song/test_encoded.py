"""Properties of how a song is heard, block by block, and of what is kept of it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
import torch

import stems.song.encoded
from stems.model import Design, Model
from stems.network.embedding import NetworkShape
from stems.song.encoded import Frames, encode_song, spectra
from stems.spectrum import FLOOR_DB, OVERLAP, Bands, Grid, analyse


class Array:
    def __init__(self, audio: np.ndarray) -> None:
        self.audio = audio
        self.samples = audio.shape[1]

    def read(self, start: int, count: int) -> np.ndarray:
        assert 0 <= start <= start + count <= self.samples
        return self.audio[:, start : start + count]


def noise(samples: int, channels: int = 2) -> Array:
    return Array(np.random.default_rng(samples).uniform(-0.3, 0.3, (channels, samples)).astype(np.float32))


@pytest.mark.parametrize("samples", [1, 185, 186, 187, 1000, 20_000])
@pytest.mark.parametrize("frames", [1, 3, 256])
def test_pieces_of_a_song_are_the_whole_between_silences(samples: int, frames: int) -> None:
    grid, song = Grid(8_000), noise(samples)
    audio, pieces = zip(*spectra(song, grid, frames), strict=True)
    assert all(piece.shape[1] <= frames for piece in pieces)
    before = (OVERLAP - 1) * grid.hop
    joined = torch.cat(audio, 1)
    assert joined.shape[1] == grid.frames(samples) * grid.hop >= before + samples
    assert not joined[:, :before].any()
    assert torch.equal(joined[:, before : before + samples], torch.from_numpy(song.audio))
    assert not joined[:, before + samples :].any()
    whole = analyse(torch.nn.functional.pad(joined, (0, before)), grid)
    assert torch.allclose(torch.cat(pieces, 1), whole, atol=1e-7)


@pytest.mark.parametrize("kept_in_memory", [10, 2**20])
def test_frames_come_back_from_anywhere(monkeypatch: pytest.MonkeyPatch, kept_in_memory: int) -> None:
    monkeypatch.setattr(stems.song.encoded, "KEPT_IN_MEMORY", kept_in_memory)
    vectors = torch.rand(50, 7) * 2 - 1
    frames = Frames(7)
    for first, last in ((39, 50), (0, 10), (10, 39)):
        frames.write(first, vectors[first:last])
    for first, count in ((0, 1), (1, 20), (21, 29), (5, 5), (40, 100)):
        again = frames.read(first, count)
        assert again.dtype == torch.float32
        assert torch.allclose(again, vectors[first : first + count], atol=1e-3)
    frames.close()


def test_frames_that_come_last_first_do_not_fill_the_memory() -> None:
    frames = Frames(1000)
    tracemalloc.start()
    try:
        frames.write(100_000, torch.ones(3, 1000))  # 200 MB into it
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert frames.read(100_000, 3).mean() == 1.0
    frames.close()
    assert peak < 2 * stems.song.encoded.KEPT_IN_MEMORY


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
    monkeypatch: pytest.MonkeyPatch, frames: int, piece: int, shape: NetworkShape, channels: int
) -> None:
    monkeypatch.setattr(stems.song.encoded, "BLOCK_FRAMES", frames)
    monkeypatch.setattr(stems.song.encoded, "PIECE_FRAMES", piece)
    torch.manual_seed(0)
    shape = dataclasses.replace(shape, channels=channels)
    model = Model(Design(bands=Bands(count=96), network=shape)).eval()
    grid, song = model.grid(8_000), noise(60_000)
    shares: list[float] = []
    heard = encode_song(song, model, grid, 0.5, torch.arange(9), shares.append)
    levels = model.design.bands.levels(torch.cat([piece for _, piece in spectra(song, grid, 64)], 1) * 0.5, grid)
    whole = model.network.context(levels[None])[0]
    assert torch.allclose(heard.context(0, len(whole)), whole, atol=2e-3)
    assert torch.equal(heard.context(50, 30), heard.context(0, len(whole))[50:80])
    assert shares == sorted(shares) and shares[-1] == 1.0
    heard.close()


@torch.inference_mode()
@pytest.mark.parametrize("spacing", [1, 7, 100, 10_000])
@pytest.mark.parametrize("more", [(), (0,), (1, 2, 3, 99, 100, 101, 257)])
def test_frames_are_kept_as_they_were_heard(small_model: Model, spacing: int, more: tuple[int, ...]) -> None:
    grid, song = small_model.grid(8_000), noise(60_000)
    total = grid.frames(song.samples)
    keep = torch.tensor(sorted({*range(0, total, spacing), *more}))
    heard = encode_song(song, small_model, grid, 1.0, keep)
    levels = small_model.design.bands.levels(torch.cat([piece for _, piece in spectra(song, grid, 64)], 1), grid)
    assert torch.equal(heard.kept, keep)
    assert torch.equal(heard.kept_contexts, heard.context(0, total)[keep])
    assert torch.allclose(heard.kept_levels, levels[:, keep], atol=1e-3)


@torch.inference_mode()
def test_silence_is_heard_as_the_lowest_level(small_model: Model) -> None:
    grid, song = small_model.grid(8_000), Array(np.zeros((1, 8_000), np.float32))
    assert (encode_song(song, small_model, grid, 1.0, torch.arange(9)).kept_levels == FLOOR_DB).all()


@torch.inference_mode()
@pytest.mark.parametrize("stopped", [False, True])
def test_listening_leaves_the_callers_threads_as_they_were(small_model: Model, stopped: bool) -> None:
    def report(share: float) -> None:
        if stopped and share > 0.9:
            raise InterruptedError

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with pytest.raises(InterruptedError) if stopped else nullcontext():
            encode_song(noise(60_000), small_model, small_model.grid(8_000), 1.0, torch.arange(9), report)
        with ThreadPoolExecutor(1) as pool:
            assert (torch.get_num_threads(), pool.submit(torch.get_num_threads).result()) == (3, 3)
    finally:
        torch.set_num_threads(before)


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
