from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from stems.cli.export import export as export_command
from stems.cli.plugin import reaper as reaper_command
from stems.cli.watch import watch as watch_command
from stems.daw import FORMATS, export, formats_named
from stems.daw.session import session_in
from stems.errors import ExportError, OptionError, StemsError
from stems.files.destination import LONGEST_NAME, file_name, whole


def run(command: Callable[..., None], *words: object) -> str:
    """Run a command as `stems` does and return what it says; errors of ours come out as themselves."""
    app = typer.Typer()
    app.command()(command)
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, StemsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_formats_are_found_by_name() -> None:
    assert [format.name for format in formats_named("reaper, DAWproject,reaper")] == ["reaper", "dawproject"]
    with pytest.raises(OptionError, match=r"'tape'.*dawproject, reaper"):
        formats_named("reaper,tape")


def test_the_list_of_formats_is_light() -> None:
    heavy = ["torch", "pedalboard", "soundfile", "mutagen", "numpy"]
    modules = "stems.daw, stems.cli.export, stems.cli.plugin, stems.cli.watch"
    code = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


@pytest.mark.parametrize("name", FORMATS)
def test_a_failed_export_leaves_no_trace(
    make_split: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    session = session_in(make_split().folder)
    folder = tmp_path / "out"
    (destination,) = export(session, folder, [FORMATS[name]])
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(ExportError, match="No space left"):
        export(session, folder, [FORMATS[name]], overwrite=True)
    assert sorted(folder.rglob("*")) == before
    assert destination.exists()


@pytest.mark.parametrize("name", FORMATS)
def test_earlier_exports_are_replaced_only_when_told(make_split: Callable, tmp_path: Path, name: str) -> None:
    session = session_in(make_split().folder)
    (destination,) = export(session, tmp_path / "out", [FORMATS[name]])
    with pytest.raises(ExportError, match="--overwrite"):
        export(session, tmp_path / "out", [FORMATS[name]])
    assert export(session, tmp_path / "out", [FORMATS[name]], overwrite=True) == [destination]


@pytest.mark.parametrize("fault", ["rate", "audio", "there"])
def test_a_folder_that_cannot_be_exported_does_not_stop_the_others(
    make_split: Callable, stems: Callable, fault: str
) -> None:
    for song in ("one", "three", "two"):
        library = make_split(song=song).folder.parent
    if fault == "rate":
        soundfile.write(library / "three" / "bass.wav", np.zeros((100, 2)), 22_050)
    elif fault == "audio":
        (library / "three" / "bass.wav").write_bytes(b"no audio")
    else:
        (library / "three" / "three.dawproject").touch()
    code, _, complaints = stems("export", library)
    assert code == 1 and complaints.count("\n") == 1 and "three" in complaints
    assert (library / "one" / "one.dawproject").exists() and (library / "two" / "two.dawproject").exists()
    code, said, complaints = stems("export", library, "--to", "reaper,dawproject", "--json")  # now all are there
    rows = [json.loads(line) for line in said.splitlines()]
    assert code == 1 and [row["status"] for row in rows] == ["failed"] * 3
    assert [row["error"] for row in rows] == [line.removeprefix("stems: ") for line in complaints.splitlines()]


@pytest.mark.parametrize("name", FORMATS)
def test_exports_are_the_same_every_time(make_split: Callable, tmp_path: Path, name: str) -> None:
    split = make_split()
    os.utime(split.song, (0, 0))  # before 1980, where zip begins
    found = []
    for _ in range(2):
        export(session_in(split.folder, split.song), tmp_path / "out", [FORMATS[name]], overwrite=True)
        found.append({path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()})
    assert found[0] == found[1]


@pytest.mark.parametrize("name", FORMATS)
def test_songs_with_the_longest_names_can_be_exported(make_split: Callable, name: str) -> None:
    split = make_split(song="ä" * 127 + "x")
    (destination,) = export(session_in(split.folder), split.folder, [FORMATS[name]])
    assert len(destination.name.encode()) <= LONGEST_NAME
    assert destination.exists()


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b:c", "CON", "nul.x", "..", "", "trailing. ", "\x00\x1f", "\udcff", "é" * 300]
)
def test_file_names_are_safe(name: str) -> None:
    found = file_name(name, ".wav")
    assert found.endswith(".wav")
    assert 4 < len(found.encode()) <= LONGEST_NAME
    assert not set(found) & set('<>:"/\\|?*\0')
    assert found.split(".")[0].upper() not in ("", "CON", "NUL")


def test_suffixes_are_names_too() -> None:
    assert file_name("song", ".\1\x1b/w") == "song.___w"


def test_ordinary_names_stay() -> None:
    for name in ("Song", "It's “ours” & yours", "50% - été 🎵", "a.b.c", "Kick", "kick"):
        assert file_name(name, ".rpp") == name + ".rpp"


def test_a_block_that_raises_leaves_what_was_there(tmp_path: Path) -> None:
    destination = tmp_path / "file"
    destination.write_text("old")
    with pytest.raises(KeyboardInterrupt), whole(destination) as unfinished:
        unfinished.write_text("new")
        raise KeyboardInterrupt
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_places_that_cannot_be_written_are_named(make_split: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for format in FORMATS.values():
        with pytest.raises(ExportError, match="cannot be written"):
            export(session_in(make_split(song=format.name).folder), tmp_path / "file" / "folder", [format])


class TestExportCommand:
    def test_one_song(self, make_split: Callable) -> None:
        split = make_split()
        said = run(export_command, split.folder, "--to", ",".join(FORMATS), "--song", split.song, "--bpm", "98.5")
        for format in FORMATS.values():
            destination = split.folder / f"song{format.suffix}"
            assert destination.exists()
            assert destination.name in said.replace("\n", "")
        assert "TEMPO 98.5 4 4" in (split.folder / "song.rpp").read_text()
        assert "MUTESOLO 1" in (split.folder / "song.rpp").read_text()

    def test_a_folder_of_songs(self, make_split: Callable, tmp_path: Path) -> None:
        folders = [make_split(song=song).folder for song in ("one", "two")]
        run(export_command, folders[0].parent, "--to", "reaper", "--meter", "7/8", "--bpm", "90")
        for folder in folders:
            assert "TEMPO 90.0 7 8" in (folder / f"{folder.name}.rpp").read_text()
        with pytest.raises(OptionError, match="--song"):
            run(export_command, folders[0].parent, "--song", tmp_path / "original.wav")

    def test_another_place(self, make_split: Callable, tmp_path: Path) -> None:
        run(export_command, make_split().folder, "--to", "reaper", "--out", tmp_path / "projects")
        assert [path.name for path in (tmp_path / "projects").iterdir()] == ["song.rpp"]

    @pytest.mark.parametrize("place", ["song.wav", "Songs/song.wav", "Songs/album/song.wav"])
    def test_the_song_of_an_earlier_split_is_found(self, make_split: Callable, tmp_path: Path, place: str) -> None:
        split = make_split(song="album/song" if "album" in place else "song")
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        split.song.rename(path)
        line = json.loads(run(export_command, split.folder, "--to", "reaper", "--json"))
        project = str(split.folder / "song.rpp")
        assert line == {
            "folder": str(split.folder), "status": "done", "song": str(path), "exports": [project], "left_out": {},
        }  # fmt: skip
        assert "MUTESOLO 1" in Path(project).read_text()

    @pytest.mark.parametrize("change", ["other", "longer", "gone"])
    def test_what_is_left_out_is_said(self, make_split: Callable, tmp_path: Path, change: str) -> None:
        split = make_split()
        audio, rate = soundfile.read(split.song)
        if change != "gone":
            audio = audio[::-1] if change == "other" else np.concatenate([audio, audio])
            soundfile.write(tmp_path / "song.wav", audio, rate, subtype="PCM_24")
        (split.folder / "guitar.webm").write_bytes(b"a video")
        said = run(export_command, split.folder, "--to", "reaper")
        assert "without mixture: the song was not found; --song FILE" in said
        assert "without guitar.webm: projects cannot hold this format" in said
        line = json.loads(run(export_command, split.folder, "--to", "reaper", "--json", "--overwrite"))
        assert set(line["left_out"]) == {"mixture", "guitar.webm"}
        assert line["song"] is None
        assert "MUTESOLO 1" not in (split.folder / "song.rpp").read_text()

    @pytest.mark.parametrize("place", ["--song", "mixture"])
    def test_stems_that_do_not_sound_in_the_song_are_said_to(
        self, make_split: Callable, tmp_path: Path, place: str
    ) -> None:
        split = make_split()
        audio, rate = soundfile.read(split.song)
        noise = np.random.default_rng(0).normal(0, audio.std(), audio.shape)
        for mixed, belongs in ((audio + 2 * noise, True), (noise, False)):
            song = tmp_path / "another.wav" if place == "--song" else split.folder / "mixture.wav"
            soundfile.write(song, mixed, rate, subtype="FLOAT")
            given = ("--song", song) if place == "--song" else ()
            line = json.loads(run(export_command, split.folder, "--to", "reaper", *given, "--json", "--overwrite"))
            assert line["song"] == str(song)
            assert ("do not sound in" in line.get("note", "")) is not belongs

    @pytest.mark.parametrize("suffix", [".wav", ".flac"])
    def test_sums_beside_the_stems_are_left_out_and_named(self, make_split: Callable, suffix: str) -> None:
        split = make_split(suffix=suffix)
        karaoke = split.stems["drums"] + split.stems["bass"] + split.stems["other"]
        for name, audio in (("karaoke", karaoke), ("melody", karaoke), ("remix", sum(split.stems.values()) * 0.7)):
            soundfile.write(split.folder / f"{name}{suffix}", audio, split.rate, subtype="PCM_24")
        line = json.loads(run(export_command, split.folder, "--to", "reaper", "--song", split.song, "--json"))
        assert line["left_out"] == dict.fromkeys(("karaoke", "remix"), "a sum of other stems there")
        project = (split.folder / "song.rpp").read_text()
        assert "drums" in project and "melody" in project  # which only has the name of a sum
        assert "karaoke" not in project and "remix" not in project

    @pytest.mark.parametrize("subtype", ["FLOAT", "PCM_24"])
    def test_a_song_above_full_scale_is_found(self, make_split: Callable, tmp_path: Path, subtype: str) -> None:
        split = make_split()
        total = 20 * sum(split.stems.values())
        assert np.abs(total).max() > 1.2
        soundfile.write(tmp_path / "song.wav", total, split.rate, subtype="FLOAT")
        parts = {name: 20 * audio for name, audio in split.stems.items()}
        if subtype != "FLOAT":  # then the stems of a song that is clipped add up to what is left of it
            parts["drums"] += np.clip(total, -1, 1) - total
        for name, audio in parts.items():
            soundfile.write(split.folder / f"{name}.wav", audio, split.rate, subtype="FLOAT")
        assert json.loads(run(export_command, split.folder, "--json"))["song"] == str(tmp_path / "song.wav")

    @pytest.mark.parametrize("meter", ["4", "4/5", "0/4", "a/b", "4/4/4", "-3/4"])
    def test_what_is_no_time_signature_is_refused(self, make_split: Callable, meter: str) -> None:
        with pytest.raises(OptionError, match="time signature"):
            run(export_command, make_split().folder, f"--meter={meter}")

    def test_a_missing_folder_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(ExportError, match="missing"):
            run(export_command, tmp_path / "missing")


class TestPluginCommand:
    def test_the_script_is_written(self, tmp_path: Path) -> None:
        said = run(reaper_command, "--out", tmp_path / "scripts")
        (script,) = (tmp_path / "scripts").iterdir()
        assert script.suffix == ".lua"
        assert script.name in said.replace("\n", "")

    def test_reaper_finds_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / ".config" / "REAPER").mkdir(parents=True)
        run(reaper_command)
        assert len(list((tmp_path / ".config" / "REAPER" / "Scripts").glob("*.lua"))) == 1


def test_watching_splits_for_daws_what_comes_until_it_is_stopped(
    make_split: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import stems.separator
    from stems.batch import split as split_module
    from stems.batch.plan import Settings, Task

    split = make_split()
    watched = tmp_path / "watched"
    watched.mkdir()
    song = split.song.rename(watched / "song.wav")
    (watched / "song.flac").write_bytes(b"another one of the same name")
    os.utime(watched / "song.flac", (2e9, 2e9))
    tasks = []

    def split_song(task: Task, settings: Settings, separator: object) -> split_module.Result:
        tasks.append((task.song, task.track, settings.out, settings.daw, settings.bpm))
        if len(tasks) == 2:
            return split_module.Result(task.song, "failed", error="no audio in it")
        if len(tasks) == 3:
            raise KeyboardInterrupt  # as Ctrl-C does
        (watched / "third.mp3").write_bytes(b"more")
        os.utime(watched / "third.mp3", (3e9, 3e9))
        return split_module.Result(task.song, outputs={name: split.folder / f"{name}.wav" for name in split.stems})

    monkeypatch.setattr(stems.separator, "Separator", lambda *_, **__: None)
    import stems.batch.workers  # which imports what is replaced here, and would keep it

    monkeypatch.setattr(split_module, "split_song", split_song)
    watch_command(watched, daw="reaper", settle=0, bpm="98.5")
    assert tasks == [
        (song, "song.wav", watched / "separated", ("reaper",), 98.5),
        (watched / "song.flac", "song.flac", watched / "separated", ("reaper",), 98.5),
        (watched / "third.mp3", "third", watched / "separated", ("reaper",), 98.5),
    ]
    said = capsys.readouterr()
    assert "Stopped" in said.out
    assert "song.flac: no audio in it" in said.err
    assert list(json.loads((watched / ".stems-watch.json").read_text())["done"]) == ["song.wav"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("ableton", "Ableton Live takes stems as they are"), ("Pro-Tools", "Pro Tools"), ("Logic Pro", "Logic Pro"),
     ("fl-studio", "drag the wav files"), ("repaer", "did you mean 'reaper'"), ("tape", "choose from dawproject")],
)  # fmt: skip
def test_a_daw_without_a_format_says_what_to_do(name: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        formats_named(name)
