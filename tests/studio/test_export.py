"""Exports are what the command line writes with the same hints, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from studios import Running, write_song

HINTS = ["vocals=0:01-0:02", "guitar=0:02.5-0:03.5@300-3000Hz"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "order, options",
    [
        ({}, []),
        ({"format": "flac", "bit_depth": "24"}, ["--format", "flac", "--bit-depth", "24"]),
        ({"preset": "karaoke"}, ["--preset", "karaoke"]),
        ({"daw": ["dawproject", "audacity"]}, ["--daw", "dawproject,audacity"]),
    ],
)
def test_an_export_equals_what_the_command_line_writes(
    studio: Running,
    tmp_path: Path,
    small_weights: Path,
    stems: Callable,
    order: dict,
    options: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    then = SimpleNamespace(now=lambda: datetime(2026, 11, 28))  # which a wav tells of when it was made
    monkeypatch.setattr("stems.files.broadcast_wav.datetime", then)
    song = write_song(tmp_path / "Tune.wav", 5, 44_100)
    studio.studio.add_paths([str(song)])
    (entry,) = studio.heard()
    studio.json("PUT", f"songs/{entry['id']}/wishes", {"hints": HINTS, "sensitivity": "1,vocals=2"})
    written = studio.json("POST", f"songs/{entry['id']}/export", order)["written"]
    hints = [word for hint in HINTS for word in ("--hint", hint)]
    model = ["--model", small_weights, "--sensitivity", "vocals=2", "--out", tmp_path / "cli"]
    assert stems("split", song, *hints, *model, *options)[0] == 0
    out, cli = contents(tmp_path / "studio" / "out"), contents(tmp_path / "cli")
    assert out.keys() == cli.keys() and len(out) >= len(written)
    # What a DAW project says of where the song lies, and when it was made, is of each run.
    assert [name for name in out if out[name] != cli[name] and not name.endswith((".dawproject", ".txt"))] == []


def test_songs_of_one_name_do_not_replace_each_others_exports(studio: Running, tmp_path: Path) -> None:
    for number, name in enumerate(("one/Mix.wav", "two/mix.flac", "three/Mix (2).wav")):
        studio.studio.add_paths([str(write_song(tmp_path / name, 1, seed=number))])
    songs = studio.heard(3)
    written = {}
    for song in [*songs, *songs]:  # the second time over what it has written itself
        paths = studio.json("POST", f"songs/{song['id']}/export", {})["written"]
        assert written.setdefault(song["id"], paths) == paths
    folders = [{Path(path).parent.name for path in paths} for paths in written.values()]
    assert folders == [{"Mix"}, {"mix (2)"}, {"Mix (2) (2)"}]


@pytest.mark.parametrize("channels", [1, 2])
def test_the_mix_is_what_the_faders_say(studio: Running, tmp_path: Path, channels: int) -> None:
    studio.studio.add_paths([str(write_song(tmp_path / "Tune.wav", 3, 44_100, channels))])
    (entry,) = studio.heard()
    place = f"songs/{entry['id']}/export"
    faders = {"drums": {"db": -6, "pan": 0.5 * (channels == 2)}, "bass": {"mute": True}, "vocals": {"db": -60}}
    order = {"preset": "mix", "bit_depth": "float", "faders": faders, "master": {"db": 3}}
    (mix,) = studio.json("POST", place, order)["written"]
    studio.json("POST", place, {"bit_depth": "float"})
    folder = Path(mix).parent
    parts = {name: soundfile.read(folder / f"{name}.wav", always_2d=True)[0] for name in ("drums", "other")}
    sides = np.array([0.5, 1.0]) if channels == 2 else np.ones(1)
    expected = 10 ** (3 / 20) * (10 ** (-6 / 20) * sides * parts["drums"] + parts["other"])
    np.testing.assert_allclose(soundfile.read(mix, always_2d=True)[0], expected, atol=2e-6)


def test_what_cannot_be_exported_is_said_before_the_work(studio: Running, tmp_path: Path) -> None:
    studio.studio.add_paths([str(write_song(tmp_path / "Tune.wav"))])
    (entry,) = studio.heard()
    place = f"songs/{entry['id']}/export"
    for order in (
        {"preset": "nosuch"},
        {"preset": "/etc/passwd"},
        {"format": "wma"},
        {"daw": ["protools"]},
        {"format": "ogg", "bit_depth": "24"},
        {"preset": "mix", "faders": {"drums": {"db": 99}}},
    ):
        status, answer = studio.ask("POST", place, order)
        assert status == 400 and b"error" in answer, order
    assert not (tmp_path / "studio" / "out").exists()
