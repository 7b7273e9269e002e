"""Batches: which songs are found, where their stems go, and what a batch that was killed leaves behind."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stems.batch.plan import Settings, Task, check_format, check_name, check_settings, output_paths, plan
from stems.batch.presets import Preset, load_preset, only
from stems.batch.song_plan import HINTS_NOTE
from stems.batch.split import preview, split_song
from stems.errors import AudioError, OptionError
from stems.files.audio import Reading, open_song
from stems.files.coded import CodedFile
from stems.files.formats import WRITABLE_CONTAINERS, AudioFormat
from stems.files.unfinished import PARTIAL_SUFFIX
from stems.files.writing import StemFiles
from stems.hints import Hint, gather, own_stems
from stems.model import Model
from stems.sensitivity import Sensitivity
from stems.separator import Separator

NAMES = ("drums", "bass", "vocals", "other")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def separator(small_model: Model) -> Separator:
    return Separator(small_model)


def touch(*paths: str) -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def song(path: str | Path, seconds: float = 0.5, level: float = 0.3, rate: int = 8_000) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(0).uniform(-level, level, (int(seconds * rate), 2))
    soundfile.write(path, audio, rate, subtype="PCM_16")
    return path


def settings(**options: object) -> Settings:
    return replace(Settings(load_preset("stems")), **options)


def places(*inputs: str, **options: object) -> list[tuple[str, str]]:
    """Songs and where their stems go."""
    return [(str(task.song), str(task.folder / task.track)) for task in plan(inputs, settings(**options))]


def test_a_file_goes_to_a_folder_of_its_name(here: Path) -> None:
    touch("a/song.wav")
    assert places("a/song.wav") == [("a/song.wav", "song")]
    (task,) = plan(["a/song.wav"], settings())
    assert output_paths(task, settings(), "flac") == {name: Path(f"separated/song/{name}.flac") for name in NAMES}


def test_folders_keep_their_structure_and_give_only_songs(here: Path) -> None:
    touch("album/1.wav", "album/disc 2/2.FLAC", "album/disc 2/deep/3.mp3", "album/cover.jpg", "album/.hidden.wav")
    Path("album/folder.wav").mkdir()
    assert places("album") == [
        ("album/1.wav", "1"), ("album/disc 2/2.FLAC", "disc 2/2"), ("album/disc 2/deep/3.mp3", "disc 2/deep/3"),
    ]  # fmt: skip


def test_globs_keep_the_structure_below_the_folder_in_which_they_look(here: Path) -> None:
    touch("m/a/1.wav", "m/a/x/2.wav", "m/b/3.flac", "m/notes.txt")
    everything = [("m/a/1.wav", "a/1"), ("m/a/x/2.wav", "a/x/2"), ("m/b/3.flac", "b/3")]
    assert places("m/*") == everything
    assert places("m/**/*") == everything
    assert places("m/**/*.wav") == everything[:2]
    assert places("m/a/*.wav") == [("m/a/1.wav", "1")]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(here: Path) -> None:
    touch("song [live].wav", "song l.wav")
    assert places("song [live].wav") == [("song [live].wav", "song [live]")]


def test_the_output_folder_is_not_taken_as_input(here: Path) -> None:
    touch("1.wav", "separated/1/drums.wav", "m/2.wav", "m/out/2/drums.wav")
    for given in (".", "*", "**/*.wav", str(here)):
        assert [place for _, place in places(given, out=Path("separated")) if "drums" not in place] == ["1", "m/2"]
        assert len(places(given, out=Path("separated"))) == 3
    assert places("m", out=Path("m/out")) == [("m/2.wav", "2")]
    assert places("m/**/*.wav", out=here / "m" / "out") == [("m/2.wav", "2")]


def test_results_above_the_songs_do_not_hide_them(here: Path) -> None:
    touch("m/2.wav")
    assert places("m", out=Path(".")) == [("m/2.wav", "2")]
    assert places("m", out=here) == [("m/2.wav", "2")]


@pytest.mark.parametrize("given", ["m", "m/", "m/**/*.wav"])
def test_results_among_the_songs_are_refused(here: Path, given: str) -> None:
    touch("m/2.wav")
    with pytest.raises(OptionError, match="name another folder"):
        plan([given], settings(out=Path("m")))
    assert places("m/*.wav", out=Path("m")) == [("m/2.wav", "2")]


def test_songs_of_one_place_that_differ_in_their_suffix_keep_it(here: Path) -> None:
    touch("m/a.wav", "m/A.flac", "m/b.wav", "m/x/a.wav")
    assert places("m") == [("m/A.flac", "A.flac"), ("m/a.wav", "a.wav"), ("m/b.wav", "b"), ("m/x/a.wav", "x/a")]


def test_songs_of_one_name_from_different_folders_are_kept_apart(here: Path) -> None:
    touch("p/a/mix.wav", "p/b/mix.wav", "p/b/other.wav", "q/mix.flac")
    assert places("p/a/mix.wav", "p/b/mix.wav", "p/b/other.wav") == [
        ("p/a/mix.wav", "a/mix"), ("p/b/mix.wav", "b/mix"), ("p/b/other.wav", "b/other"),
    ]  # fmt: skip
    assert [place for _, place in places("p/a", "p/b", "q")] == ["p/a/mix", "p/b/mix", "p/b/other", "q/mix"]
    assert [place for _, place in places("p/a", "p/b/other.wav")] == ["mix", "other"]


def test_a_song_given_twice_is_split_once(here: Path) -> None:
    touch("m/a.wav")
    assert places("m/a.wav", "./m/a.wav", str(here / "m/a.wav"), "m", "m/*.wav") == [("m/a.wav", "a")]


def test_a_missing_file_is_left_to_fail_by_itself(here: Path) -> None:
    assert places("nosuch.wav") == [("nosuch.wav", "nosuch")]
    assert "nosuch.wav does not exist" in preview(plan(["nosuch.wav"], settings())[0], settings()).error


@pytest.mark.parametrize("given", ["empty", "*.wav", "empty/**"])
def test_inputs_without_songs_are_refused(here: Path, given: str) -> None:
    touch("empty/cover.jpg")
    with pytest.raises(OptionError, match="holds no songs"):
        plan([given], settings())


def test_names_that_write_two_songs_to_the_same_files_are_refused(here: Path) -> None:
    touch("a.wav", "b.wav", "m/c.wav")
    with pytest.raises(OptionError, match=r"a\.wav and b\.wav .* add {track} to --name"):
        plan(["a.wav", "b.wav"], settings(name="{stem}.{ext}"))
    assert len(plan(["a.wav"], settings(name="{stem}.{ext}"))) == 1


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{track}", r"must end in \.\{ext\}"),
        ("", r"must end in"),
        ("{track}/{stem}.wav", "must end in"),
        ("{track}.{ext}", r"add \{stem\}"),
        ("{artist}/{stem}.{ext}", r"has \{artist\}; it may have \{track\}, \{stem\} and \{ext\}"),
        ("{}/{stem}.{ext}", "it may have"),
        ("{track.name}/{stem}.{ext}", "it may have"),
        ("{track/{stem}.{ext}", "is not a pattern|it may have"),
        ("{track}}/{stem}.{ext}", "is not a pattern"),
        ("{track:d}/{stem}.{ext}", "is not a pattern"),
        ("/{track}/{stem}.{ext}", "leads out of the --out folder"),
        ("../{track}/{stem}.{ext}", "leads out of the --out folder"),
        ("a/../../{track}/{stem}.{ext}", "leads out of the --out folder"),
    ],
)
def test_impossible_names_are_refused(pattern: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        check_name(pattern, load_preset("stems"))


def test_possible_names() -> None:
    for pattern in ("{stem}.{ext}", "{ext}/{stem} of {track}.{ext}", "{track:.20}-{stem}.{ext}"):
        check_name(pattern, load_preset("stems"))
    check_name("{track}.{ext}", only(("vocals",)))
    for container, depth in ((None, None), (None, "float"), ("flac", "24"), ("mp3", None)):
        check_format(container, depth)
    for container, depth in (("flac", "float"), ("mp3", "16")):
        with pytest.raises(OptionError, match=f"{container} has no bit depth {depth}"):
            check_format(container, depth)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("preset", [load_preset("stems"), only(("vocals",)), load_preset("karaoke")])
def test_stems_add_up_to_what_the_file_holds(here: Path, separator: Separator, subtype: str, preset: Preset) -> None:
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, (9_000, 2))
    soundfile.write("a.wav", audio, 8_000, subtype=subtype)
    assert run(separator, "a.wav", preset=preset) == "done"
    kind = "float64" if subtype in ("FLOAT", "DOUBLE") else "int32"
    stems = [soundfile.read(path, dtype=kind)[0] for path in Path("separated/a").glob("*.wav")]
    assert len(stems) == len(preset.outputs)
    if preset.divides and set(preset.stems) == set(NAMES):
        missed = np.sum(stems, 0, dtype=np.float64) - soundfile.read("a.wav", dtype=kind)[0]
        assert np.abs(missed).max() <= (1e-6 if kind == "float64" else 0)


def run(separator: Separator, path: str, **options: object) -> str:
    (task,) = plan([path], settings(**options))
    return split_song(task, settings(**options), separator).status


def stamps(folder: str = "separated") -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def test_songs_that_are_finished_are_skipped_unless_told_otherwise(here: Path, separator: Separator) -> None:
    song("a.wav")
    task, usual = Task(Path("a.wav"), Path(), "a"), settings()
    assert preview(task, usual).status == "would split"
    assert not Path("separated").exists()
    assert run(separator, "a.wav") == "done"
    first = stamps()
    assert set(first) == {f"separated/a/{name}.wav" for name in NAMES}
    assert preview(task, usual).status == "would skip"
    assert preview(task, settings(overwrite=True)).status == "would split"
    assert run(separator, "a.wav") == "skipped"
    assert stamps() == first
    assert run(separator, "a.wav", overwrite=True) == "done"
    assert all(first[path] < stamp for path, stamp in stamps().items())


def test_a_song_that_is_newer_than_its_stems_is_skipped_with_a_word(here: Path, separator: Separator) -> None:
    song("a.wav")
    task, usual = Task(Path("a.wav"), Path(), "a"), settings()
    run(separator, "a.wav")
    assert split_song(task, usual, separator).note == preview(task, usual).note == ""
    later = Path("a.wav").stat().st_mtime + 60
    os.utime("a.wav", (later, later))
    result = split_song(task, usual, separator)
    assert (result.status, preview(task, usual).status) == ("skipped", "would skip")
    assert result.note == preview(task, usual).note == "The song is newer than its stems: --overwrite splits it again."


@pytest.mark.parametrize("preset", ["stems", "karaoke", "remix"])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
@pytest.mark.parametrize("is_in_place", [False, True])
def test_a_song_that_is_replaced_while_it_is_split_fails_and_is_split_the_next_time(
    here: Path, separator: Separator, preset: str, suffix: str, is_in_place: bool
) -> None:
    path, bounce = song(f"a{suffix}", 20), song(f"bounce{suffix}", 20, level=0.2)
    task, usual = plan([str(path)], settings(preset=load_preset(preset)))[0], settings(preset=load_preset(preset))

    def replaced(share: float, seconds: float) -> None:
        if share > 0.5 and bounce.exists():
            if is_in_place:
                path.write_bytes(bounce.read_bytes())
                bounce.unlink()
            else:
                bounce.replace(path)

    result = split_song(task, usual, separator, replaced)
    assert (result.status, result.error) == ("failed", f"{path} was changed while it was read: do it again.")
    assert not [found for found in here.rglob("*") if found.is_file() and found.name != path.name]
    result = split_song(task, usual, separator)
    assert result.status == "done"
    if preset == "stems":
        whole = sum(soundfile.read(out)[0] for out in result.outputs.values())
        np.testing.assert_allclose(whole, soundfile.read(path)[0], atol=1e-4)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_song_that_is_deleted_while_it_is_split_is_split_to_its_end_and_known_by_its_checksum(
    here: Path, separator: Separator, suffix: str
) -> None:
    path = song(f"a{suffix}", 2)
    known = hashlib.sha256(path.read_bytes()).hexdigest()
    result = split_song(
        Task(path, Path(), "a"),
        settings(measures=True),
        separator,
        lambda share, seconds: path.unlink(missing_ok=True) if share > 0.5 else None,
    )
    assert (result.status, result.error, result.checksum) == ("done", "", known)
    assert all(Path(str(out)).exists() for out in result.outputs.values())


def test_a_song_of_which_a_stem_is_missing_is_split_again(here: Path, separator: Separator) -> None:
    song("a.wav")
    run(separator, "a.wav")
    Path("separated/a/bass.wav").unlink()
    assert run(separator, "a.wav") == "done"
    assert Path("separated/a/bass.wav").exists()


def test_a_song_is_split_again_with_other_hints(here: Path, small_model: Model) -> None:
    song("a.wav", seconds=2)
    one, other = gather(["bass=0.2-1"], NAMES), gather(["guitar=0.2-1"], NAMES)

    def split(hints: tuple[Hint, ...], own: tuple[str, ...] = ()) -> str:
        options = {"hints": hints, "preset": load_preset("stems", own)}
        again = preview(Task(Path("a.wav"), Path(), "a"), settings(**options)).status
        status = run(Separator(small_model, hints=hints), "a.wav", **options)
        assert (again, status) in {("would split", "done"), ("would skip", "skipped")}
        return status

    assert split(()) == "done"
    assert not Path("separated/a/hints.toml").exists()
    assert split(one) == "done"
    assert gather(["separated/a/hints.toml"], NAMES) == one
    assert split(one) == "skipped"
    assert split(other, ("guitar",)) == "done"
    total = sum(soundfile.read(path, dtype="int16")[0].astype(int) for path in Path("separated/a").glob("*.wav"))
    assert len(list(Path("separated/a").glob("*.wav"))) == 5
    assert np.array_equal(total, soundfile.read("a.wav", dtype="int16")[0])
    assert split(other, ("guitar",)) == "skipped"
    assert split(()) == "done"
    assert not Path("separated/a/hints.toml").exists()


@pytest.mark.parametrize("edited", [False, True])
@pytest.mark.parametrize("hints", [(), ("organ=0.2-1",), ("bass=0.2-1",)])
def test_stems_that_earlier_hints_have_left_are_named(
    here: Path, small_model: Model, hints: tuple[str, ...], edited: bool
) -> None:
    song("a.wav", seconds=2)
    notes = []
    for given in (("guitar=0.2-1",), hints, hints):
        found = gather(given, NAMES)
        options = settings(hints=found, preset=load_preset("stems", own_stems(found, NAMES)), overwrite=True)
        notes.append(split_song(Task(Path("a.wav"), Path(), "a"), options, Separator(small_model, hints=found)).note)
        if edited:
            Path("separated/a/hints.toml").write_text(HINTS_NOTE + "guitar = nothing")
    assert [note.startswith("guitar.wav beside them") for note in notes] == [False, not edited, False]


@pytest.mark.parametrize(
    "other", [{"begin": 1.0, "end": 1.5}, {"begin": 1.5}, {"track": 2}, {"begin": 0.5, "end": 1.0, "track": 2}, {}]
)
def test_another_part_of_a_file_is_split_again_though_it_is_as_long(
    here: Path, separator: Separator, other: dict[str, Any]
) -> None:
    tracks = [np.random.default_rng(number).uniform(-0.5, 0.5, (2, 96_000)) for number in range(2)]
    with CodedFile(Path("a.m4a"), "alac", 48_000, 48_000, ["", ""], {}) as file:
        file.write(tracks)
    parts = [{"reading": Reading(**part)} for part in ({"begin": 0.5, "end": 1.0}, other)]
    for options in (parts[0], parts[1], parts[0]):
        for status in (("would split", "done"), ("would skip", "skipped")):
            again = preview(Task(Path("a.m4a"), Path(), "a"), settings(**options)).status
            assert (again, run(separator, "a.m4a", **options)) == status
        with open_song("a.m4a", options["reading"]) as expected:
            total = sum(soundfile.read(path)[0] for path in Path("separated/a").glob("*.wav"))
            np.testing.assert_array_equal(total.T, expected.read_exact(0, expected.samples))


EFFECTS = tuple(
    Preset("mine", "", {"vocals": ("vocals",)}, {"vocals": ({"plugin": "Gain", "gain_db": gain_db},)})
    for gain_db in (-6.0, -3.0)
)


@pytest.mark.parametrize(
    "usual, other",
    [
        ({}, {"sensitivity": Sensitivity.of(2)}),
        ({"sensitivity": Sensitivity.of("vocals=2")}, {"sensitivity": Sensitivity.of("vocals=3")}),
        ({}, {"clip_mode": "rescale"}),
        ({"container": "wav"}, {"bit_depth": "24"}),
        ({"container": "flac"}, {"container": "flac", "bit_depth": "24"}),
        ({"container": "aiff"}, {"container": "aiff", "bit_depth": "float"}),
        ({"preset": EFFECTS[0]}, {"preset": EFFECTS[1]}),
        ({"preset": EFFECTS[0]}, {"preset": only(("vocals",))}),
    ],
)
def test_what_was_split_in_another_way_is_split_again(
    here: Path, separator: Separator, usual: dict[str, Any], other: dict[str, Any]
) -> None:
    song("a.wav")
    for options in (usual, other, usual):
        for status in (("would split", "done"), ("would skip", "skipped")):
            again = preview(Task(Path("a.wav"), Path(), "a"), settings(**options)).status
            assert (again, run(separator, "a.wav", **options)) == status
    assert Path("separated/a/hints.toml").exists() == any(
        key in usual and key != "container" for key in ("sensitivity", "preset")
    )


@pytest.mark.parametrize("container", WRITABLE_CONTAINERS)
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_what_is_finished_is_skipped_in_every_format(
    here: Path, separator: Separator, subtype: str, container: str
) -> None:
    soundfile.write("a.wav", soundfile.read(song("b.wav", rate=48_000))[0], 48_000, subtype)
    assert run(separator, "a.wav", container=container) == "done"
    assert run(separator, "a.wav", container=container) == "skipped"


def test_files_that_only_look_like_kept_hints_are_left_alone(here: Path, separator: Separator) -> None:
    song("a.wav")
    mine = 'vocals = ["0:00-0:00.4"]\n'
    for pattern, path in (("{track}.{ext}", "out/a.toml"), ("{stem}.{ext}", "out/hints.toml")):
        Path("out").mkdir(exist_ok=True)
        Path(path).write_text(mine)
        assert run(separator, "a.wav", out=Path("out"), name=pattern, preset=only(("vocals",))) == "done"
        assert Path(path).read_text() == mine


def test_hints_are_about_one_song(here: Path) -> None:
    touch("m/a.wav", "m/b.wav")
    hints = gather(["vocals=0:01-0:02"], NAMES)
    with pytest.raises(OptionError, match="Hints are about one song, and there are 2"):
        plan(["m"], settings(hints=hints))
    assert len(plan(["m/a.wav"], settings(hints=hints))) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"name": 300 * "x" + "/{stem}.{ext}"},
        {"name": "{track}/{stem}" + 250 * "x" + ".{ext}"},
        {"out": Path(300 * "x")},
        {"out": Path(*(42 * [100 * "x"]))},
    ],
)
def test_a_path_that_is_too_long_fails_with_the_remedy(here: Path, separator: Separator, given: dict[str, Any]) -> None:
    check_settings(wanted := settings(**given))
    (task,) = plan([song("song.wav")], wanted)
    result = split_song(task, wanted, separator)
    assert result.status == "failed"
    assert "too long a path" in result.error and "horten --name" in result.error and "Errno" not in result.error
    assert [path for path in here.rglob("*") if path.is_file()] == [task.song.resolve()]


def test_a_hint_outside_of_the_song_fails_before_any_work(here: Path, separator: Separator) -> None:
    song("a.wav")
    options = {"hints": gather(["vocals=0:31-0:32"], NAMES)}
    (task,) = plan(["a.wav"], settings(**options))
    for result in (preview(task, settings(**options)), split_song(task, settings(**options), separator)):
        assert (result.status, result.outputs) == ("failed", {})
        assert "vocals=0:31-0:32 lies outside of the song, which ends at 0:00.5" in result.error
    assert not Path("separated").exists()


def test_a_song_is_never_replaced_by_its_stems(here: Path, separator: Separator) -> None:
    before = song("vocals.wav").read_bytes()
    options = {"out": Path("."), "name": "{stem}.{ext}", "preset": only(("vocals",)), "overwrite": True}
    (task,) = plan(["vocals.wav"], settings(**options))
    for result in (split_song(task, settings(**options), separator), preview(task, settings(**options))):
        assert (result.status, result.outputs) == ("failed", {})
        assert "vocals.wav is the song itself" in result.error
    assert Path("vocals.wav").read_bytes() == before


@pytest.mark.parametrize("wanted", [("vocals",), ("drums", "other"), NAMES])
def test_some_stems_are_those_of_the_whole_split(here: Path, separator: Separator, wanted: tuple[str, ...]) -> None:
    song("a.wav")
    run(separator, "a.wav", out=Path("all"))
    run(separator, "a.wav", out=Path("some"), preset=only(wanted))
    assert sorted(path.stem for path in Path("some/a").iterdir()) == sorted(wanted)
    for name in wanted:
        one, other = (soundfile.read(f"{folder}/a/{name}.wav", dtype="int16")[0] for folder in ("all", "some"))
        assert np.abs(one.astype(int) - other).max() <= 2


def test_outputs_that_overlap_are_not_changed_to_add_up(here: Path, separator: Separator) -> None:
    song("a.wav", level=1.0)
    overlapping = Preset("x", "", {"a": NAMES, "b": NAMES[:3], "c": NAMES[1:]})
    run(separator, "a.wav", preset=overlapping)
    run(separator, "a.wav", out=Path("alone"), preset=Preset("x", "", {"b": NAMES[:3]}))
    mixture = soundfile.read("a.wav", dtype="int16")[0].astype(int)
    assert np.abs(soundfile.read("separated/a/a.wav", dtype="int16")[0] - mixture).max() <= 1
    one, other = (soundfile.read(f"{folder}/a/b.wav", dtype="int16")[0] for folder in ("separated", "alone"))
    assert np.abs(one.astype(int) - other).max() <= 2


def test_whatever_goes_wrong_with_a_song_is_a_result(here: Path, separator: Separator) -> None:
    class Broken:
        def separate(self, *_: object, **__: object) -> None:
            raise RuntimeError("out of\nmemory")

        stems = NAMES

    song("a.wav")
    result = split_song(Task(Path("a.wav"), Path(), "a"), settings(), Broken())
    assert (result.status, result.error) == ("failed", "a.wav could not be split: out of memory")
    assert not Path("separated").exists()
    long = Task(Path("a.wav"), Path("x" * 300), "a")
    assert split_song(long, settings(), separator).status == "failed"
    assert json.loads(json.dumps(result.as_json()))["error"] == result.error


@pytest.mark.parametrize("fault", [FileNotFoundError, PermissionError])
def test_errors_of_files_name_the_file_in_words(here: Path, separator: Separator, fault: type[OSError]) -> None:
    code = errno.ENOENT if fault is FileNotFoundError else errno.EACCES

    def fail(share: float, seconds: float) -> None:
        raise fault(code, os.strerror(code), "some.file")

    result = split_song(Task(song("a.wav"), Path(), "a"), settings(), separator, fail)
    reason = f"some.file cannot be used ({os.strerror(code)}). Check that it is there and may be used."
    assert (result.status, result.error) == ("failed", f"a.wav could not be split: {reason}")


def test_a_cancelled_song_leaves_nothing(here: Path, separator: Separator) -> None:
    song("a.wav", seconds=20)
    heard: list[float] = []
    task = Task(Path("a.wav"), Path(), "a")
    result = split_song(
        task, settings(), separator, lambda share, seconds: heard.append(share), lambda: bool(heard) and heard[-1] > 0.8
    )
    assert result.status == "cancelled"
    assert heard[-1] > 0.8
    assert not Path("separated").exists()


def start(weights: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from stems.cli import main; main()", "split", "--model", str(weights)]
    return subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def partial_files() -> list[Path]:
    return list(Path("separated").rglob(f".*{PARTIAL_SUFFIX}"))


def has_begun(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:  # completed since it was found
        return False


def wait_for_partial_files(process: subprocess.Popen[str], songs: int = 1) -> None:
    """Waits until some songs are being written."""
    while process.poll() is None and sum(map(has_begun, partial_files())) < songs * len(NAMES):
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_batch_that_was_killed_goes_on_and_leaves_no_litter(here: Path, small_weights: Path) -> None:
    song("songs/a.wav")
    song("songs/b.wav", seconds=600)
    song("songs/c.wav")
    for _ in range(2):  # what one killed run leaves, the next takes over
        with start(small_weights, "songs", "--jobs", "1") as process:
            wait_for_partial_files(process)
            while not Path("separated/a/other.wav").exists() or len(partial_files()) < len(NAMES):
                time.sleep(0.02)
            process.kill()
        assert len(partial_files()) == len(NAMES)
        assert not list(Path("separated/b").glob("*.wav"))
        assert not Path("separated/c").exists()
    finished = stamps("separated/a")
    song("songs/b.wav", seconds=1)
    with start(small_weights, "songs", "--jobs", "1", "--json") as process:
        lines = [json.loads(line) for line in process.communicate()[0].splitlines()]
    assert process.returncode == 0
    assert [line["status"] for line in lines] == ["skipped", "done", "done"]
    assert stamps("separated/a") == finished
    assert {path.name for path in Path("separated").rglob("*") if path.is_file()} == {f"{name}.wav" for name in NAMES}
    for track, seconds in (("a", 0.5), ("b", 1), ("c", 0.5)):
        total = sum(soundfile.read(f"separated/{track}/{name}.wav", dtype="int16")[0].astype(int) for name in NAMES)
        assert len(total) == seconds * 8_000
        assert np.array_equal(total, soundfile.read(f"songs/{track}.wav", dtype="int16")[0])


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_workers_end_with_the_process_that_was_killed(here: Path, small_weights: Path) -> None:
    for name in "ab":
        song(f"songs/{name}.wav", seconds=600)
    with start(small_weights, "songs", "--jobs", "2") as process:
        wait_for_partial_files(process, songs=2)
        workers = children(process.pid)
        assert len(workers) >= 2
        process.kill()
    deadline = time.monotonic() + 30
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [worker for worker in workers if is_running(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert not left


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_worker_that_dies_fails_its_song_and_another_takes_its_place(here: Path, small_weights: Path) -> None:
    song("songs/a.wav", seconds=600)
    song("songs/b.wav", seconds=600)
    for name in "cdef":
        song(f"songs/{name}.wav")
    with start(small_weights, "songs", "--jobs", "2", "--json") as process:
        wait_for_partial_files(process, songs=2)
        for worker in [child for child in children(process.pid) if is_splitting(child)]:
            os.kill(worker, signal.SIGKILL)
        lines = [json.loads(line) for line in process.communicate()[0].splitlines()]
    assert process.returncode == 1
    status = {line["song"]: line["status"] for line in lines}
    assert status == {f"songs/{name}.wav": "failed" if name in "ab" else "done" for name in "abcdef"}
    assert sum("was not split because its worker died" in line.get("error", "") for line in lines) == 2


def is_splitting(pid: int) -> bool:
    return any(PARTIAL_SUFFIX in os.readlink(opened) for opened in Path(f"/proc/{pid}/fd").iterdir())


def test_of_two_runs_at_once_the_later_fails_and_their_files_do_not_mix(here: Path) -> None:
    form, paths = AudioFormat("wav", "int16", 8_000, 1), {"vocals": Path("out/vocals.wav")}
    audio = np.full((1, 200), 0.25)
    with StemFiles(paths, form, 200) as earlier:
        earlier.write(audio, {"vocals": audio})
        with pytest.raises(AudioError, match="is being written by another run"), StemFiles(paths, form, 100):
            pass
    assert (soundfile.read("out/vocals.wav")[0] == 0.25).all()
    assert [path.name for path in Path("out").iterdir()] == ["vocals.wav"]
