"""What the recurrent layers know of every frame of a song, found layer by layer in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from stems.model import Model
from stems.network import EmbeddingNetwork, RunningFeatures, State
from stems.spectrum import OVERLAP, Grid, analyse

BLOCK_FRAMES = 1024  # that a layer hears at once
KEPT_IN_MEMORY = 16 * 2**20  # bytes of one `Frames`: some minutes of song; longer songs use temporary files


class Readable(Protocol):
    """Audio that is read forward in blocks, as `stems.audio.Song` is."""

    @property
    def samples(self) -> int:
        """Length of the audio."""

    def read(self, start: int, count: int) -> np.ndarray:
        """float32 (channels, count)."""


def spectra(
    song: Readable, grid: Grid, frames: int, device: str | torch.device = "cpu"
) -> Iterator[tuple[Tensor, Tensor]]:
    """A whole song in pieces of at most `frames` frames, surrounded by silence.

    Yields:
        The audio that `OverlapAdd` gives back for the piece, (channels, frames * hop), which begins
        `OVERLAP - 1` hops before the song, and the spectra of the piece, (channels, frames, bins) complex.
    """
    total, tail = grid.frames(song.samples), None
    for first in range(0, total, frames):
        count = min(frames, total - first)
        start = min(first * grid.hop, song.samples)  # the last frames may all begin after the song
        audio = torch.from_numpy(song.read(start, min(count * grid.hop, song.samples - start))).to(device)
        if tail is None:
            tail = audio.new_zeros(audio.shape[0], (OVERLAP - 1) * grid.hop)
        missing = count * grid.hop - audio.shape[1]
        audio = torch.cat([tail, audio, audio.new_zeros(audio.shape[0], missing)], 1)
        tail = audio[:, count * grid.hop :]
        yield audio[:, : count * grid.hop], analyse(audio, grid)


class Frames:
    """Vectors of all frames of a song, kept in half precision: in memory, or in a temporary file if it is long."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._file = tempfile.SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115

    def write(self, first: int, vectors: Tensor) -> None:
        """Keeps (frames, size) from frame `first` on."""
        self._file.seek(2 * first * self.size)
        self._file.write(vectors.half().cpu().numpy().tobytes())

    def read(self, first: int, count: int) -> Tensor:
        """`count` frames from frame `first` on, fewer at the end: (frames, size) in single precision."""
        self._file.seek(2 * first * self.size)
        content = self._file.read(2 * count * self.size)
        return torch.from_numpy(np.frombuffer(content, np.float16).astype(np.float32).reshape(-1, self.size))

    def close(self) -> None:
        """Forgets everything."""
        self._file.close()


@dataclass
class Heard:
    """What `listen` found.

    Attributes:
        parts: the context of every frame: what each direction of the last layer says, and what is kept of textures.
        kept: numbers of the frames that were asked for.
        kept_contexts: their contexts, (kept, size).
        kept_levels: their levels, (2, kept, bands) in dB.
    """

    parts: Sequence[Frames]
    kept: Tensor
    kept_contexts: Tensor
    kept_levels: Tensor

    def context(self, first: int, count: int) -> Tensor:
        """Contexts of `count` frames from frame `first` on, (frames, size)."""
        return _side_by_side(self.parts, first, count)

    def close(self) -> None:
        """Forgets the contexts."""
        for frames in self.parts:
            frames.close()


def listen(
    song: Readable,
    model: Model,
    grid: Grid,
    gain: float,
    keep: Tensor,
    report: Callable[[float], None] = lambda share: None,
) -> Heard:
    """Runs the recurrent layers over a song.

    Each layer hears all frames before the next one begins, forward and backward at the same time, and its states go on
    from block to block. So a song of any length is heard as a whole, blocks leave no seams, and no more is kept than
    lies between two layers.

    Args:
        gain: brings the song to the level that the network knows.
        keep: numbers of the frames whose contexts and levels are kept, in order, each once.
        report: called with the share of the work that is done.
    """
    network, bands = model.network, model.design.bands
    device = next(model.parameters()).device
    total = grid.frames(song.samples)
    # Made once at full size: many small tensors that stay would fragment the memory between the large ones that go.
    kept_levels = torch.empty(2, len(keep), bands.count, device=device)
    kept_contexts = torch.empty(len(keep), network.context_size, device=device)
    work, done = (1 + network.shape.layers * network.directions) * total, 0

    def among(first: int, count: int) -> tuple[slice, Tensor]:
        """Which of the kept frames are in a piece, and where in it they lie."""
        begin, end = torch.searchsorted(keep, torch.tensor([first, first + count])).tolist()
        return slice(begin, end), keep[begin:end] - first

    def advance(frames: int) -> None:
        nonlocal done
        done += frames
        report(done / work)

    below, textures = [Frames(network.features_size)], Frames(network.kept_size)
    running, written = RunningFeatures(network), 0
    for _, piece in spectra(song, grid, 256, device):
        levels = bands.levels(piece * gain, grid)
        places, chosen = among(done, levels.shape[1])
        kept_levels[:, places] = levels[:, chosen.to(device)]
        features, kept = running(levels, last=done + levels.shape[1] == total)
        below[0].write(written, features)
        textures.write(written, kept)
        written += len(features)
        advance(levels.shape[1])
    threads = torch.get_num_threads()
    try:  # a frame is too little work to be shared among cores, but each direction can have its own
        with ThreadPoolExecutor(min(network.directions, threads), "", torch.set_num_threads, (1,)) as pool:
            for layer in range(network.shape.layers):
                above = _hear(network, layer, below, total, pool, advance)
                for frames in below:
                    frames.close()
                below = above
    finally:
        torch.set_num_threads(threads)  # or threads to come would have one
    heard = Heard([*below, textures] if network.kept_size else below, keep, kept_contexts, kept_levels)
    for first in range(0, total, BLOCK_FRAMES):
        places, chosen = among(first, BLOCK_FRAMES)
        kept_contexts[places] = heard.context(first, BLOCK_FRAMES)[chosen].to(device)
    return heard


def _hear(
    network: EmbeddingNetwork,
    layer: int,
    below: Sequence[Frames],
    total: int,
    pool: ThreadPoolExecutor,
    advance: Callable[[int], None],
) -> list[Frames]:
    """What each direction of a layer makes of all that the layer below has found."""
    device, directions = network.scale.device, range(network.directions)
    found = [Frames(network.shape.units) for _ in directions]
    states: list[State | None] = [None for _ in directions]
    blocks = range(0, total, BLOCK_FRAMES)
    for forward_and_backward in zip(blocks, reversed(blocks), strict=True):
        firsts = forward_and_backward[: len(directions)]
        inputs = [_side_by_side(below, first, BLOCK_FRAMES).to(device) for first in firsts]
        for direction, output in enumerate(pool.map(partial(network.hear, layer), directions, inputs, states)):
            vectors, states[direction] = output
            found[direction].write(firsts[direction], vectors)
            advance(len(vectors))
    return found


def _side_by_side(parts: Sequence[Frames], first: int, count: int) -> Tensor:
    return torch.cat([frames.read(first, count) for frames in parts], 1)
