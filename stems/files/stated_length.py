"""How long a song is by what its container says, which FFmpeg's libraries know but do not cut at."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from stems.files.mp3_frames import stated_samples
from stems.files.mp4 import boxes, read_box

_MP4, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
_OF_STREAM = (_MP4, "ape", "caf", "flac", "ogg", "tta", "wv")
"""Formats whose streams state a length; others have one guessed from the bit rate."""


def stated_length(container: Any, stream: Any, path: Path, sample_rate: int) -> int | None:
    """Samples that the headers promise, to some frames; None where they say nothing.

    Args:
        container: as PyAV has opened it.
        stream: of audio in it.
        path: of the file.
        sample_rate: of the stream, Hz.
    """
    name = container.format.name
    if name == "mp3":
        return stated_samples(path, sample_rate)
    if name in _OF_STREAM:
        return _stream_length(stream, sample_rate)
    if name in (_MATROSKA, "asf") and container.duration and not container.streams.video:
        return int(container.duration * sample_rate / 1_000_000)
    return None


def stated_end(container: Any, stream: Any, path: Path, sample_rate: int) -> int | None:
    """Samples until the encoder's padding, where an mp4 states that to the sample.

    It does by iTunes' `iTunSMPB`, or by an edit list in a movie whose time scale is no coarser than the sample rate.
    """
    if container.format.name != _MP4:
        return None
    fields = str(container.metadata.get("iTunSMPB", "")).split()
    try:
        if len(fields) >= 4 and int(fields[3], 16):
            return int(fields[3], 16)
    except ValueError:
        return None
    return _stream_length(stream, sample_rate) if _movie_time_scale(path) >= sample_rate else None


def _stream_length(stream: Any, sample_rate: int) -> int | None:
    return round(stream.duration * stream.time_base * sample_rate) if stream.duration else None


def _movie_time_scale(path: Path) -> int:
    """Ticks a second of an mp4's edit list, 0 if there is none."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        for kind, begin, length in boxes(file, 0, size):
            if kind == b"moov":
                for inner, inner_begin, inner_length in boxes(file, begin + 8, begin + length):
                    if inner == b"mvhd":
                        header = read_box(file, (inner_begin, min(inner_length, 40)))
                        version = header[8] if len(header) > 8 else 0
                        place = 28 if version else 20
                        return int(struct.unpack_from(">I", header.ljust(40, b"\0"), place)[0])
    return 0
