"""What a split hands on: notes in its wavs, and projects beside them."""

import numpy as np
import pytest
import soundfile
from split_songs import add_notes

from stems.batch.plan import Settings, plan
from stems.batch.presets import load_preset
from stems.batch.split import split_song
from stems.daw.session import Marker
from stems.files.broadcast_wav import Notes, read_notes
from stems.separator import Separator


@pytest.fixture
def song(tmp_path, music):
    audio, rate = music
    path = tmp_path / "take 1.wav"
    soundfile.write(path, audio[:, : 3 * rate].T, rate, subtype="PCM_24")
    notes = Notes(start=480000, tempo_bpm=108.0, markers=(Marker("chorus", rate),))
    add_notes(path, notes)
    return path


def split(song, tmp_path, small_model, **changes):
    settings = Settings(load_preset("stems"), tmp_path / "out", **changes)
    (task,) = plan([song], settings)
    return split_song(task, settings, Separator(small_model))


def test_stems_carry_the_notes_of_the_song_and_still_add_up(song, tmp_path, small_model):
    result = split(song, tmp_path, small_model)
    assert result.status == "done", result.error
    before = read_notes(song)
    for path in result.outputs.values():
        notes = read_notes(path)
        assert notes.start == 480000
        assert notes.tempo_bpm == pytest.approx(108)
        assert notes.markers == before.markers
    mixture = soundfile.read(song, dtype="int32")[0]
    total = sum(soundfile.read(path, dtype="int32")[0].astype(np.int64) for path in result.outputs.values())
    np.testing.assert_array_equal(total, mixture)


def test_projects_are_written_beside_the_stems_and_made_up_for_later(song, tmp_path, small_model):
    first = split(song, tmp_path, small_model, daw=("reaper",))
    assert [path.suffix for path in first.exports] == [".rpp"]
    written = first.exports[0].stat().st_mtime_ns
    later = split(song, tmp_path, small_model, daw=("reaper", "dawproject"))
    assert later.status == "skipped"
    assert [path.suffix for path in later.exports] == [".dawproject"]
    assert first.exports[0].stat().st_mtime_ns == written
    assert split(song, tmp_path, small_model, daw=("reaper", "dawproject")).exports == []


def test_stems_that_no_project_holds_are_refused_before_the_work(song, tmp_path, small_model):
    result = split(song, tmp_path, small_model, daw=("reaper",), container="opus")
    assert result.status == "failed"
    assert "44100 Hz" in result.error and "48000 Hz" in result.error and "--format" in result.error
    assert not (tmp_path / "out").exists()
    audio, _ = soundfile.read(song)
    soundfile.write(song, audio[:48_000], 48_000, subtype="PCM_24")
    assert split(song, tmp_path, small_model, daw=("reaper",), container="opus").status == "done"


def test_nothing_is_left_where_the_notes_cannot_be_added(song, tmp_path, small_model, monkeypatch):
    from stems.errors import ExportError

    def refuse(*_: object, **__: object) -> None:
        raise ExportError("no room for notes")

    monkeypatch.setattr("stems.files.stem_notes.chunks_for", refuse)
    result = split(song, tmp_path, small_model)
    assert result.status == "failed" and result.error == "no room for notes"
    assert not (tmp_path / "out").exists()
