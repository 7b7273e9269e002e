"""The pages of an Ogg file (RFC 3533), of which some are several files one after the other."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

_HEADER = struct.Struct("<4sBBqIIIB")
_FIRST, _LAST = 0x02, 0x04  # flags of a page
_READ_AT_ONCE = 65_536


class Link(NamedTuple):
    """One of the files that an Ogg file is a chain of."""

    begin: int
    """Byte."""
    end: int
    """Byte after its last."""
    is_vorbis: bool
    """Whether it holds Vorbis alone."""
    is_whole: bool
    """Whether its streams have an end."""


class _Page(NamedTuple):
    offset: int
    end: int
    flags: int
    serial: int
    content: bytes
    """The first bytes of it."""


def links_of(path: Path) -> list[Link]:
    """The links of an Ogg file, in order; saved radio has many, most songs have one."""
    links: list[Link] = []
    unended: set[int] = set()
    streams, vorbis, begin, end, is_opening = 0, 0, 0, 0, False
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        for page in _pages(file, size):
            if page.flags & _FIRST:
                if not is_opening:
                    if end:
                        links.append(Link(begin, page.offset, streams == vorbis, not unended))
                    begin, streams, vorbis = page.offset, 0, 0
                    unended.clear()
                streams += 1
                vorbis += page.content.startswith(b"\x01vorbis")
                unended.add(page.serial)
            is_opening = bool(page.flags & _FIRST)
            if page.flags & _LAST:
                unended.discard(page.serial)
            end = page.end
    return [*links, Link(begin, size, streams == vorbis, not unended and end <= size)]


def _pages(file: BinaryIO, size: int) -> Iterator[_Page]:
    offset = 0
    while offset + _HEADER.size <= size:
        file.seek(offset)
        head = file.read(_HEADER.size + 255 + 7)
        mark, version, flags, _, serial, _, _, segments = _HEADER.unpack_from(head)
        if mark != b"OggS" or version:
            offset = _next_page(file, offset + 1)
            continue
        begin = _HEADER.size + segments
        end = offset + begin + sum(head[_HEADER.size : begin])
        yield _Page(offset, end, flags, serial, head[begin : begin + 7])
        offset = end


def _next_page(file: BinaryIO, offset: int) -> int:
    """Where the next page begins behind bytes that are none, or the end of the file."""
    while True:
        file.seek(offset)
        piece = file.read(_READ_AT_ONCE)
        if (found := piece.find(b"OggS")) >= 0:
            return offset + found
        if len(piece) < _READ_AT_ONCE:
            return offset + len(piece)
        offset += len(piece) - 3
