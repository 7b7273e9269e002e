"""The boxes that an MP4 is made of (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

Box = tuple[bytes, int, int]
"""Kind, first byte and size with its header."""


def boxes(file: BinaryIO, begin: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places of a file; the size is as stated, even beyond the end."""
    while begin + 8 <= end:
        file.seek(begin)
        size, kind, long_size = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        size = long_size if size == 1 else size or end - begin
        yield kind, begin, size
        begin += max(size, 8)


def read_box(file: BinaryIO, box: tuple[int, int]) -> bytes:
    """Return a box with its header, by its first byte and size."""
    file.seek(box[0])
    return file.read(box[1])
