"""Notes that a wav carries beside its audio: position, markers, tempo, text.

`read_notes` takes them from the song that was split, `chunks_for` makes them for each stem:

- `bext` (EBU Tech 3285): where the song sits in its session, in samples since midnight;
- `cue ` with `LIST adtl`: markers;
- `acid`, `smpl`: tempo, root note, loops;
- `iXML`, `LIST INFO`, `id3 `: text.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from stems.files.formats import AudioFormat
from stems.files.riff import Extract, chunks_of, opened, packed, padded, read, sub_chunks, text_of
from stems.limits import HIGHEST_BPM, LOWEST_BPM

_KEPT = (b"iXML", b"acid", b"smpl", b"cue ", b"LISTadtl", b"LISTINFO", b"id3 ", b"ID3 ")
_OF_THE_WHOLE = (b"iXML", b"acid", b"smpl", b"cue ", b"LISTadtl")
"""Chunks that tell positions or a length, and are wrong beside a passage."""
_KEPT_LARGE = (b"iXML", b"LISTINFO", b"id3 ", b"ID3 ")
LARGEST_CHUNK = 4 * 2**20
"""Bytes of a chunk that is held in memory and repeated in every stem."""
_BEXT = struct.Struct("<256s32s32s10s8sIIH64s10s180s")
_ACID = struct.Struct("<IHHfIHHf")
_ONE_SHOT, _DISK_BASED = 0x01, 0x08
_INFO = {"title": b"INAM", "artist": b"IART", "album": b"IPRD", "year": b"ICRD", "genre": b"IGNR", "comment": b"ICMT"}


@dataclass(frozen=True)
class Marker:
    """A named point of the song, or with a length a named region."""

    name: str
    position: int
    """Samples from the song's first."""
    length: int = 0
    """Samples; 0 for a point."""


@dataclass(frozen=True)
class Notes:
    """What a song's file says beside its audio."""

    start: int = 0
    """Samples between midnight on the session's clock and the song's first sample (`bext` time reference)."""
    markers: tuple[Marker, ...] = ()
    tempo_bpm: float | None = None
    time_signature: tuple[int, int] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    """Text under `title`, `artist`, `album`, `year`, `genre`, `comment`."""
    picture: tuple[str, bytes] | None = None
    """The cover's media type, such as `image/png`, and content."""
    coding_history: str = ""
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    """Undamaged chunks of the song's file that its stems repeat byte by byte, a `LIST` under its kind (`LISTadtl`)."""
    large: Mapping[bytes, Extract] = field(default_factory=dict)
    """Text and tags of over `LARGEST_CHUNK`, which one stem repeats and the others do without."""


def read_notes(path: Path) -> Notes:
    """Return the notes of a wav; a field that the file says nothing about keeps its default.

    Raises:
        ExportError: the file cannot be read or is not a wav.
    """
    chunks: dict[bytes, bytes] = {}
    large: dict[bytes, Extract] = {}
    with opened(path) as file:
        for chunk in chunks_of(file, path):
            if chunk.size > LARGEST_CHUNK:
                if chunk.key in _KEPT_LARGE:
                    large.setdefault(chunk.key, Extract(path, chunk))
            elif chunk.key in (*_KEPT, b"bext"):
                content = read(file, chunk)
                if _is_sound(chunk.key, content):
                    chunks.setdefault(chunk.key, content)
    start, coding_history = _parse_bext(chunks.pop(b"bext", b""))
    tempo_bpm, time_signature = _parse_acid(chunks.get(b"acid", b""))
    return Notes(
        start=start,
        markers=_parse_markers(chunks.get(b"cue ", b""), chunks.get(b"LISTadtl", b"")),
        tempo_bpm=tempo_bpm,
        time_signature=time_signature,
        tags=_parse_info(chunks.get(b"LISTINFO", b"")),
        coding_history=coding_history,
        chunks=chunks,
        large=large,
    )


def notes_of_passage(notes: Notes, begin: int, samples: int) -> Notes:
    """Return the notes of a passage, whose position and markers are those of its own first sample.

    Args:
        notes: of the whole song.
        begin: where the passage begins, samples.
        samples: its length.
    """
    markers = []
    for marker in notes.markers:
        first, last = marker.position - begin, marker.position - begin + marker.length
        if first < samples and last >= 0 and (last > 0 or not marker.length):
            first, last = max(0, first), min(last, samples)
            markers.append(replace(marker, position=first, length=last - first))
    return replace(
        notes,
        start=notes.start + begin if notes.start else 0,  # which is also what a song without a position has
        markers=tuple(markers),
        chunks={key: content for key, content in notes.chunks.items() if key not in _OF_THE_WHOLE},
        large={key: content for key, content in notes.large.items() if key not in _OF_THE_WHOLE},
    )


def chunks_for(
    notes: Notes, format: AudioFormat, samples: int, description: str = "", created: datetime | None = None
) -> dict[bytes, bytes]:
    """Return the chunks that tell a stem's notes, for `stems.files.wav.WavFile`.

    Args:
        notes: what `read_notes` found in the song. Where `tempo_bpm`, `markers` or `tags` were given without the
            chunk that holds them, the chunk is made.
        format: of the stem.
        samples: length of the stem.
        description: the `bext` description, of which 256 ASCII characters are kept.
        created: the origination date, now when left out.
    """
    bext = {b"bext": _bext(notes, description, created or datetime.now(), format)}
    return bext | _made_chunks(notes, samples / format.sample_rate)


def _is_sound(key: bytes, content: bytes) -> bool:
    """Return whether a chunk is whole and every program reads on behind it.

    Behind a `smpl` with data of a sampler's own or an empty label, libsndfile finds no audio; behind an empty chunk,
    programs made with JUCE find none.
    """
    if key == b"cue ":
        return len(content) >= 4 and len(content) >= 4 + 24 * struct.unpack_from("<I", content)[0]
    if key == b"smpl":
        return len(content) >= 36 and struct.unpack_from("<II", content, 28) == ((len(content) - 36) / 24, 0)
    if key.startswith(b"LIST"):
        parts = list(sub_chunks(content))
        is_whole = sum(padded(len(part)) for _, part in parts) in (len(content) - 4, len(content) - 3)
        return is_whole and not any(kind in (b"labl", b"note") and len(part) <= 4 for kind, part in parts)
    if key == b"acid":
        return len(content) == _ACID.size
    return len(content) >= (_BEXT.size if key == b"bext" else 1)


def _made_chunks(notes: Notes, seconds: float) -> dict[bytes, bytes]:
    chunks = dict(notes.chunks)
    if notes.tempo_bpm and notes.tempo_bpm != _parse_acid(chunks.get(b"acid", b""))[0]:
        beats = round(seconds * notes.tempo_bpm / 60)
        upper, lower = notes.time_signature or (4, 4)
        chunks[b"acid"] = _ACID.pack(_DISK_BASED, 60, 0x8000, 0.0, beats, lower, upper, notes.tempo_bpm)
    if notes.markers and b"cue " not in chunks:
        chunks[b"cue "], chunks[b"LISTadtl"] = _cue(notes.markers)
    if notes.tags and b"LISTINFO" not in chunks:
        texts = (packed(_INFO[key], text.encode() + b"\0") for key, text in notes.tags.items() if key in _INFO)
        chunks[b"LISTINFO"] = b"INFO" + b"".join(texts)
    return chunks


def _bext(notes: Notes, description: str, created: datetime, format: AudioFormat) -> bytes:
    mode = "mono" if format.channels == 1 else "stereo"
    history = notes.coding_history + f"A=PCM,F={format.sample_rate},W={format.bits},M={mode},T=stems\r\n"
    history += "\0" * (len(history) % 2)
    return _BEXT.pack(
        description.encode("ascii", "replace"),
        b"stems",
        b"",
        created.strftime("%Y-%m-%d").encode(),
        created.strftime("%H:%M:%S").encode(),
        notes.start & 0xFFFF_FFFF,
        notes.start >> 32,
        1,
        b"",
        b"",
        b"",
    ) + history.encode("ascii", "replace")


def _parse_bext(content: bytes) -> tuple[int, str]:
    if not content:
        return 0, ""
    low, high = _BEXT.unpack_from(content)[5:7]
    history = text_of(content[_BEXT.size :])
    return (high << 32) + low, history + "\r\n" if history else ""


def _parse_acid(content: bytes) -> tuple[float | None, tuple[int, int] | None]:
    if not content:
        return None, None
    kind, _, _, _, _, lower, upper, tempo_bpm = _ACID.unpack_from(content)
    if kind & _ONE_SHOT or not LOWEST_BPM <= tempo_bpm <= HIGHEST_BPM:
        return None, None
    return round(tempo_bpm, 4), (upper, lower) if upper and lower else None


def _cue(markers: tuple[Marker, ...]) -> tuple[bytes, bytes]:
    points, labels = struct.pack("<I", len(markers)), b"adtl"
    for number, marker in enumerate(markers, start=1):
        points += struct.pack("<II4sIII", number, marker.position, b"data", 0, 0, marker.position)
        labels += packed(b"labl", struct.pack("<I", number) + marker.name.encode() + b"\0")
        if marker.length:
            labels += packed(b"ltxt", struct.pack("<II4s8x", number, marker.length, b"rgn "))
    return points, labels


def _parse_markers(cue: bytes, adtl: bytes) -> tuple[Marker, ...]:
    names, lengths = {}, {}
    for key, content in sub_chunks(adtl):
        if key == b"labl" and len(content) > 4:
            names[content[:4]] = text_of(content[4:])
        elif key == b"ltxt" and len(content) >= 8:
            lengths[content[:4]] = struct.unpack_from("<I", content, 4)[0]
    points = [cue[offset : offset + 24] for offset in range(4, len(cue) - 23, 24)]
    markers = [
        Marker(names.get(point[:4], ""), struct.unpack_from("<I", point, 20)[0], lengths.get(point[:4], 0))
        for point in points
    ]
    return tuple(sorted(markers, key=lambda marker: marker.position))


def _parse_info(content: bytes) -> dict[str, str]:
    texts = dict(sub_chunks(content))
    return {key: text_of(texts[code]) for key, code in _INFO.items() if text_of(texts.get(code, b""))}
