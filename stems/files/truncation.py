"""Signs that a file ends before its song does, which decoders read as far as it goes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from stems.files.mp4 import boxes
from stems.files.ogg import links_of

MISSING_AT_MOST = 4096  # bytes: what sloppy headers count besides the samples
UNKNOWN_SIZE = 0x7FFF0000  # bytes: what 32 bits state at least where the end was not known when they were written
UNKNOWN_LONG_SIZE = 2**48  # the same for 64 bits


class _Part(NamedTuple):
    """A chunk, box or element of a file, by what its header states."""

    key: bytes
    begin: int
    size: int


def is_cut_off(path: Path) -> bool:
    """Whether a file ends within the part that holds its audio; False where the size of that is not stated."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        begin = file.read(12)
        if begin.startswith(b"OggS"):
            return not links_of(path)[-1].is_whole
        for magic, parts, audio, missing in _FORMATS:
            if magic(begin):
                return any(
                    part.key in audio and part.begin + part.size > size + missing for part in parts(file, size, begin)
                )
    return False


def _riff(file: BinaryIO, size: int, begin: bytes) -> Iterator[_Part]:
    order = ">" if begin[:4] in (b"FORM", b"RIFX") else "<"
    offset, data_size = 12, 0
    while offset + 8 <= size:
        key, stated = struct.unpack(order + "4sI", _at(file, offset, 8))
        if key == b"ds64":
            data_size = struct.unpack("<Q", _at(file, offset + 16, 8))[0]
        is_unknown = stated >= UNKNOWN_SIZE
        if key == b"data" and is_unknown and begin[:4] in (b"RF64", b"BW64"):
            stated, is_unknown = data_size, not 0 < data_size < UNKNOWN_LONG_SIZE
        yield _Part(key, offset + 8, 0 if is_unknown else stated)
        offset += 8 + stated + stated % 2


def _avi(file: BinaryIO, size: int, begin: bytes) -> Iterator[_Part]:
    stated = struct.unpack("<I", begin[4:8])[0]
    yield _Part(b"AVI ", 8, stated if stated < UNKNOWN_SIZE else 0)


def _wave64(file: BinaryIO, size: int, begin: bytes) -> Iterator[_Part]:
    offset = 40
    while offset + 24 <= size:
        key, stated = struct.unpack("<4s12xQ", _at(file, offset, 24))
        yield _Part(key, offset, stated if stated < UNKNOWN_LONG_SIZE else 0)
        offset += max(24, stated + -stated % 8)


def _caf(file: BinaryIO, size: int, begin: bytes) -> Iterator[_Part]:
    offset = 8
    while offset + 12 <= size:
        key, stated = struct.unpack(">4sq", _at(file, offset, 12))
        yield _Part(key, offset + 12, stated)
        if stated < 0:  # not known, which only the last chunk may be
            return
        offset += 12 + stated


def _mp4(file: BinaryIO, size: int, begin: bytes) -> Iterator[_Part]:
    return (_Part(*box) for box in boxes(file, 0, size))


def _matroska(file: BinaryIO, size: int, begin: bytes) -> Iterator[_Part]:
    offset = 0
    for _ in range(2):  # the header, then the one segment that all else is in
        key = _at(file, offset, 4)
        first = (_at(file, offset + 4, 1) or b"\0")[0]
        length = 9 - first.bit_length()
        stated = int.from_bytes(_at(file, offset + 4, length), "big") & ((1 << 7 * length) - 1)
        is_unknown = length > 8 or stated == (1 << 7 * length) - 1
        yield _Part(key, offset + 4 + length, 0 if is_unknown else stated)
        offset += 4 + length + stated


def _at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


_FORMATS: tuple[
    tuple[Callable[[bytes], bool], Callable[[BinaryIO, int, bytes], Iterator[_Part]], tuple[bytes, ...], int], ...
] = (
    (lambda begin: begin[:4] == b"RIFF" and begin[8:] == b"AVI ", _avi, (b"AVI ",), 0),
    (lambda begin: begin[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"), _riff, (b"data",), MISSING_AT_MOST),
    (lambda begin: begin[:4] == b"FORM", _riff, (b"SSND",), MISSING_AT_MOST),
    (lambda begin: begin[:4] == b"riff", _wave64, (b"data",), MISSING_AT_MOST),
    (lambda begin: begin[:4] == b"caff", _caf, (b"data",), MISSING_AT_MOST),
    (lambda begin: begin[4:8] == b"ftyp", _mp4, (b"mdat", b"moof", b"moov"), 0),
    (lambda begin: begin[:4] == b"\x1aE\xdf\xa3", _matroska, (b"\x18S\x80g",), 0),
)
"""How a file begins, what it is made of, which parts hold the audio, and how many bytes of them may be missing."""
