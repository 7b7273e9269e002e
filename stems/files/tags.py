"""A song's own tags, whatever its container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stems.files.broadcast_wav import Notes, read_notes
from stems.files.riff import is_wav

# The first key that a family of tags knows counts.
_KEYS = {
    "title": ("TIT2", "\xa9nam", "title"),
    "artist": ("TPE1", "\xa9ART", "artist"),
    "album": ("TALB", "\xa9alb", "album"),
    "year": ("TDRC", "\xa9day", "date", "year"),
    "genre": ("TCON", "\xa9gen", "genre"),
    "comment": ("COMM::eng", "COMM::XXX", "\xa9cmt", "comment", "description"),
    "tempo": ("TBPM", "tmpo", "bpm", "tempo"),
}


def song_notes(path: Path) -> Notes:
    """Return what a song's file says beside its audio.

    A wav tells its position, markers, tempo and text in its chunks; other containers, and wavs tagged by a music
    library, tell tempo and text in ID3, MP4 or Vorbis tags. A file without tags gives empty notes.

    Raises:
        ExportError: the file cannot be read.
    """
    notes = read_notes(path) if is_wav(path) else Notes()
    texts = _texts(path)
    tempo_bpm = notes.tempo_bpm or _tempo(texts.pop("tempo", ""))
    return replace(notes, tempo_bpm=tempo_bpm, tags={**texts, **notes.tags})


def _texts(path: Path) -> dict[str, str]:
    import mutagen

    try:
        tags: Mapping[str, Any] = dict(getattr(mutagen.File(path), "tags", None) or {})
    except mutagen.MutagenError:  # damaged tags are no reason to refuse a song whose audio is sound
        return {}
    texts = {}
    for name, keys in _KEYS.items():
        found = next((tags[key] for key in keys if key in tags), None)
        value = getattr(found, "text", found)
        first = value[0] if isinstance(value, list) and value else value
        if first not in (None, "", []):
            texts[name] = str(first)
    return texts


def _tempo(text: str) -> float | None:
    try:
        tempo_bpm = float(text.replace(",", "."))
    except ValueError:
        return None
    return tempo_bpm if 1 <= tempo_bpm <= 1000 else None  # 0 is how some libraries write "not known"
