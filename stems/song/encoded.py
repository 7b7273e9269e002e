"""What the recurrent layers know of every frame of a song, found layer by layer in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from stems.model import Model
from stems.network.embedding import RunningFeatures
from stems.network.recurrent import DualPath, Stack, State
from stems.spectrum import OVERLAP, Grid, analyse

PIECE_FRAMES = 128  # that are analysed at once
BLOCK_FRAMES = 256  # that a layer hears at once
KEPT_IN_MEMORY = 16 * 2**20  # bytes of one `Frames`: some minutes of song; longer songs use temporary files

Result = TypeVar("Result")


class Readable(Protocol):
    """Audio that is read forward in blocks, as `stems.files.audio.Song` is."""

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
        if 2 * (first + len(vectors)) * self.size > KEPT_IN_MEMORY:
            self._file.rollover()  # or frames that are heard backward would fill the memory before them first
        self._file.seek(2 * first * self.size)
        self._file.write(vectors.half().cpu().contiguous().numpy().data)

    def read(self, first: int, count: int) -> Tensor:
        """`count` frames from frame `first` on, fewer at the end: (frames, size) in single precision."""
        self._file.seek(2 * first * self.size)
        content = np.frombuffer(bytearray(self._file.read(2 * count * self.size)), np.float16)
        return torch.from_numpy(content.reshape(-1, self.size)).float()  # many times as fast as numpy's conversion

    def close(self) -> None:
        """Forgets everything."""
        self._file.close()


@dataclass
class EncodedSong:
    """A song after the recurrent layers: what `encode_song` found.

    Attributes:
        recurrent: the layers that encoded it.
        total: number of the song's frames.
        frames: what the last of the layers gives.
        textures: what is kept of the textures of every frame, if the network looks at them.
        kept: numbers of the frames that were asked for.
        kept_contexts: their contexts, (kept, size).
        kept_levels: their levels, (2, kept, bands) in dB.
    """

    recurrent: Stack | DualPath
    total: int
    frames: Frames
    textures: Frames | None
    kept: Tensor
    kept_contexts: Tensor
    kept_levels: Tensor

    def context(self, first: int, count: int) -> Tensor:
        """Contexts of `count` frames from frame `first` on, fewer at the end: (frames, size)."""
        stride, end = self.recurrent.stride, min(first + count, self.total)
        found = self.frames.read(first // stride, -(-end // stride) - first // stride)
        hidden = self.recurrent.project_out(found.to(self.kept_levels.device))[first % stride :][: end - first]
        return hidden if self.textures is None else torch.cat([hidden, self.textures.read(first, count).to(hidden)], 1)

    def close(self) -> None:
        """Forgets the contexts."""
        for frames in (self.frames, self.textures):
            if frames is not None:
                frames.close()


def encode_song(
    song: Readable,
    model: Model,
    grid: Grid,
    gain: float,
    keep: Tensor,
    report: Callable[[float], None] = lambda share: None,
) -> EncodedSong:
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
    recurrent = network.recurrent
    device = network.scale.device
    total = grid.frames(song.samples)
    steps = -(-total // recurrent.stride)
    # Made once at full size: many small tensors that stay would fragment the memory between the large ones that go.
    kept_levels = torch.empty(2, len(keep), bands.count, device=device)
    kept_contexts = torch.empty(len(keep), network.context_size, device=device)
    work, done = total + network.shape.layers * (recurrent.directions + 1) * steps, 0

    def among(first: int, count: int) -> tuple[slice, Tensor]:
        """Which of the kept frames are in a piece, and where in it they lie."""
        begin, end = torch.searchsorted(keep, torch.tensor([first, first + count])).tolist()
        return slice(begin, end), keep[begin:end] - first

    def advance(frames: int) -> None:
        nonlocal done
        done += frames
        report(done / work)

    frames, textures = Frames(recurrent.projected_size), Frames(network.kept_size) if network.kept_size else None
    running, written = RunningFeatures(network), 0
    waiting = kept_levels.new_zeros(0, network.features_size)  # features of a stride that is not whole yet
    for _, piece in spectra(song, grid, PIECE_FRAMES, device):
        torch.view_as_real(piece).mul_(gain)  # twice as fast as complex numbers
        levels = bands.levels(piece, grid)
        places, chosen = among(done, levels.shape[1])
        kept_levels[:, places] = levels[:, chosen.to(device)]
        last = done + levels.shape[1] == total
        features, kept = running(levels, last)
        if textures is not None:
            textures.write(written, kept)
        features = torch.cat([waiting, features])
        whole = len(features) if last else len(features) // recurrent.stride * recurrent.stride
        frames.write((written - len(waiting)) // recurrent.stride, recurrent.project_in(features[:whole]))
        written, waiting = written + len(kept), features[whole:]
        advance(levels.shape[1])
    threads = torch.get_num_threads()
    try:  # a frame is too little work to be shared among cores, but each direction can have its own
        with ThreadPoolExecutor(min(recurrent.directions, threads), "", torch.set_num_threads, (1,)) as pool:
            for layer in range(network.shape.layers):
                directions = _run_directions(recurrent, layer, frames, steps, pool, advance)
                frames = _merge_directions(recurrent, layer, [frames, *directions], steps, pool, advance)
    finally:
        torch.set_num_threads(threads)  # or threads to come would have one
    encoded = EncodedSong(recurrent, total, frames, textures, keep, kept_contexts, kept_levels)
    for first in range(0, total, BLOCK_FRAMES):
        places, chosen = among(first, BLOCK_FRAMES)
        if len(chosen):
            kept_contexts[places] = encoded.context(first, BLOCK_FRAMES)[chosen.to(device)]
    return encoded


def _run_directions(
    recurrent: Stack | DualPath,
    layer: int,
    below: Frames,
    steps: int,
    pool: ThreadPoolExecutor,
    advance: Callable[[int], None],
) -> list[Frames]:
    """What each direction of a layer makes of all that the layer below has found."""
    device, directions = next(recurrent.parameters()).device, range(recurrent.directions)
    found = [Frames(recurrent.direction_size) for _ in directions]
    states: list[State | None] = [None for _ in directions]
    blocks = range(0, steps, BLOCK_FRAMES)
    for forward_and_backward in zip(blocks, reversed(blocks), strict=True):
        firsts = forward_and_backward[: len(directions)]
        inputs = [below.read(first, BLOCK_FRAMES).to(device) for first in firsts]
        outputs = pool.map(partial(_infer, recurrent.run_direction, layer), directions, inputs, states)
        for direction, (vectors, state) in enumerate(outputs):
            states[direction] = state
            found[direction].write(firsts[direction], vectors)
            advance(len(vectors))
    return found


def _merge_directions(
    recurrent: Stack | DualPath,
    layer: int,
    parts: Sequence[Frames],
    steps: int,
    pool: ThreadPoolExecutor,
    advance: Callable[[int], None],
) -> Frames:
    """What a layer gives, of what the layer below has found and what each of its own directions found."""
    device = next(recurrent.parameters()).device
    joined = parts[0] if parts[0].size == recurrent.size else Frames(recurrent.size)
    blocks = range(0, steps, BLOCK_FRAMES)
    for first in range(0, len(blocks), 2):  # each pair is read before it is written, often to where it was
        pair = blocks[first : first + 2]
        read = [[frames.read(place, BLOCK_FRAMES).to(device) for place in pair] for frames in parts]
        for place, vectors in zip(pair, pool.map(partial(_infer, recurrent.merge, layer), *read), strict=True):
            joined.write(place, vectors)
            advance(len(vectors))
    for frames in parts:
        if frames is not joined:
            frames.close()
    return joined


@torch.inference_mode()
def _infer(function: Callable[..., Result], *arguments: object) -> Result:
    """Calls a function in a thread, which does not know of the inference mode of another."""
    return function(*arguments)
