"""The chunks that a wav is made of, RIFF or over 4 GiB RF64 (EBU Tech 3306)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from stems.errors import ExportError

RIFF_LIMIT = 0xFFFF_FFFF  # bytes that the 32-bit sizes of a RIFF file can count
SIZE_IN_DS64 = 0xFFFF_FFFF
_PIECE = 2**20  # bytes


class Chunk(NamedTuple):
    """Where a chunk's content lies in its file; a `LIST` has its kind in the key (`LISTadtl`)."""

    key: bytes
    offset: int
    size: int


@dataclass(frozen=True)
class Extract:
    """The content of a chunk that is too large to be held in memory, where it lies in its file."""

    path: Path
    chunk: Chunk

    def __len__(self) -> int:
        return self.chunk.size

    def pieces(self) -> Iterator[bytes]:
        """Its content piece by piece; zeros for what the file no longer has."""
        with open(self.path, "rb") as file:
            file.seek(self.chunk.offset)
            for done in range(0, self.chunk.size, _PIECE):
                size = min(_PIECE, self.chunk.size - done)
                yield file.read(size).ljust(size, b"\0")


def opened(path: Path) -> BinaryIO:
    """Open a file to read.

    Raises:
        ExportError: the file cannot be read.
    """
    try:
        return open(path, "rb")
    except OSError as error:
        raise ExportError(f"Cannot read {path} ({error.strerror or error}): check its name and rights.") from error


def is_wav(path: Path) -> bool:
    """Return whether a file is a wav, whatever its name.

    Raises:
        ExportError: the file cannot be read.
    """
    with opened(path) as file:
        return _begins_wav(file)


def chunks_of(file: BinaryIO, path: Path) -> Iterator[Chunk]:
    """Yield a wav's chunks, the last one cut at the end of the file.

    Raises:
        ExportError: the file is not a wav.
    """
    end = file.seek(0, 2)
    file.seek(0)
    if not _begins_wav(file):
        raise ExportError(f"{path} is not a WAV file: check its name, or convert it.")
    data_size, offset = 0, 12
    while offset + 8 <= end:
        file.seek(offset)
        key, size = struct.unpack("<4sI", file.read(8))
        if key == bytes(4):  # zeros after the last chunk, which would be read as one empty chunk after another
            return
        if key == b"ds64":
            data_size = struct.unpack("<8xQ", file.read(16).ljust(16, b"\0"))[0]
        elif key == b"data" and size == SIZE_IN_DS64 and data_size:
            size = data_size
        elif key == b"LIST":
            key += file.read(4)
        size = min(size, end - offset - 8)
        yield Chunk(key, offset + 8, size)
        offset += padded(size)


def sub_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and content of each chunk in a `LIST`."""
    offset = 4
    while offset + 8 <= len(content):
        key, size = struct.unpack_from("<4sI", content, offset)
        yield key, content[offset + 8 : offset + 8 + size]
        offset += padded(size)


def read(file: BinaryIO, chunk: Chunk) -> bytes:
    """Return a chunk's content."""
    file.seek(chunk.offset)
    return file.read(chunk.size)


def packed(key: bytes, content: bytes) -> bytes:
    """Return a chunk as it stands in a file."""
    return struct.pack("<4sI", key, len(content)) + content + b"\0" * (len(content) % 2)


def padded(size: int) -> int:
    """Return how many bytes of a file a chunk with `size` bytes of content takes."""
    return 8 + size + size % 2


def header(content_size: int, data_size: int, frame_bytes: int) -> tuple[bytes, bool]:
    """Return the start of a wav, and whether it is an RF64.

    A RIFF gets a `JUNK` where a program that makes the file longer can put a `ds64`.

    Args:
        content_size: bytes that all other chunks take.
        data_size: bytes of audio.
        frame_bytes: bytes of one sample of all channels.
    """
    total = 4 + padded(28) + content_size
    if total <= RIFF_LIMIT:
        return struct.pack("<4sI4s", b"RIFF", total, b"WAVE") + packed(b"JUNK", bytes(28)), False
    sizes = struct.pack("<QQQI", total, data_size, data_size // frame_bytes, 0)
    return struct.pack("<4sI4s", b"RF64", SIZE_IN_DS64, b"WAVE") + packed(b"ds64", sizes), True


def text_of(content: bytes) -> str:
    """Decode text whose encoding no wav declares: UTF-8 today, the Windows code page before."""
    content = content.split(b"\0")[0]
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace").strip()


def _begins_wav(file: BinaryIO) -> bool:
    head = file.read(12)
    return head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:] == b"WAVE"
