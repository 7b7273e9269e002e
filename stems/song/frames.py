"""Vectors of all frames of a song: in memory, in a temporary file if the song is long, or in a file that stays."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import Tensor

KEPT_IN_MEMORY = 8 * 2**20  # bytes of one `Frames`: a minute or two of song; beyond, a file costs next to no time
SAVED_AT_ONCE = 1024  # frames


class Frames:
    """A vector for each frame; threads may write and read different frames.

    Args:
        total: number of frames.
        size: of a vector.
        precision: in which they are kept, float16, bfloat16 or float32.
        path: of a file that holds them already, which `save` has made.

    Raises:
        OSError: on writing, where the temporary disk is full, and where the file cannot be opened.
    """

    def __init__(self, total: int, size: int, precision: torch.dtype = torch.float16, path: Path | None = None) -> None:
        self.total, self.size, self.precision = total, size, precision
        self._frame_bytes = size * precision.itemsize
        self._lock = Lock()
        self._memory: Tensor | None = None
        if path is not None:
            self._file: Any = open(path, "rb", buffering=0)  # noqa: SIM115
        elif total * self._frame_bytes <= KEPT_IN_MEMORY:
            self._memory = torch.empty(total, size, dtype=precision)
        else:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def write(self, first: int, vectors: Tensor) -> None:
        """Keeps (frames, size) from frame `first` on."""
        if self._memory is not None:
            self._memory[first : first + len(vectors)] = vectors
            return
        content = _bytes(vectors.to("cpu", self.precision))
        with self._lock:
            self._file.seek(first * self._frame_bytes)
            while content:  # a disk that fills up takes a part before it refuses the rest
                content = content[self._file.write(content) :]

    def read(self, first: int, count: int) -> Tensor:
        """`count` frames from frame `first` on, fewer at the end: (frames, size), not to be changed."""
        if self._memory is not None:
            return self._memory[first : first + count]
        vectors = torch.empty(max(0, min(count, self.total - first)), self.size, dtype=self.precision)
        content = _bytes(vectors)
        with self._lock:
            self._file.seek(first * self._frame_bytes)
            while content and (got := self._file.readinto(content)):
                content = content[got:]
        return vectors

    def save(self, path: Path) -> None:
        """Writes all of them into a file.

        Raises:
            OSError: where it cannot be written.
        """
        with open(path, "wb") as file:
            for first in range(0, self.total, SAVED_AT_ONCE):
                file.write(_bytes(self.read(first, SAVED_AT_ONCE)))

    def close(self) -> None:
        """Forgets everything."""
        if self._memory is None:
            self._file.close()
        self._memory = torch.empty(0, self.size, dtype=self.precision)


def _bytes(vectors: Tensor) -> memoryview:
    """The memory of a tensor; numpy has no bfloat16."""
    return vectors.contiguous().view(-1).view(torch.uint8).numpy().data
