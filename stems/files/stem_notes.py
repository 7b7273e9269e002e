"""What each stem's file tells beside its audio: chunks of a wav, tags and a picture of every other format."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

from mutagen import MutagenError
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.flac import Picture as FlacPicture
from mutagen.id3 import APIC, COMM, ID3, TALB, TBPM, TCON, TDRC, TIT2, TPE1
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from stems.files.broadcast_wav import Notes, chunks_for
from stems.files.formats import AudioFormat
from stems.files.riff import Extract

_ID3: dict[str, Any] = {"title": TIT2, "artist": TPE1, "album": TALB, "year": TDRC, "genre": TCON, "tempo": TBPM}
_MP4 = {
    "title": "\xa9nam",
    "artist": "\xa9ART",
    "album": "\xa9alb",
    "year": "\xa9day",
    "genre": "\xa9gen",
    "comment": "\xa9cmt",
}
_VORBIS = {"year": "date", "tempo": "bpm"}
_FRONT_COVER = 3


class StemNotes:
    """Notes of a song as its stems tell them, the title with the stem's name.

    Args:
        notes: of the song.
        track: what the song's files are called by.
        format: of the stems.
        samples: length of each.
    """

    def __init__(self, notes: Notes, track: str, format: AudioFormat, samples: int) -> None:
        self.notes, self.track, self.format, self.samples = notes, track, format, samples
        self._large = dict(notes.large)

    def chunks(self, stem: str) -> Mapping[bytes, bytes | Extract]:
        """Those of its wav, see `WavFile`; the first stem that asks gets what is too large for all of them."""
        once = {key: self._large.pop(key) for key in list(self._large)}
        texts = {key: text for key, text in self._texts(stem).items() if key != "tempo"} if self.notes.tags else {}
        notes = replace(self.notes, tags=texts)
        made = chunks_for(notes, self.format, self.samples, f"{stem} of {self.track}")
        if self.notes.picture and not {b"id3 ", b"ID3 "} & (made.keys() | once.keys()):
            made[b"id3 "] = self._id3(self._texts(stem))
        return {**made, **once}

    def tag(self, stem: str, path: Path) -> None:
        """Tags a finished file that is no wav.

        Raises:
            OSError: the disk is full.
        """
        texts = self._texts(stem)
        if texts and self.format.container != "wav":
            try:
                self._tag(path, texts)
            except MutagenError as error:
                raise OSError(str(error)) from error

    def _tag(self, path: Path, texts: Mapping[str, str]) -> None:
        container = self.format.container
        if container == "mp3":
            ID3(BytesIO(self._id3(texts))).save(path)
        elif container == "aiff":
            aiff = AIFF(path)
            aiff.add_tags()
            tags: Any = aiff.tags
            for frame in ID3(BytesIO(self._id3(texts))).values():
                tags.add(frame)
            aiff.save()
        elif container in ("m4a", "alac"):
            self._tag_mp4(path, texts)
        else:
            self._tag_vorbis(path, texts)

    def _texts(self, stem: str) -> dict[str, str]:
        texts = dict(self.notes.tags)
        if self.notes.tempo_bpm:
            texts["tempo"] = f"{self.notes.tempo_bpm:g}"
        if texts or self.notes.picture:
            texts["title"] = f"{texts.get('title', self.track)} ({stem})"
        return texts

    def _id3(self, texts: Mapping[str, str]) -> bytes:
        tags, content = ID3(), BytesIO()
        for key, text in texts.items():
            if key in _ID3:
                tags.add(_ID3[key](encoding=3, text=text))
            elif key == "comment":
                tags.add(COMM(encoding=3, lang="eng", desc="", text=text))
        if self.notes.picture:
            mime, data = self.notes.picture
            tags.add(APIC(encoding=3, mime=mime, type=_FRONT_COVER, desc="", data=data))
        tags.save(content)
        return content.getvalue()

    def _tag_mp4(self, path: Path, texts: Mapping[str, str]) -> None:
        file = MP4(path)
        for key, text in texts.items():
            if key in _MP4:
                file[_MP4[key]] = [text]
        if self.notes.tempo_bpm:
            file["tmpo"] = [round(self.notes.tempo_bpm)]
        if self.notes.picture:
            mime, data = self.notes.picture
            kind = MP4Cover.FORMAT_PNG if mime == "image/png" else MP4Cover.FORMAT_JPEG
            file["covr"] = [MP4Cover(data, kind)]
        file.save()

    def _tag_vorbis(self, path: Path, texts: Mapping[str, str]) -> None:
        kinds: dict[str, Any] = {"flac": FLAC, "ogg": OggVorbis, "opus": OggOpus}
        file = kinds[self.format.container](path)
        for key, text in texts.items():
            file[_VORBIS.get(key, key)] = [text]
        if self.notes.picture:
            picture = FlacPicture()
            picture.type = _FRONT_COVER
            picture.mime, picture.data = self.notes.picture
            if isinstance(file, FLAC):
                file.add_picture(picture)
            else:
                file["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
        file.save()
