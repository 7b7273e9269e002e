"""Which songs are found, and what is said of the rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from stems.batch.songs import songs_named


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*paths: str) -> None:
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(given: str) -> tuple[list[str], list[str]]:
    passed_over: list[str] = []
    songs = songs_named(given, Path("separated"), lambda path, reason: passed_over.append(str(path)))
    return [str(song) for song, _ in songs], sorted(set(passed_over))


def test_what_may_be_a_song_and_is_not_taken_is_named() -> None:
    make("m/1.wav", "m/x/2.wma", "m/cover.jpg", "m/.hidden.wma", "m/.trash/3.wav", "m/4.MP2")
    assert found("m") == (["m/1.wav"], ["m/4.MP2", "m/x/2.wma"])
    assert found("m/**") == (["m/1.wav"], ["m/4.MP2", "m/x/2.wma"])
    assert found("m/*.wav") == (["m/1.wav"], [])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("given", ["m", "m/**", "m/**/*.wav", "m/**/**/*", "m/*"])
def test_links_in_circles_are_followed_once(given: str) -> None:
    make("m/a/1.wav", "m/b/2.wav", "elsewhere/3.wav")
    for name in ("up", "round", "again"):
        os.symlink("..", f"m/a/{name}")
        os.symlink("../a", f"m/b/{name}")
    os.symlink("../elsewhere", "m/linked")
    songs, passed_over = found(given)
    assert {Path(song).resolve() for song in songs} == {
        Path(p).resolve() for p in ("m/a/1.wav", "m/b/2.wav", "elsewhere/3.wav")
    }
    assert not passed_over


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_may_not_be_read_is_named() -> None:
    make("m/1.wav", "m/closed/2.wav")
    Path("m/closed").chmod(0)
    try:
        assert found("m") == (["m/1.wav"], ["m/closed"])
    finally:
        Path("m/closed").chmod(0o700)


def test_patterns_below_folders_whose_names_look_like_patterns() -> None:
    make("Album [2020]/a.wav", "Album [2020]/cd [1]/b.wav", "Album 2/c.wav")
    assert found("Album [2020]/*.wav")[0] == ["Album [2020]/a.wav"]
    assert found("Album [2020]/cd [1]/*")[0] == ["Album [2020]/cd [1]/b.wav"]
    assert found("Album [2]/*.wav")[0] == ["Album 2/c.wav"]
    assert found("Album*/**/*.wav")[0] == ["Album 2/c.wav", "Album [2020]/a.wav", "Album [2020]/cd [1]/b.wav"]


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_names_that_are_no_text_are_found() -> None:
    Path("m").mkdir()
    with open(b"m/caf\xe9.wav", "wb"):
        pass
    assert found("m")[0] == [os.fsdecode(b"m/caf\xe9.wav")]
