from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from split_songs import add_notes

from stems.daw.colours import PALETTE, colour_of
from stems.daw.session import session_in
from stems.errors import ExportError
from stems.files.broadcast_wav import Marker, Notes
from stems.files.tags import song_notes

NOTES = Notes(start=48_000, markers=(Marker("A", 5),), tempo_bpm=101.5, time_signature=(3, 4), tags={"title": "T"})


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (96_000, 6)])
def test_tracks_say_what_the_files_are(make_split: Callable, suffix: str, rate: int, channels: int) -> None:
    split = make_split(["vocals", "Zither", "drums", "other", "bass"], "My song", rate, channels, suffix=suffix)
    session = session_in(split.folder, split.song)
    assert session.name == "My song"
    assert [track.name for track in session.tracks] == ["drums", "bass", "other", "vocals", "Zither"]
    for track in session.all_tracks:
        assert (track.sample_rate, track.channels, track.length) == (rate, channels, 20_011)
    assert session.mixture is not None
    assert [track.muted for track in session.all_tracks] == [False] * 5 + [True]


def test_the_song_tells_position_markers_and_tempo(make_split: Callable) -> None:
    split = make_split()
    add_notes(split.song, NOTES)
    session = session_in(split.folder, split.song)
    found = (session.start, session.markers, session.tempo_bpm, session.time_signature, dict(session.tags))
    assert found == (48_000, NOTES.markers, 101.5, (3, 4), {"title": "T"})


def test_without_the_song_its_stems_tell(make_split: Callable) -> None:
    split = make_split()
    for name in split.stems:
        add_notes(split.folder / f"{name}.wav", NOTES)
    session = session_in(split.folder)
    assert (session.mixture, session.start, session.tempo_bpm) == (None, 48_000, 101.5)


def test_what_the_caller_says_wins_and_what_nobody_says_stays_unsaid(make_split: Callable) -> None:
    split = make_split()
    unsaid = session_in(split.folder, split.song)
    assert (unsaid.tempo_bpm, unsaid.time_signature, unsaid.markers, unsaid.start) == (None, None, (), 0)
    add_notes(split.song, NOTES)
    said = session_in(split.folder, split.song, tempo_bpm=90.0, time_signature=(7, 8))
    assert (said.tempo_bpm, said.time_signature) == (90.0, (7, 8))


def test_a_mixture_beside_the_stems_is_no_stem(make_split: Callable) -> None:
    split = make_split()
    split.song.rename(split.folder / "mixture.wav")
    session = session_in(split.folder)
    assert len(session.tracks) == 4
    assert session.mixture is not None
    assert session.mixture.path.name == "mixture.wav"


def test_text_that_no_project_can_hold_is_replaced(make_split: Callable) -> None:
    split = make_split(["a\nb\x07"])
    add_notes(split.song, replace(NOTES, markers=(Marker("x\ty", 1),)))
    session = session_in(split.folder, split.song)
    assert session.tracks[0].name == "a_b_"
    assert session.markers[0].name == "x_y"


@pytest.mark.parametrize("suffix", [".mp3", ".flac", ".ogg", ".wav"])
@pytest.mark.parametrize(("text", "tempo_bpm"), [("128", 128.0), ("97,5", 97.5), ("0", None), ("fast", None)])
def test_tags_of_every_container_are_read(tmp_path: Path, suffix: str, text: str, tempo_bpm: float | None) -> None:
    path = tmp_path / f"song{suffix}"
    soundfile.write(path, np.zeros((4_410, 2)), 44_100)
    file = mutagen.File(path)
    if file.tags is None:
        file.add_tags()
    if suffix in (".mp3", ".wav"):
        file.tags.add(mutagen.id3.TBPM(text=[text]))
        file.tags.add(mutagen.id3.TIT2(text=["Élan 🎵"]))
        file.tags.add(mutagen.id3.COMM(lang="eng", text=["nice"]))
    else:
        file.tags["bpm"], file.tags["title"], file.tags["comment"] = text, "Élan 🎵", "nice"
    file.save()
    notes = song_notes(path)
    assert notes.tempo_bpm == tempo_bpm
    assert notes.tags == {"title": "Élan 🎵", "comment": "nice"}


def test_stems_that_do_not_fit_together_are_refused(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    soundfile.write(tmp_path / "other rate.wav", np.zeros((100, 2)), 48_000)
    with pytest.raises(ExportError, match="48000 Hz"):
        session_in(split.folder, tmp_path / "other rate.wav")
    (split.folder / "bass.wav").write_bytes(b"RIFF")
    with pytest.raises(ExportError, match=r"bass\.wav"):
        session_in(split.folder)


def test_a_folder_without_stems_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("no audio")
    with pytest.raises(ExportError, match="holds no stems"):
        session_in(tmp_path)
    with pytest.raises(ExportError, match="Cannot read"):
        session_in(tmp_path / "missing")


def test_colours_are_distinct_and_stable() -> None:
    names = [*PALETTE, "guitar", "piano", "strings", "brass", "é🎵"]
    colours = [colour_of(name) for name in names]
    assert len(set(colours)) == len(names)
    assert colours == [colour_of(name) for name in names]
    assert all(len(colour) == 7 and int(colour[1:], 16) >= 0 for colour in colours)
