"""A song's own tags, whatever its container."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from stems.files.broadcast_wav import LARGEST_CHUNK, Notes, read_notes
from stems.files.riff import is_wav
from stems.limits import HIGHEST_BPM, LOWEST_BPM

_FLAC_PICTURES = "\0pictures"  # no key of any tags
_MP4_MEDIA = {13: "image/jpeg", 14: "image/png"}

# The first key that a family of tags knows counts.
_KEYS = {
    "title": ("TIT2", "\xa9nam", "title", "Title"),
    "artist": ("TPE1", "\xa9ART", "artist", "Author"),
    "album": ("TALB", "\xa9alb", "album", "WM/AlbumTitle"),
    "year": ("TDRC", "\xa9day", "date", "year", "WM/Year"),
    "genre": ("TCON", "\xa9gen", "genre", "WM/Genre"),
    "comment": ("COMM::eng", "COMM::XXX", "\xa9cmt", "comment", "description", "Description"),
    "tempo": ("TBPM", "tmpo", "bpm", "tempo", "WM/BeatsPerMinute"),
}


def song_notes(path: Path) -> Notes:
    """Return what a song's file says beside its audio.

    A wav tells its position, markers, tempo and text in its chunks; other containers, and wavs tagged by a music
    library, tell tempo and text in ID3, MP4, Vorbis, APE or ASF tags. A file without tags gives empty notes.

    Raises:
        ExportError: the file cannot be read.
    """
    notes = read_notes(path) if is_wav(path) else Notes()
    tags = _tags(path)
    texts = _texts(tags)
    tempo = texts.pop("tempo", "")
    tempo_bpm = notes.tempo_bpm or _tempo(tempo)
    return replace(notes, tempo_bpm=tempo_bpm, tags={**texts, **notes.tags}, picture=_picture(tags))


def _tags(path: Path) -> Mapping[str, Any]:
    import mutagen
    from mutagen.apev2 import APEv2

    try:
        file = mutagen.File(path)
        tags: dict[str, Any] = dict(getattr(file, "tags", None) or {})
        if isinstance(getattr(file, "tags", None), APEv2):  # whose keys are written in any case
            tags = {key.lower(): value for key, value in tags.items()}
    except (mutagen.MutagenError, ValueError):  # damaged tags are no reason to refuse a song whose audio is sound
        return {}
    return tags | ({_FLAC_PICTURES: file.pictures} if getattr(file, "pictures", None) else {})


def _picture(tags: Mapping[str, Any]) -> tuple[str, bytes] | None:
    """The first picture, whatever the family of tags."""
    from mutagen.flac import Picture, error

    found: list[tuple[str, bytes]] = []
    for key, value in tags.items():
        if key.startswith("APIC"):
            found.append((value.mime, value.data))
        elif key == _FLAC_PICTURES:
            found += [(picture.mime, picture.data) for picture in value]
        elif key == "covr":
            found += [(_MP4_MEDIA.get(cover.imageformat, "image/jpeg"), bytes(cover)) for cover in value]
        elif key == "cover art (front)":  # of APE tags, behind its name
            data = bytes(getattr(value, "value", b"")).partition(b"\0")[2]
            found.append(("image/png" if data.startswith(b"\x89PNG") else "image/jpeg", data))
        elif key.lower() == "metadata_block_picture":
            for text in value:
                with suppress(ValueError, error):
                    picture = Picture(base64.b64decode(text))
                    found.append((picture.mime, picture.data))
    return next(((mime, data) for mime, data in found if 0 < len(data) <= LARGEST_CHUNK), None)


def _texts(tags: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for name, keys in _KEYS.items():
        found = next((tags[key] for key in keys if key in tags), None)
        value = getattr(found, "text", found)
        first = value[0] if isinstance(value, list) and value else value
        if first not in (None, "", []):
            texts[name] = str(first).split("\0")[0]  # which parts several values in APE tags
    return texts


def _tempo(text: str) -> float | None:
    try:
        tempo_bpm = float(text.replace(",", "."))
    except ValueError:
        return None
    return tempo_bpm if LOWEST_BPM <= tempo_bpm <= HIGHEST_BPM else None  # 0 is how some libraries write "not known"
