"""The Native Instruments Stems file (.stem.mp4), which Traktor, Mixxx and Serato play.

An MP4 of five stereo streams, the mixture first, with a `stem` box of JSON under `moov/udta` that names and
colours the other four.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from stems.daw.session import Session
from stems.errors import ExportError
from stems.files.destination import scratch, whole

STEMS = 4
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


def write(session: Session, destination: Path, codec: str = "aac") -> None:
    """Write a session as a Stems file; without a mixture the sum of the stems is its first stream.

    Args:
        session: at most four stems, mono or stereo; missing ones are silent.
        destination: ends in `.stem.mp4`.
        codec: `aac` (256 kbit/s) or `alac` (lossless).

    Raises:
        ExportError: ffmpeg is missing or fails, the stems do not fit, or the destination cannot be written.
    """
    ffmpeg = shutil.which("ffmpeg")
    if not ffmpeg:
        raise ExportError(
            "Writing .stem.mp4 needs ffmpeg 5 or newer on the PATH: `brew install ffmpeg`, `winget install ffmpeg` "
            "or `apt install ffmpeg`."
        )
    if len(session.tracks) > STEMS:
        names = ", ".join(track.name for track in session.tracks)
        raise ExportError(f"A .stem.mp4 holds four stems and {session.name} has {len(session.tracks)}: {names}.")
    if any(track.channels > 2 for track in session.all_tracks):
        raise ExportError(f"A .stem.mp4 holds stereo and {session.name} has more channels; use another format.")
    with whole(destination) as unfinished, scratch(destination.parent) as work:
        encoded = work / "encoded.mp4"
        command = [ffmpeg, "-nostdin", "-v", "error", *_arguments(session, codec), f"file:{encoded}"]
        run = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if "movie_timescale" in run.stderr:
            raise ExportError(f"{ffmpeg} is too old to write .stem.mp4: install version 5 or newer.")
        if run.returncode:
            reason = (run.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ExportError(f"ffmpeg could not write {destination}: {reason}")
        _add_stem_box(encoded, json.dumps(_manifest(session)).encode(), unfinished)


def _arguments(session: Session, codec: str) -> Iterator[str]:
    for track in session.all_tracks:
        yield from ("-i", f"file:{track.path}")  # "file:" because a name may look like an option or an address
    yield from ("-filter_complex", _graph(session))
    for stream in range(1 + STEMS):
        yield from ("-map", f"[stream{stream}]", f"-disposition:a:{stream}", "0" if stream else "default")
    for stream, name in enumerate(["mixture", *(track.name for track in session.tracks)]):
        yield from (f"-metadata:s:a:{stream}", f"handler_name={name}")
    for key, text in {"title": session.name, **session.tags}.items():
        yield from ("-metadata", f"{'date' if key == 'year' else key}={text}")
    if session.tempo_bpm:
        yield from ("-metadata", f"tmpo={round(session.tempo_bpm)}")
    rate = _rate(session)
    yield from ("-map_metadata", "-1", "-map_chapters", "-1", "-c:a", codec, "-ar", str(rate))
    yield from ("-b:a", "256k") if codec == "aac" else ("-sample_fmt", "s32p")
    # A time scale of one tick per sample lets the edit list cut the encoder's delay and padding off exactly.
    yield from ("-movie_timescale", str(rate), "-bitexact", "-brand", "M4A ", "-f", "mp4")


def _graph(session: Session) -> str:
    """Build ffmpeg's filters: mono to both sides at full level, silence where stems are missing, the sum."""
    count = len(session.tracks)
    sides = [f"[{index}:a:0]{_stereo(track.channels)}" for index, track in enumerate(session.all_tracks)]
    if session.mixture:
        chains = [f"{sides[index]}[stream{index + 1}]" for index in range(count)] + [f"{sides[count]}[stream0]"]
    else:
        chains = [f"{sides[index]},asplit[stream{index + 1}][part{index}]" for index in range(count)]
        # Not amix, which at the end of the files loses the last samples of some of them.
        parts = "".join(f"[part{index}]" for index in range(count))
        left, right = ("+".join(f"c{2 * index + side}" for index in range(count)) for side in (0, 1))
        chains.append(f"{parts}amerge=inputs={count},pan=stereo|c0={left}|c1={right}[stream0]")
    length = max(track.length for track in session.tracks)
    silence = f"anullsrc=r={session.sample_rate}:cl=stereo,atrim=end_sample={length}"
    chains += [f"{silence}[stream{index + 1}]" for index in range(count, STEMS)]
    return ";".join(chains)


def _stereo(channels: int) -> str:
    return "pan=stereo|c0=c0|c1=c0" if channels == 1 else "aformat=channel_layouts=stereo"


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
        boxes = {kind: (begin, size) for kind, begin, size in _boxes(source, 0, encoded.stat().st_size)}
        moov = bytearray(_read(source, boxes[b"moov"]))
        stem = struct.pack(">I4s", 8 + len(manifest), b"stem") + manifest
        inside = {kind: (begin, size) for kind, begin, size in _boxes(BytesIO(moov), 8, len(moov))}
        begin, size = inside.get(b"udta", (len(moov), 0))
        if not size:
            moov += struct.pack(">I4s", 8, b"udta")
            size = 8
        struct.pack_into(">I", moov, begin, size + len(stem))
        moov[begin + size : begin + size] = stem
        struct.pack_into(">I", moov, 0, len(moov))
        _move_chunks(moov, 8, len(moov), by=len(moov))
        out.write(_read(source, boxes[b"ftyp"]) + moov)
        source.seek(sum(boxes[b"ftyp"]))
        for _ in range(sum(boxes[b"ftyp"]), boxes[b"moov"][0], 1 << 20):
            out.write(source.read(min(1 << 20, boxes[b"moov"][0] - source.tell())))


def _move_chunks(moov: bytearray, begin: int, end: int, by: int) -> None:
    for kind, start, size in _boxes(BytesIO(moov), begin, end):
        if kind in _CONTAINERS:
            _move_chunks(moov, start + 8, start + size, by)
        elif kind in (b"stco", b"co64"):
            form = ">" + ("I" if kind == b"stco" else "Q") * struct.unpack_from(">I", moov, start + 12)[0]
            offsets = struct.unpack_from(form, moov, start + 16)
            struct.pack_into(form, moov, start + 16, *(offset + by for offset in offsets))


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while begin + 8 <= end:
        file.seek(begin)
        size, kind, long_size = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        size = long_size if size == 1 else size or end - begin
        yield kind, begin, size
        begin += size


def _read(file: BinaryIO, box: tuple[int, int]) -> bytes:
    file.seek(box[0])
    return file.read(box[1])
