"""What the recurrent layers know of every frame of a song, found layer by layer in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stems.cores import Cores
from stems.memory import give_back_memory
from stems.model import Model
from stems.network.precision import fastest_precision
from stems.network.recurrent import DualPath, Stack, State
from stems.song.frames import Frames
from stems.song.level import Readable
from stems.spectrum import Grid, analyse, mid_and_side

if TYPE_CHECKING:
    from stems.song.landmarks import Cells

PIECE_FRAMES = 128  # whose levels and textures are found at once
BLOCK_FRAMES = 128  # that a layer hears at once


def audio_of_frames(song: Readable, grid: Grid, first: int, count: int) -> Tensor:
    """The audio that `analyse` makes `count` frames of, from frame `first` on: (channels, samples).

    Around the song is silence: frame 0 has only its last hop in it.
    """
    begin, end = (first + 1) * grid.hop - grid.window, (first + count) * grid.hop
    start, stop = min(max(0, begin), song.samples), min(end, song.samples)  # the last frames may begin after the song
    heard = song.read(start, stop - start)
    if (start, stop) == (begin, end):
        return torch.from_numpy(np.ascontiguousarray(heard))
    audio = np.zeros((len(heard), end - begin), np.float32)
    audio[:, start - begin : stop - begin] = heard
    return torch.from_numpy(audio)


@dataclass
class EncodedSong:
    """A song after the recurrent layers: what `encode_song` found.

    Attributes:
        recurrent: the layers that encoded it.
        total: number of the song's frames.
        gain: that brought the song to the level that the network knows.
        frames: what the last of the layers gives.
        textures: what is kept of the textures of every frame, if the network looks at them.
        levels: of every frame, mid then side, (2 * bands) in dB each, if they were asked for.
        kept: numbers of the frames that were asked for.
        kept_contexts: their contexts, (kept, size), in half precision.
        kept_levels: their levels, (2, kept, bands) in dB.
        landmarks: the cells by which the song is clustered, once they have been found and if they are kept.
    """

    recurrent: Stack | DualPath
    total: int
    gain: float
    frames: Frames
    textures: Frames | None
    levels: Frames | None
    kept: Tensor
    kept_contexts: Tensor
    kept_levels: Tensor
    landmarks: Cells | None = None

    def context(self, first: int, count: int) -> Tensor:
        """Contexts of `count` frames from frame `first` on, fewer at the end: (frames, size)."""
        stride, end = self.recurrent.stride, min(first + count, self.total)
        found = self.frames.read(first // stride, -(-end // stride) - first // stride)
        hidden = self.recurrent.project_out(found.to(self.kept_levels))[first % stride :][: end - first]
        return hidden if self.textures is None else torch.cat([hidden, self.textures.read(first, count).to(hidden)], 1)

    def keep(self, frames: Tensor, cores: Cores) -> None:
        """Keeps other frames, as if they had been asked for, of a song of which all levels are known."""
        assert self.levels is not None
        size, device = self.kept_contexts.shape[1], self.kept_levels.device
        self.kept = frames
        self.kept_contexts = torch.empty(len(frames), size, dtype=torch.float16, device=device)
        self.kept_levels = torch.empty(2, len(frames), self.levels.size // 2, device=device)
        for _ in cores.map(self._keep_levels, range(0, self.total, BLOCK_FRAMES)):
            pass
        for _ in cores.map(partial(_keep_contexts, self), range(0, self.total, BLOCK_FRAMES)):
            pass

    def _keep_levels(self, first: int) -> None:
        places, chosen = _among(self.kept, first, BLOCK_FRAMES)
        if len(chosen) and self.levels is not None:
            found = self.levels.read(first, BLOCK_FRAMES)[chosen]
            self.kept_levels[:, places] = found.reshape(len(chosen), 2, -1).transpose(0, 1).to(self.kept_levels)

    def forget_kept(self) -> None:
        """Forgets the frames that were asked for, once they have been used."""
        self.kept, self.kept_contexts = self.kept[:0], self.kept_contexts[:0].clone()
        self.kept_levels = self.kept_levels[:, :0].clone()

    def close(self) -> None:
        """Forgets the contexts."""
        for frames in (self.frames, self.textures, self.levels):
            if frames is not None:
                frames.close()


def encode_song(
    song: Readable,
    model: Model,
    grid: Grid,
    gain: float,
    keep: Tensor,
    cores: Cores,
    report: Callable[[float], None] = lambda share: None,
    all_levels: bool = False,
) -> EncodedSong:
    """Runs the recurrent layers over a song.

    Each layer hears all frames before the next one begins, forward and backward at the same time, and its states go on
    from block to block. So a song of any length is heard as a whole, blocks leave no seams, and no more is kept than
    lies between two layers.

    Args:
        gain: brings the song to the level that the network knows.
        keep: numbers of the frames whose contexts and levels are kept, in order, each once.
        cores: that share the work.
        report: called with the share of the work that is done.
        all_levels: whether the levels of all frames are kept as well, so that frames to keep can be chosen later.
    """
    recurrent, total = model.network.recurrent, grid.frames(song.samples)
    steps = -(-total // recurrent.stride)
    work, done = total + model.network.shape.layers * (recurrent.directions + 1) * steps, 0

    def advance(frames: int) -> None:
        nonlocal done
        done += frames
        report(done / work)

    encoded = _empty(model, total, gain, keep, all_levels)
    for frames in cores.map(partial(_look, model, grid, gain, encoded), _pieces(song, model, grid)):
        advance(frames)
    give_back_memory()
    layers = _Layers(recurrent, steps, cores, advance)
    for layer in range(model.network.shape.layers):
        encoded.frames = layers.merge(layer, encoded.frames, layers.run_directions(layer, encoded.frames))
    layers.close()
    for _ in cores.map(partial(_keep_contexts, encoded), range(0, total, BLOCK_FRAMES)):
        pass
    give_back_memory()
    return encoded


def _empty(model: Model, total: int, gain: float, keep: Tensor, all_levels: bool) -> EncodedSong:
    """A song of which nothing is known yet."""
    network, recurrent = model.network, model.network.recurrent
    return EncodedSong(
        recurrent=recurrent,
        total=total,
        gain=gain,
        frames=Frames(-(-total // recurrent.stride), recurrent.projected_size),
        textures=Frames(total, network.kept_size) if network.kept_size else None,
        levels=Frames(total, 2 * model.design.bands.count, torch.float32) if all_levels else None,
        kept=keep,
        # Made once at full size: many small tensors that stay would fragment the memory between the large ones that go.
        kept_contexts=torch.empty(len(keep), network.context_size, dtype=torch.float16, device=network.scale.device),
        kept_levels=torch.empty(2, len(keep), model.design.bands.count, device=network.scale.device),
    )


@dataclass(frozen=True)
class _Piece:
    """Some frames of a song that are looked at at once.

    Attributes:
        first: number of the first.
        count: of frames.
        begin: number of the first frame in `audio`, which has the frames that textures look at before and after.
        audio: (channels, samples).
    """

    first: int
    count: int
    begin: int
    audio: Tensor


def _pieces(song: Readable, model: Model, grid: Grid) -> Iterator[_Piece]:
    texture, stride = model.network.texture, model.network.recurrent.stride
    before, after = texture.surroundings if texture else (0, 0)
    total, length = grid.frames(song.samples), -(-PIECE_FRAMES // stride) * stride
    for first in range(0, total, length):
        begin, end = max(0, first - before), min(first + length + after, total)
        yield _Piece(first, min(length, total - first), begin, audio_of_frames(song, grid, begin, end - begin))


def _look(model: Model, grid: Grid, gain: float, encoded: EncodedSong, piece: _Piece) -> int:
    """Finds the levels and textures of a piece, and what the first layer is given of it; returns its frames."""
    network, device = model.network, encoded.kept_levels.device
    levels = model.design.bands.levels_of_mid_and_side(analyse(mid_and_side(piece.audio.to(device) * gain), grid), grid)
    places, chosen = _among(encoded.kept, piece.first, piece.count)
    encoded.kept_levels[:, places] = levels[:, chosen.to(device) + piece.first - piece.begin]
    features, kept = network.features(levels[None], piece.begin == 0, piece.begin + levels.shape[1] == encoded.total)
    start = piece.first if piece.begin == 0 else 0
    own = slice(start, start + piece.count)
    if encoded.levels is not None:
        heard = slice(piece.first - piece.begin, piece.first - piece.begin + piece.count)
        encoded.levels.write(piece.first, levels[:, heard].transpose(0, 1).flatten(1))
    encoded.frames.write(piece.first // network.recurrent.stride, network.recurrent.project_in(features[0, own]))
    if encoded.textures is not None:
        encoded.textures.write(piece.first, kept[0, own])
    return piece.count


def _keep_contexts(encoded: EncodedSong, first: int) -> None:
    """Finds the contexts of those frames of a block that are kept."""
    places, chosen = _among(encoded.kept, first, BLOCK_FRAMES)
    if len(chosen):
        encoded.kept_contexts[places] = encoded.context(first, BLOCK_FRAMES)[chosen].to(torch.float16)


def _among(keep: Tensor, first: int, count: int) -> tuple[slice, Tensor]:
    """Which of the kept frames are among `count` frames, and where among them they lie."""
    begin, end = torch.searchsorted(keep, torch.tensor([first, first + count])).tolist()
    return slice(begin, end), keep[begin:end] - first


class _Layers:
    """The recurrent layers, each of which hears the whole song block by block.

    Args:
        recurrent: the layers.
        steps: that they take along the song, one for each `stride` frames.
        cores: that share the work.
        advance: called with the number of steps that were taken.
    """

    def __init__(self, recurrent: Stack | DualPath, steps: int, cores: Cores, advance: Callable[[int], None]) -> None:
        self.recurrent, self.steps, self.cores, self.advance = recurrent, steps, cores, advance
        self.device = next(recurrent.parameters()).device
        self.precision = fastest_precision(self.device)
        kept = torch.float16 if self.precision is torch.float32 else self.precision
        # One for each direction, which all layers fill: memory that is given back and asked for anew falls to pieces.
        self._found = [Frames(steps, recurrent.direction_size, kept) for _ in range(recurrent.directions)]

    def run_directions(self, layer: int, below: Frames) -> Sequence[Frames]:
        """What each direction of a layer makes of all that the layer below has found."""
        states: list[State | None] = [None for _ in self._found]

        def run(block: tuple[int, int]) -> int:
            direction, first = block
            frames = below.read(first, BLOCK_FRAMES).to(self.device)
            vectors, states[direction] = self.recurrent.run_direction(
                layer, direction, frames, states[direction], self.precision
            )
            self._found[direction].write(first, vectors)
            return len(frames)

        blocks = range(0, self.steps, BLOCK_FRAMES)
        for forward_and_backward in zip(blocks, reversed(blocks), strict=True):
            for taken in self.cores.map(run, zip(range(len(states)), forward_and_backward, strict=False)):
                self.advance(taken)
        return self._found

    def merge(self, layer: int, below: Frames, directions: Sequence[Frames]) -> Frames:
        """What a layer gives, of what the layer below has found, which is lost, and each of its own directions."""
        joined = below if below.size == self.recurrent.size else Frames(self.steps, self.recurrent.size)

        def merge(first: int) -> int:
            read = [frames.read(first, BLOCK_FRAMES).to(self.device) for frames in (below, *directions)]
            joined.write(first, self.recurrent.merge(layer, *read, precision=self.precision))
            return len(read[0])

        for taken in self.cores.map(merge, range(0, self.steps, BLOCK_FRAMES)):
            self.advance(taken)
        if joined is not below:
            below.close()
        return joined

    def close(self) -> None:
        """Forgets what the directions have found."""
        for frames in self._found:
            frames.close()
