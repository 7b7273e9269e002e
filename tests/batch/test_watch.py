from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
import soundfile

from stems.batch.watch import STATE_FILE, Watch, work_through
from stems.errors import AudioError, OptionError


def drop(folder: Path, name: str, content: bytes = b"audio", time: int = 1_000) -> Path:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (time, time))
    return path


def test_a_song_arrives_once_it_has_settled(tmp_path: Path) -> None:
    watch = Watch(tmp_path, settle_seconds=2)
    song = drop(tmp_path, "song.wav")
    assert watch.arrived(0) == []
    assert watch.arrived(1.9) == []
    assert watch.arrived(2) == [song]
    assert watch.arrived(100) == []


def test_a_song_that_grows_is_waited_for(tmp_path: Path) -> None:
    watch = Watch(tmp_path, settle_seconds=2)
    for second in range(10):
        drop(tmp_path, "song.wav", b"audio" * (second + 1), time=1_000)
        assert watch.arrived(second) == []
    assert watch.arrived(10.9) == []
    assert watch.arrived(11) == [tmp_path / "song.wav"]


def test_a_song_of_the_same_size_but_another_time_is_waited_for(tmp_path: Path) -> None:
    """As when a copy reserves all its space first."""
    watch = Watch(tmp_path, settle_seconds=2)
    for second in range(5):
        drop(tmp_path, "song.wav", time=1_000 + second)
        assert watch.arrived(second) == []
    assert watch.arrived(6) == [tmp_path / "song.wav"]


def test_what_is_no_song_is_left_alone(tmp_path: Path) -> None:
    for name in (".hidden.wav", "notes.txt", "song.wav.part", "song.crdownload"):
        drop(tmp_path, name)
    drop(tmp_path, "empty.wav", b"")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "separated" / "song").mkdir(parents=True)
    drop(tmp_path / "separated" / "song", "drums.wav")
    watch = Watch(tmp_path, settle_seconds=0)
    assert watch.arrived(0) == watch.arrived(1) == []


def test_songs_come_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    names = ["c.wav", "a.flac", "B.MP3", "é 🎵.ogg"]
    songs = [drop(tmp_path, name, time=1_000 + number) for number, name in enumerate(names)]
    assert Watch(tmp_path, settle_seconds=0).arrived(0) == songs


def test_a_restart_does_not_redo_what_is_done(tmp_path: Path) -> None:
    done, failed = drop(tmp_path, "done.wav"), drop(tmp_path, "failed.wav")
    watch = Watch(tmp_path, settle_seconds=0)
    assert watch.arrived(0) == [done, failed]
    watch.mark_done(done)
    assert watch.arrived(1) == []
    assert Watch(tmp_path, settle_seconds=0).arrived(0) == [failed]


def test_a_song_that_was_replaced_is_done_again(tmp_path: Path) -> None:
    song = drop(tmp_path, "song.wav")
    watch = Watch(tmp_path, settle_seconds=0)
    watch.arrived(0)
    watch.mark_done(song)
    drop(tmp_path, "song.wav", b"another take", time=2_000)
    assert watch.arrived(1) == [song]
    assert Watch(tmp_path, settle_seconds=0).arrived(0) == [song]


def test_a_song_that_changes_while_it_is_split_is_done_again(tmp_path: Path) -> None:
    song = drop(tmp_path, "song.wav")
    watch = Watch(tmp_path, settle_seconds=0)
    watch.arrived(0)
    drop(tmp_path, "song.wav", b"another take", time=2_000)
    watch.mark_done(song)
    assert watch.arrived(1) == [song]


@pytest.mark.parametrize(
    "state",
    [
        *("", "{", "[]", '{"done": 3}', '{"done": {"song.wav": "x"}}', "\0\0", '{"done": {"song.wav": [1e999, 0]}}'),
        *(
            50_000 * "[",
            '{"done": {"song.wav": [1, 2, 3]}}',
            '{"done": {"song.wav": [null, {}]}}',
            '{"done": null}',
            "NaN",
        ),
    ],
)
def test_a_damaged_state_file_is_started_anew(tmp_path: Path, state: str) -> None:
    (tmp_path / STATE_FILE).write_text(state)
    song = drop(tmp_path, "song.wav")
    watch = Watch(tmp_path, settle_seconds=0)
    assert watch.arrived(0) == [song]
    watch.mark_done(song)
    assert list(json.loads((tmp_path / STATE_FILE).read_text())["done"]) == ["song.wav"]


def test_the_state_forgets_songs_that_are_gone(tmp_path: Path) -> None:
    watch = Watch(tmp_path, settle_seconds=0)
    songs = [drop(tmp_path, name) for name in ("a.wav", "b.wav")]
    watch.arrived(0)
    watch.mark_done(songs[0])
    songs[0].unlink()
    watch.mark_done(songs[1])
    assert list(json.loads((tmp_path / STATE_FILE).read_text())["done"]) == ["b.wav"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [STATE_FILE, "b.wav"]


def test_a_drive_that_is_away_is_waited_for(tmp_path: Path) -> None:
    folder, away = tmp_path / "drive", tmp_path / "away"
    folder.mkdir()
    song = drop(folder, "song.wav")
    watch = Watch(folder, settle_seconds=1)
    watch.arrived(0)
    folder.rename(away)
    assert watch.arrived(5) == []
    away.rename(folder)
    assert watch.arrived(6) == []
    assert watch.arrived(7) == [song]


def test_a_drive_that_goes_away_during_a_song_makes_nothing_forgotten_and_is_not_replaced(tmp_path: Path) -> None:
    folder, away = tmp_path / "drive", tmp_path / "away"
    folder.mkdir()
    earlier = drop(folder, "earlier.wav")
    watch = Watch(folder, settle_seconds=0)
    watch.arrived(0)
    watch.mark_done(earlier)
    watch = Watch(folder, settle_seconds=0)  # another day
    new, failed = drop(folder, "new.wav"), drop(folder, "failed.wav", time=2_000)
    assert watch.arrived(0) == [new, failed]
    folder.rename(away)
    with pytest.raises(OptionError, match="is away"):
        watch.mark_done(new)
    assert not folder.exists()
    assert watch.arrived(1) == []
    away.rename(folder)
    assert watch.arrived(2) == [failed]
    watch.mark_done(failed)
    assert Watch(folder, settle_seconds=0).arrived(0) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is not a folder"):
        Watch(tmp_path / "missing")


def test_the_command_refuses_such_a_folder_in_one_sentence(tmp_path: Path, stems: Callable) -> None:
    code, said, complaints = stems("watch", tmp_path / "missing")
    assert (code, said) == (1, "") and complaints.count("\n") == 1 and "missing is not a folder" in complaints


def test_failures_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    stop, split, failures = Event(), [], []
    for number, name in enumerate(("a.wav", "broken.wav", "c.wav")):
        drop(tmp_path, name, time=1_000 + number)

    def action(song: Path) -> None:
        if song.name == "broken.wav":
            raise AudioError(f"{song} is no audio")
        split.append(song.name)
        if song.name == "c.wav":
            stop.set()

    thread = Thread(
        target=work_through,
        args=(Watch(tmp_path, 0), action, lambda song, error: failures.append((song.name, str(error))), stop, 0.01),
    )
    thread.start()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert split == ["a.wav", "c.wav"]
    assert failures == [("broken.wav", f"{tmp_path / 'broken.wav'} is no audio")]
    assert sorted(json.loads((tmp_path / STATE_FILE).read_text())["done"]) == ["a.wav", "c.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stops_cleanly_in_the_middle_of_a_song(tmp_path: Path, number: signal.Signals) -> None:
    drop(tmp_path, "done.wav", time=1_000)
    drop(tmp_path, "half.wav", time=2_000)
    program = """
        import sys, time
        from pathlib import Path
        from stems.batch.outcome import Result
        from stems.batch.watch import Watch
        from stems.cli.watch import follow

        def split(song):
            if song.name == "half.wav":
                print("half way", flush=True)
                time.sleep(60)
            return Result(song, outputs={"drums": song})

        follow(Watch(Path(sys.argv[1]), settle_seconds=0), split)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if "half way" in line:
                break
        running.send_signal(number)
        output, errors = running.communicate(timeout=30)
    assert running.returncode == 0, errors
    assert "Stopped" in output
    assert "Traceback" not in errors
    assert list(json.loads((tmp_path / STATE_FILE).read_text())["done"]) == ["done.wav"]


def test_a_song_that_is_taken_away_while_it_waits_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_weights: Path
) -> None:
    from stems.batch.plan import Settings
    from stems.batch.presets import load_preset
    from stems.cli.watch import _splitter
    from stems.errors import StemsError

    split = _splitter(tmp_path, Settings(load_preset("stems"), tmp_path / "separated", model=str(small_weights)))
    for name in ("a.wav", "a.flac", "a.wav.wav"):
        drop(tmp_path, name)
    with pytest.raises(StemsError, match="does not exist"):
        split(tmp_path / "gone.wav")
    with pytest.raises(StemsError, match="does not exist"):  # with all the folder
        _splitter(tmp_path / "away", Settings(load_preset("stems"), tmp_path, model=str(small_weights)))(
            tmp_path / "away" / "gone.wav"
        )


def test_a_folder_that_is_called_like_a_song_is_left_alone(tmp_path: Path, small_weights: Path) -> None:
    from stems.batch.plan import Settings
    from stems.batch.presets import load_preset
    from stems.cli.watch import _splitter

    split = _splitter(tmp_path, Settings(load_preset("stems"), tmp_path / "separated", model=str(small_weights)))
    (tmp_path / "takes.wav").mkdir()
    soundfile.write(tmp_path / "song.wav", np.zeros((8_000, 2)), 8_000)
    assert split(tmp_path / "song.wav").status == "done"


def test_what_of_each_song_is_split_is_as_for_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_weights: Path, stems: Callable
) -> None:
    from stems.cli.watch import follow

    song = tmp_path / "song.wav"
    soundfile.write(song, np.random.default_rng(0).uniform(-0.5, 0.5, (16_000, 6)), 8_000)

    def follow_once(watched: Watch, split: Callable) -> None:
        monkeypatch.setattr("stems.batch.watch.finished_files", lambda watch, *_: iter(watch.arrived(0.0)))
        follow(Watch(watched.folder, 0.0), split)

    monkeypatch.setattr("stems.cli.watch.follow", follow_once)
    options = ("--from", "0:00.5", "--to", "0:01.25", "--downmix", "--daw", "reaper", "--copy-song", "--bpm", "98.5")
    code, said, complaints = stems("watch", tmp_path, "--model", small_weights, *options)
    assert (code, complaints) == (0, ""), said
    for name in ("drums", "bass", "vocals", "other", "song mixture"):
        info = soundfile.info(tmp_path / "separated" / "song" / f"{name}.wav")
        assert (info.frames, info.channels) == (6_000, 2), name
    assert "TEMPO 98.5 4 4" in (tmp_path / "separated" / "song" / "song.rpp").read_text()
    assert str(tmp_path / "separated" / "song" / "song.rpp") in said
