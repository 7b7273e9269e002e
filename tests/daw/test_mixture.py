"""Projects of songs that DAWs do not read, of passages, and of songs that move with them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stems.daw import FORMATS, NotAllExported, export, formats_named
from stems.daw.session import session_in, session_of
from stems.errors import ExportError
from stems.files.audio import Reading, open_song
from stems.files.formats import AudioFormat
from stems.files.writing import StemFiles


def whole(path: Path) -> np.ndarray:
    with open_song(path) as song:
        return song.read_exact(0, song.samples)


def song_as(container: str, folder: Path, samples: np.ndarray, rate: int = 44_100) -> Path:
    """A song in a format that libsndfile or we write, of `(samples, channels)`."""
    if container in ("w64", "caf"):
        path = folder / f"song.{container}"
        soundfile.write(path, samples, rate, "PCM_24", format=container.upper())
        return path
    form = AudioFormat(container, "int24" if container == "alac" else "lossy", rate, samples.shape[1])
    path = folder / f"song{form.suffix}"
    with StemFiles({"song": path}, form, len(samples)) as files:
        files.write(samples.T, {"song": samples.T})
    return path


@pytest.mark.parametrize("container", ["w64", "caf", "alac", "m4a", "mp3"])
def test_the_mixture_of_every_project_is_a_file_that_daws_read_and_as_long_as_the_song(
    make_split: Callable, tmp_path: Path, container: str
) -> None:
    split = make_split()
    song = song_as(container, tmp_path, split.mixture)
    out = tmp_path / "out"
    written = export(session_in(split.folder, song), out, formats_named(list(FORMATS)))
    assert all(path.exists() for path in written)
    copy = out / "song mixture.wav"
    assert (copy in written) == copy.exists() == (container != "mp3")
    if copy.exists():
        np.testing.assert_allclose(whole(copy), whole(song), atol=2**-23)
    text = (out / "song.rpp").read_text()
    assert [float(line.split()[1]) for line in text.splitlines() if "LENGTH" in line] == [20_011 / 44_100] * 5
    assert ("song mixture.wav" if container != "mp3" else "song.mp3") in text


@pytest.mark.parametrize("container", ["w64", "mp3"])
def test_a_copied_song_lies_beside_its_project(make_split: Callable, tmp_path: Path, container: str) -> None:
    split = make_split()
    song = song_as(container, tmp_path, split.mixture)
    written = export(session_in(split.folder, song), split.folder, formats_named("reaper"), copy_song=True)
    copy = split.folder / f"song mixture{'.wav' if container == 'w64' else '.mp3'}"
    assert copy in written
    assert np.array_equal(whole(copy), whole(song))
    assert f'FILE "{copy.name}"' in (split.folder / "song.rpp").read_text()
    again = session_in(split.folder)
    assert again.mixture is not None
    assert again.mixture.path == copy
    assert len(again.tracks) == 4


def test_of_a_passage_the_project_holds_the_passage(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    song = tmp_path / "long.wav"
    soundfile.write(song, np.concatenate([np.zeros((4_410, 2)), split.mixture, np.zeros((500, 2))]), 44_100, "PCM_24")
    reading = Reading(begin=0.1, end=0.1 + 20_011 / 44_100)
    session = session_of({path.stem: path for path in split.folder.iterdir()}, "song", song, reading=reading)
    written = export(session, tmp_path / "out", formats_named("reaper,stem-mp4-alac"))
    assert np.array_equal(whole(tmp_path / "out" / "song mixture.wav"), split.mixture.T)
    np.testing.assert_allclose(whole(written[-1])[:, :20_011], split.mixture.T, atol=2**-22)


def test_a_format_that_fails_does_not_stop_the_others(make_split: Callable, tmp_path: Path) -> None:
    split = make_split(["drums", "bass", "other", "vocals", "piano"])
    session = session_in(split.folder, split.song)
    with pytest.raises(NotAllExported, match="piano") as failure:
        export(session, tmp_path / "out", formats_named("reaper,stem-mp4,dawproject"))
    assert failure.value.written == [tmp_path / "out" / "song.rpp", tmp_path / "out" / "song.dawproject"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["song.dawproject", "song.rpp"]


def test_a_song_that_cannot_be_read_leaves_nothing(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    session = session_in(split.folder, split.song)
    split.song.write_bytes(b"no longer audio")
    with pytest.raises(ExportError, match="is not audio"):
        export(session, tmp_path / "out", formats_named("reaper"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", list(FORMATS))
@pytest.mark.parametrize("gone", ["song", "stem"])
def test_a_file_that_was_deleted_meanwhile_is_named(make_split: Callable, tmp_path: Path, kind: str, gone: str) -> None:
    split = make_split()
    session = session_in(split.folder, split.song)
    path = split.song if gone == "song" else session.tracks[0].path
    path.unlink()
    if gone == "stem" and kind in ("reaper", "audacity"):  # which do not read them
        return
    with pytest.raises(ExportError) as failure:
        export(session, tmp_path / "out", [FORMATS[kind]])
    assert str(path) in str(failure.value)
    assert "choose another place" not in str(failure.value)


@pytest.mark.parametrize("kind", ["reaper", "dawproject", "ardour"])
def test_a_tempo_of_any_kind_of_number_is_written_alike(make_split: Callable, tmp_path: Path, kind: str) -> None:
    split = make_split()
    stems = {path.stem: path for path in split.folder.iterdir()}
    written = []
    for tempo_bpm in (120.5, np.float64(120.5), np.float32(120.5)):
        out = tmp_path / type(tempo_bpm).__name__
        (path,) = export(session_of(stems, "song", tempo_bpm=tempo_bpm), out, [FORMATS[kind]])
        if kind == "dawproject":
            written.append(zipfile.ZipFile(path).read("project.xml").decode())
        else:
            written.append((path / "song ardour.ardour" if kind == "ardour" else path).read_text())
    assert "120.5" in written[0]
    assert len(set(written)) == 1
