"""The Native Instruments Stems file (.stem.mp4), which Traktor, Mixxx and Serato play.

An MP4 of five stereo streams, the mixture first, with a `stem` box of JSON under `moov/udta` that names and
colours the other four.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stems.daw.session import Session
from stems.errors import AudioError, ExportError
from stems.files.destination import scratch, whole
from stems.files.mp4 import boxes, read_box

if TYPE_CHECKING:
    from stems.files.audio import Song

STEMS = 4
_AT_ONCE = 65_536  # samples
_HIGHEST_RATE = 48_000  # Hz, what DJ decks play
# Bypassed: the stems add up to the mixture as they are.
_MASTERING = {
    "compressor": {
        "enabled": False,
        "ratio": 3,
        "output_gain": 0.5,
        "release": 0.3,
        "attack": 0.003,
        "input_gain": 0.5,
        "threshold": 0,
        "hp_cutoff": 300,
        "dry_wet": 50,
    },
    "limiter": {"enabled": False, "release": 0.05, "threshold": 0, "ceiling": -0.35},
}
_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


def write(session: Session, destination: Path, codec: str = "aac") -> str:
    """Write a session as a Stems file; without a mixture the sum of the stems is its first stream.

    Returns what the user should know: that ALAC, which holds integers, clipped what is above full scale.

    Args:
        session: at most four stems, mono or stereo; missing ones are silent.
        destination: ends in `.stem.mp4`.
        codec: `aac` (256 kbit/s) or `alac` (lossless, 24 bits).

    Raises:
        ExportError: the stems do not fit or cannot be read, or the destination cannot be written.
    """
    check([track.name for track in session.tracks], session.name)
    with whole(destination) as unfinished, scratch(destination.parent) as work:
        encoded = work / "encoded.mp4"
        try:
            clipped = _encode(session, codec, encoded)
        except AudioError as error:
            raise ExportError(f"{destination} cannot be written: {error}") from error
        _add_stem_box(encoded, json.dumps(_manifest(session)).encode(), unfinished)
    return f"{destination.name} has {clipped} samples above full scale, which it clips." if clipped else ""


def check(stems: Sequence[str], name: str) -> None:
    """Raise ExportError where a Stems file cannot hold the stems of a song."""
    if len(stems) > STEMS:
        raise ExportError(f"A .stem.mp4 holds four stems and {name} has {len(stems)}: {', '.join(stems)}.")


def _encode(session: Session, codec: str, destination: Path) -> int:
    """Writes the streams; returns how many samples of integers were clipped."""
    from stems.files.audio import Reading, open_song
    from stems.files.coded import CodedFile

    rate, names = session.sample_rate, ["mixture", *(track.name for track in session.tracks)]
    tags = {"date" if key == "year" else key: text for key, text in {"title": session.name, **session.tags}.items()}
    if session.tempo_bpm:
        tags["tmpo"] = str(round(session.tempo_bpm))
    names += [""] * (1 + STEMS - len(names))
    length, clipped = max(track.length for track in session.tracks), 0
    with ExitStack() as stack:
        songs = [stack.enter_context(open_song(track.path, track.reading or Reading())) for track in session.all_tracks]
        file = stack.enter_context(CodedFile(destination, codec, rate, _rate(session), names, tags))
        for start in range(0, length, _AT_ONCE):
            count = min(_AT_ONCE, length - start)
            streams = [_stereo(song, start, count) for song in songs]
            mixture = streams.pop() if session.mixture else np.sum(streams, 0)
            silent = [np.zeros((2, count))] * (STEMS - len(streams))
            if codec == "alac":
                clipped += sum(int(np.count_nonzero(np.abs(stream) > 1)) for stream in (mixture, *streams))
            file.write([mixture, *streams, *silent])
    return clipped


def _stereo(song: Song, start: int, count: int) -> npt.NDArray[np.floating]:
    """Some samples of a song, mono on both sides at full level, silence behind its end: `(2, count)`."""
    block = song.read_exact(min(start, song.samples), count)
    return np.pad(np.broadcast_to(block, (2, block.shape[1])), ((0, 0), (0, count - block.shape[1])))


def _rate(session: Session) -> int:
    if session.sample_rate <= _HIGHEST_RATE:
        return session.sample_rate
    return 44_100 if session.sample_rate % 44_100 == 0 else _HIGHEST_RATE


def _manifest(session: Session) -> dict[str, object]:
    stems = [{"name": track.name, "color": track.colour} for track in session.tracks]
    stems += [{"name": "", "color": "#000000"}] * (STEMS - len(stems))
    return {"mastering_dsp": _MASTERING, "version": 1, "stems": stems}


def _add_stem_box(encoded: Path, manifest: bytes, destination: Path) -> None:
    """Copy an MP4, its `moov` moved to the front and given the `stem` box, as DJ software expects it."""
    with open(encoded, "rb") as source, open(destination, "wb") as out:
        outer = {kind: (begin, size) for kind, begin, size in boxes(source, 0, encoded.stat().st_size)}
        moov = bytearray(read_box(source, outer[b"moov"]))
        stem = struct.pack(">I4s", 8 + len(manifest), b"stem") + manifest
        inside = {kind: (begin, size) for kind, begin, size in boxes(BytesIO(moov), 8, len(moov))}
        begin, size = inside.get(b"udta", (len(moov), 0))
        if not size:
            moov += struct.pack(">I4s", 8, b"udta")
            size = 8
        struct.pack_into(">I", moov, begin, size + len(stem))
        moov[begin + size : begin + size] = stem
        struct.pack_into(">I", moov, 0, len(moov))
        _move_chunks(moov, 8, len(moov), by=len(moov))
        out.write(read_box(source, outer[b"ftyp"]) + moov)
        source.seek(sum(outer[b"ftyp"]))
        for _ in range(sum(outer[b"ftyp"]), outer[b"moov"][0], 1 << 20):
            out.write(source.read(min(1 << 20, outer[b"moov"][0] - source.tell())))


def _move_chunks(moov: bytearray, begin: int, end: int, by: int) -> None:
    for kind, start, size in boxes(BytesIO(moov), begin, end):
        if kind in _CONTAINERS:
            _move_chunks(moov, start + 8, start + size, by)
        elif kind in (b"stco", b"co64"):
            form = ">" + ("I" if kind == b"stco" else "Q") * struct.unpack_from(">I", moov, start + 12)[0]
            offsets = struct.unpack_from(form, moov, start + 16)
            struct.pack_into(form, moov, start + 16, *(offset + by for offset in offsets))
