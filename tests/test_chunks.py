"""Properties of the windows in which a song is heard, and of what is kept of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

import stems.chunks
from stems.chunks import Contexts, Windows, listen, spectra
from stems.model import Model
from stems.spectrum import FLOOR_DB, OVERLAP, Grid, analyse

SHAPES = [(20, 3, 2), (20, 0, 1), (64, 10, 5), (7, 1, 2)]  # length, margin, fade


class Array:
    def __init__(self, audio: np.ndarray) -> None:
        self.audio = audio
        self.samples = audio.shape[1]

    def read(self, start: int, count: int) -> np.ndarray:
        assert 0 <= start <= start + count <= self.samples
        return self.audio[:, start : start + count]


def noise(samples: int, channels: int = 2) -> Array:
    return Array(np.random.default_rng(samples).uniform(-0.3, 0.3, (channels, samples)).astype(np.float32))


def in_pieces(frames: torch.Tensor, seed: int) -> Iterator[torch.Tensor]:
    random, first = np.random.default_rng(seed), 0
    while first < frames.shape[1]:
        count = int(random.integers(1, 50))
        yield frames[:, first : first + count]
        first += count


@pytest.mark.parametrize(("length", "margin", "fade"), SHAPES)
@pytest.mark.parametrize("over", [1, 2, 5, 13, 14, 15, 100, 333])
def test_windows_show_every_frame_once_they_are_joined(length: int, margin: int, fade: int, over: int) -> None:
    windows, total = Windows(length, margin, fade), length + over
    frames = torch.randn(2, total, 3)
    cut = list(windows.cut(in_pieces(frames, over), silence=-1.0))
    assert all(window.shape == (2, length, 3) for window in cut)
    for number, window in enumerate(cut):
        expected = frames[:, number * windows.stride : number * windows.stride + length]
        assert torch.equal(window[:, : expected.shape[1]], expected)
        assert (window[:, expected.shape[1] :] == -1.0).all()
    joined = torch.cat(list(windows.join((window[0] for window in cut), total)))
    assert joined.shape == (total, 3)
    assert torch.allclose(joined, frames[0], atol=1e-6)


@pytest.mark.parametrize(("length", "margin", "fade"), SHAPES)
def test_frames_near_the_ends_of_a_window_are_not_used(length: int, margin: int, fade: int) -> None:
    windows, total = Windows(length, margin, fade), 10 * length + 1
    cut = windows.cut(iter([torch.zeros(2, total, 1)]), silence=0.0)
    distance = torch.minimum(torch.arange(length), torch.arange(length - 1, -1, -1)).float()[:, None]
    joined = torch.cat(list(windows.join((distance for _ in cut), total)))[:, 0]
    inside = slice(margin, total - length)
    assert joined[inside].min() >= margin


@pytest.mark.parametrize(("length", "margin", "fade"), SHAPES)
def test_one_window_gives_way_to_the_next_without_a_jump(length: int, margin: int, fade: int) -> None:
    windows, total = Windows(length, margin, fade), 6 * length
    count = len(list(windows.cut(iter([torch.zeros(2, total, 1)]), silence=0.0)))
    numbers = (torch.full((length, 1), float(number)) for number in range(count))
    joined = torch.cat(list(windows.join(numbers, total)))[:, 0]
    steps = joined.diff()
    assert steps.min() >= 0
    assert steps.max() <= 1 / fade + 1e-6
    assert (joined[0], joined[-1]) == (0, count - 1)


def test_windows_without_room_are_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        Windows(10, 4, 1)


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
def test_contexts_come_back_in_order(monkeypatch: pytest.MonkeyPatch, kept_in_memory: int) -> None:
    monkeypatch.setattr(stems.chunks, "KEPT_IN_MEMORY", kept_in_memory)
    frames = torch.rand(50, 7) * 2 - 1
    contexts = Contexts(7)
    for part in frames.split([10, 1, 39]):
        contexts.append(part)
    contexts.rewind()
    again = torch.cat([contexts.read(count) for count in (1, 20, 29)])
    assert again.dtype == torch.float32
    assert (again - frames).abs().max() < 1e-3
    contexts.close()


@torch.inference_mode()
@pytest.mark.parametrize("spacing", [1, 7, 100, 10_000])
@pytest.mark.parametrize("more", [(), (0,), (1, 2, 3, 99, 100, 101, 257)])
def test_frames_are_kept_as_they_were_heard(small_model: Model, spacing: int, more: tuple[int, ...]) -> None:
    grid, song = small_model.grid(8_000), noise(60_000)
    total = grid.frames(song.samples)
    done: list[int] = []
    keep = torch.tensor(sorted({*range(0, total, spacing), *more}))
    heard = listen(song, small_model, grid, 1.0, Windows(100, 10, 5), 2, keep, done.append)
    contexts = heard.contexts.read(total)
    levels = small_model.design.bands.levels(torch.cat([piece for _, piece in spectra(song, grid, 64)], 1), grid)
    assert torch.equal(heard.kept, keep)
    assert torch.allclose(heard.kept_contexts, contexts[keep], atol=1e-3)
    assert torch.allclose(heard.kept_levels, levels[:, keep], atol=1e-3)
    assert done == sorted(done) and done[-1] == total


@torch.inference_mode()
def test_a_song_shorter_than_a_window_is_heard_whole(small_model: Model) -> None:
    grid, song = small_model.grid(8_000), noise(8_000)
    heard = listen(song, small_model, grid, 1.0, Windows(1000, 100, 50), 8, torch.arange(1))
    levels = small_model.design.bands.levels(next(spectra(song, grid, 1000))[1], grid)
    whole, _ = small_model.network.context(levels[None])
    assert torch.allclose(heard.contexts.read(levels.shape[1]), whole[0], atol=1e-3)


@torch.inference_mode()
def test_silence_is_heard_as_the_lowest_level(small_model: Model) -> None:
    grid, song = small_model.grid(8_000), Array(np.zeros((1, 8_000), np.float32))
    assert (listen(song, small_model, grid, 1.0, Windows(30, 5, 2), 8, torch.arange(9)).kept_levels == FLOOR_DB).all()


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
