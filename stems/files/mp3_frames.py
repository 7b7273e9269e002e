"""Where the frames of an mp3 begin, and how many samples its first one states.

Decoders look for the frame that states the length and the encoder's delay (Xing, Info) right behind the ID3 tags;
where padding or stray bytes lie between, they take it for music.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_LOOKED_AT = 65_536  # bytes behind the tags
_HAS_FRAMES, _HAS_BYTES = 1, 2  # flags of what the header counts
_ID3V1_BYTES = 128
_FROM_FRAME = (36, 21, 13)  # bytes from a frame to its `Xing`: MPEG-1 stereo, mono and MPEG-2 stereo, MPEG-2 mono


def frames_of(path: Path) -> tuple[int, int | None]:
    """The bytes from the first frame of an mp3 with a length header to behind its last; all of every other file.

    The end is stated where nothing but zeros or an ID3v1 tag follow it.
    """
    with open(path, "rb") as file:
        begin = 0
        while (head := file.read(10))[:3] == b"ID3" and len(head) == 10:
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            begin += 10 + size + (10 if head[5] & 0x10 else 0)
            file.seek(begin)
        file.seek(begin)
        content = file.read(_LOOKED_AT)
        if content[:4] in (b"RIFF", b"fLaC", b"OggS", b"FORM") or content[4:8] == b"ftyp":
            return 0, None
        for mark in (b"Xing", b"Info"):
            place = content.find(mark)
            for first in (place - distance for distance in _FROM_FRAME):
                if first >= 0 and content[first] == 0xFF and content[first + 1] & 0xE6 == 0xE2:
                    return begin + first, _end(file, begin + first, content[place + 4 : place + 16])
    return 0, None


def _end(file: BinaryIO, begin: int, counts: bytes) -> int | None:
    flags, *fields = struct.unpack(">III", counts.ljust(12, b"\0"))
    if flags & (_HAS_FRAMES | _HAS_BYTES) != _HAS_FRAMES | _HAS_BYTES:
        return None
    end = begin + int(fields[1])
    if end > file.seek(0, 2):
        return None
    file.seek(end)
    while piece := file.read(_LOOKED_AT):
        if piece.strip(b"\0") and not (piece.startswith(b"TAG") and len(piece) == _ID3V1_BYTES):
            return None
    return end


def stated_samples(path: Path, sample_rate: int) -> int | None:
    """How many samples the first frame states, without delay and padding; None where it is no such frame."""
    from mutagen import MutagenError
    from mutagen.mp3 import BitrateMode, MPEGInfo

    try:
        with open(path, "rb") as file:
            file.seek(frames_of(path)[0])
            info = MPEGInfo(file)
    except MutagenError:
        return None
    return None if info.bitrate_mode == BitrateMode.UNKNOWN else round(info.length * sample_rate)
