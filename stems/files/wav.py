"""Writing wav, with notes before the audio, where every program looks for them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stems.files.formats import AudioFormat
from stems.files.riff import SIZE_IN_DS64, header, packed, padded

_PCM, _FLOAT = 1, 3
_LARGEST_COUNT = 0xFFFF_FFFF


class WavFile:
    """A wav while it is written, an RF64 beyond 4 GiB.

    Its chunks of notes are written first, so that nobody has to copy the audio to make room for them.

    Args:
        path: is replaced.
        format: of the container `wav`.
        samples: that will be written.
        notes: content of chunks by key, a `LIST` under its kind (`LISTadtl`), see
            `stems.files.broadcast_wav.chunks_for`.

    Raises:
        OSError: here, on writing and on closing, where the disk is full.
    """

    def __init__(self, path: Path, format: AudioFormat, samples: int, notes: Mapping[bytes, bytes]) -> None:
        self.format = format
        data_size = samples * format.frame_bytes
        shape = _shape(format, samples)
        chunks = [packed(key[:4], content) for key, content in notes.items()]
        content_size = len(shape) + sum(map(len, chunks)) + padded(data_size)
        head, is_long = header(content_size, data_size, format.frame_bytes)
        # libsndfile loses its way behind a chunk of odd size in an RF64.
        late = [is_long and len(content) % 2 == 1 for content in notes.values()]
        before = b"".join(chunk for chunk, is_late in zip(chunks, late, strict=True) if not is_late)
        after = b"".join(chunk for chunk, is_late in zip(chunks, late, strict=True) if is_late)
        self._end = b"\0" * (data_size % 2) + after
        start = head + shape + before + struct.pack("<4sI", b"data", SIZE_IN_DS64 if is_long else data_size)
        self._file = open(path, "wb")  # noqa: SIM115
        try:
            self._file.write(start)
        except OSError:
            self._file.close()
            raise

    def write(self, samples: np.ndarray) -> None:
        """Takes `(samples, channels)`: 16 bits as int16, more in the upper bits of int32, floats as they are."""
        little = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
        if self.format.encoding == "int24":
            little = np.ascontiguousarray(little).view(np.uint8).reshape(*little.shape, 4)[..., 1:]
        self._file.write(np.ascontiguousarray(little).data)

    def close(self) -> None:
        """Completes the file."""
        if not self._file.closed:
            try:
                self._file.write(self._end)
            finally:
                self._file.close()


def _shape(format: AudioFormat, samples: int) -> bytes:
    """The chunks that tell how samples are laid out."""
    tag, rate = _PCM if format.is_integer else _FLOAT, format.sample_rate
    layout = (tag, format.channels, rate, rate * format.frame_bytes, format.frame_bytes, format.bits)
    shape = struct.pack("<HHIIHH", *layout)
    if format.is_integer:
        return packed(b"fmt ", shape)
    no_extension = bytes(2)  # which a format other than PCM has to state
    return packed(b"fmt ", shape + no_extension) + packed(b"fact", struct.pack("<I", min(samples, _LARGEST_COUNT)))
