"""What the recurrent layers know of every frame of a song, found window by window in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from stems.model import Model
from stems.spectrum import FLOOR_DB, OVERLAP, Grid, analyse

KEPT_IN_MEMORY = 64 * 2**20  # bytes of context, about half an hour of song; longer songs use a temporary file


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


class Windows:
    """Cuts frames into windows that overlap, and joins what was found in them by a crossfade.

    A recurrent layer knows less near the ends of a window, so `margin` frames there are thrown away, and
    over the next `fade` frames one window gives way to the other.
    """

    def __init__(self, length: int, margin: int, fade: int) -> None:
        if length <= 2 * (margin + fade):
            raise ValueError(f"a window of {length} frames has no room for margins of {margin} and fades of {fade}")
        self.length, self.margin, self.fade = length, margin, fade
        self.stride = length - 2 * margin - fade

    def cut(self, pieces: Iterator[Tensor], silence: float) -> Iterator[Tensor]:
        """(2, any number of frames, bands) pieces -> (2, length, bands), the last filled up with `silence`."""
        held: Tensor | None = None
        fresh = 0  # frames that no window has shown yet
        for piece in pieces:
            held = piece if held is None else torch.cat([held, piece], 1)
            fresh += piece.shape[1]
            while held.shape[1] >= self.length:
                yield held[:, : self.length]
                held = held[:, self.stride :]
                fresh = held.shape[1] - (self.length - self.stride)
        if held is not None and fresh > 0:
            yield torch.nn.functional.pad(held, (0, 0, 0, self.length - held.shape[1]), value=silence)

    def join(self, windows: Iterator[Tensor], total: int) -> Iterator[Tensor]:
        """(length, features) windows -> (any number of frames, features) pieces, `total` frames in all."""
        ramp = (torch.arange(self.fade) + 0.5) / self.fade
        leaving: Tensor | None = None
        done = 0
        for window in windows:
            first = self.margin if leaving is not None else 0
            known = window[first : self.length - self.margin].clone()
            if leaving is not None:
                rising = ramp.to(known)[:, None]
                known[: self.fade] = known[: self.fade] * rising + leaving * (1 - rising)
            if total - done <= self.length - first:  # nothing comes after this window
                known = torch.cat([known, window[self.length - self.margin :]])
                piece = known[: total - done]
            else:
                piece, leaving = known[: -self.fade], known[-self.fade :]
            yield piece
            done += piece.shape[0]


class Contexts:
    """The recurrent context of a song, kept in half precision: in memory, or in a temporary file if it is long."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._file = tempfile.SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115

    def append(self, context: Tensor) -> None:
        """Adds (frames, size)."""
        self._file.write(context.half().cpu().numpy().tobytes())

    def rewind(self) -> None:
        """Starts reading at the first frame."""
        self._file.seek(0)

    def read(self, frames: int) -> Tensor:
        """The next frames, (frames, size) in single precision."""
        content = self._file.read(2 * frames * self.size)
        return torch.from_numpy(np.frombuffer(content, np.float16).astype(np.float32).reshape(-1, self.size))

    def close(self) -> None:
        """Forgets everything."""
        self._file.close()


@dataclass
class Heard:
    """What `listen` found.

    Attributes:
        contexts: of every frame, to be read once from the start.
        kept: numbers of the frames that were kept.
        kept_contexts: their contexts, (kept, size).
        kept_levels: their levels, (2, kept, bands) in dB.
    """

    contexts: Contexts
    kept: Tensor
    kept_contexts: Tensor
    kept_levels: Tensor


def listen(
    song: Readable,
    model: Model,
    grid: Grid,
    gain: float,
    windows: Windows,
    batch: int,
    keep: Tensor,
    report: Callable[[int], None] = lambda frames: None,
) -> Heard:
    """Runs the recurrent layers over a song.

    Args:
        gain: brings the song to the level that the network knows.
        windows: their length bounds the memory; a song shorter than one is seen whole.
        batch: windows that are seen at once.
        keep: numbers of the frames that are kept, in order, each once.
        report: called with the number of frames that are done.
    """
    device = next(model.parameters()).device
    total = grid.frames(song.samples)
    windows = windows if total > windows.length else Windows(total, 0, 0)
    contexts = Contexts(model.network.context_size)
    # Made once at full size: many small tensors that stay would fragment the memory between the large ones that go.
    kept_contexts = torch.empty(len(keep), contexts.size, device=device)
    kept_levels = torch.empty(2, len(keep), model.design.bands.count, device=device)

    def among(first: int, count: int) -> tuple[slice, Tensor]:
        """Which of the kept frames are in a piece, and where in it they lie."""
        begin, end = torch.searchsorted(keep, torch.tensor([first, first + count])).tolist()
        return slice(begin, end), (keep[begin:end] - first).to(device)

    def levels() -> Iterator[Tensor]:
        first = 0
        for _, piece in spectra(song, grid, 256, device):
            found = model.design.bands.levels(piece * gain, grid)
            places, chosen = among(first, found.shape[1])
            kept_levels[:, places] = found[:, chosen]
            first += found.shape[1]
            yield found

    def seen() -> Iterator[Tensor]:
        waiting: list[Tensor] = []
        for window in windows.cut(levels(), silence=FLOOR_DB):
            waiting.append(window)
            if len(waiting) == batch:
                yield from model.network.context(torch.stack(waiting))[0]
                waiting.clear()
        if waiting:
            yield from model.network.context(torch.stack(waiting))[0]

    done = 0
    for piece in windows.join(seen(), total):
        contexts.append(piece)
        places, chosen = among(done, piece.shape[0])
        kept_contexts[places] = piece[chosen]
        done += piece.shape[0]
        report(done)
    contexts.rewind()
    return Heard(contexts, keep, kept_contexts, kept_levels)
