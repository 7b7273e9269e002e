"""Tags and the picture of a song reach stems of every format, whatever format the song has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from mutagen.apev2 import BINARY, APEv2, APEValue
from mutagen.asf import ASF

from stems.files.audio import open_song
from stems.files.broadcast_wav import Notes
from stems.files.formats import WRITABLE_CONTAINERS, AudioFormat, output_format
from stems.files.stem_notes import StemNotes
from stems.files.tags import song_notes
from stems.files.writing import StemFiles

TAGS = {"title": "Für “Élise”", "artist": "A & B", "album": "One", "year": "2019", "genre": "Folk", "comment": "Hm."}
PICTURES = [("image/png", b"\x89PNG\r\n" + bytes(5_000)), ("image/jpeg", b"\xff\xd8" + bytes(70_001)), None]


def written(path: Path, format: AudioFormat, notes: Notes, samples: np.ndarray) -> Path:
    with StemFiles({"drums": path}, format, samples.shape[1], StemNotes(notes, "song", format, 20_000)) as files:
        files.write(samples, {"drums": samples})
    return path


@pytest.mark.parametrize("picture", PICTURES, ids=["png", "jpeg", "none"])
@pytest.mark.parametrize("container", WRITABLE_CONTAINERS)
def test_tags_and_picture_come_back_and_the_sound_stays(
    tmp_path: Path, container: str, picture: tuple[str, bytes] | None
) -> None:
    format = output_format(AudioFormat("wav", "int16", 48_000, 2), container)
    samples = np.random.default_rng(0).integers(-(2**14), 2**14, (2, 20_000)) / 2**15
    notes = Notes(tempo_bpm=98, tags=TAGS, picture=picture)
    plain = written(tmp_path / f"plain{format.suffix}", format, Notes(), samples)
    tagged = written(tmp_path / f"tagged{format.suffix}", format, notes, samples)
    found = song_notes(tagged)
    assert found.tags == {**TAGS, "title": f"{TAGS['title']} (drums)"}
    assert found.picture == picture
    assert found.tempo_bpm == 98
    with open_song(plain) as one, open_song(tagged) as other:
        assert one.samples == other.samples == 20_000
        assert np.array_equal(one.read_exact(0, 20_000), other.read_exact(0, 20_000))


@pytest.mark.parametrize("spelled", [str.title, str.upper, str.lower])
def test_tags_of_wavpack_are_found_in_any_case(tmp_path: Path, spelled: Callable[[str], str]) -> None:
    path = encoded(tmp_path / "song.wv", "wavpack")
    tags = APEv2()
    for key, text in {**TAGS, "bpm": "98"}.items():
        tags[spelled(key)] = text
    tags["Cover Art (Front)"] = APEValue(b"front.png\0" + PICTURES[0][1], BINARY)
    tags.save(path)
    found = song_notes(path)
    assert (found.tags, found.tempo_bpm, found.picture) == (TAGS, 98, PICTURES[0])
    tags["Artist"] = ["A", "B"]
    tags.save(path)
    assert song_notes(path).tags["artist"] == "A"


def test_tags_of_windows_media_are_found(tmp_path: Path) -> None:
    path = encoded(tmp_path / "song.wma", "wmav2")
    names = ("Title", "Author", "WM/AlbumTitle", "WM/Year", "WM/Genre", "Description")
    file = ASF(path)
    file.update(dict(zip(names, TAGS.values(), strict=True)) | {"WM/BeatsPerMinute": "98"})
    file.save()
    assert (song_notes(path).tags, song_notes(path).tempo_bpm) == (TAGS, 98)


def encoded(path: Path, codec: str) -> Path:
    """A short song that we read and do not write."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=44_100, layout="stereo")
        stream.codec_context.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 2_048), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 44_100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("container", WRITABLE_CONTAINERS)
def test_a_song_without_tags_gives_stems_without(tmp_path: Path, container: str) -> None:
    format = output_format(AudioFormat("wav", "int16", 48_000, 2), container)
    path = written(tmp_path / f"stem{format.suffix}", format, Notes(), np.zeros((2, 1_000)))
    assert song_notes(path).tags == {}
