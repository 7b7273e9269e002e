"""A studio that is killed at any moment loses no song and no hint."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from studios import PATIENCE, until, write_song

MOMENTS = int(os.environ.get("STEMS_TEST_MOMENTS", "2"))  # 20 take some minutes
SONGS = 20 if MOMENTS > 2 else 3

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows other ways to end a program")


class Started:
    """The command, as somebody starts it."""

    def __init__(self, folder: Path, weights: Path, *songs: Path) -> None:
        command = [Path(sys.executable).parent / "stems", "studio", *songs, "--no-browser"]
        options = ["--folder", folder, "--out", folder / "out", "--model", weights]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        found = re.search(r"http://127.0.0.1:(\d+)(/\S+/)", self.process.stdout.readline())
        assert found
        self.port, self.root = int(found[1]), found[2]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, self.root + path, None if body is None else json.dumps(body))
        answer = connection.getresponse().read()
        connection.close()
        return json.loads(answer)


def all_heard(songs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return songs if all(song["state"] == "heard" for song in songs) else []


@pytest.fixture
def start(tmp_path: Path, small_weights: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def run(*songs: Path) -> Started:
        started.append(Started(tmp_path / "studio", small_weights, *songs))
        return started[-1]

    yield run
    for studio in started:
        studio.process.kill()
        studio.process.communicate()


def test_everything_is_there_after_any_kill(tmp_path: Path, start: Callable[..., Started]) -> None:
    songs = [write_song(tmp_path / f"song {n}.wav", 8, 44_100, seed=n) for n in range(SONGS)]
    rng, wished, names = random.Random(0), {}, set()
    for moment in range(MOMENTS):
        studio = start(*songs)
        deadline = time.monotonic() + rng.uniform(0.0, 2.5)
        while time.monotonic() < deadline:
            for song in studio.ask("GET", "songs"):
                names.add(song["name"])
                if song["state"] == "heard" and song["id"] not in wished:
                    hint = f"vocals=0:01-0:0{rng.randint(2, 7)}"
                    answer = studio.ask("PUT", f"songs/{song['id']}/wishes", {"hints": [hint]})
                    wished[song["id"]] = answer["command"]
            time.sleep(0.05)
        studio.process.send_signal(signal.SIGKILL)
        studio.process.wait()
        assert moment == 0 or names == {song.stem for song in songs}
    studio = start()
    found = until(lambda: all_heard(studio.ask("GET", "songs")))
    assert sorted(song["name"] for song in found) == sorted(song.stem for song in songs)
    for key, command in wished.items():
        assert studio.ask("GET", f"songs/{key}")["command"] == command
        assert "--model" in command
    studio.process.send_signal(signal.SIGINT)
    assert studio.process.wait(timeout=PATIENCE) == 0
    assert not list((tmp_path / "studio").rglob(".stems-*"))


def test_the_command_says_what_it_lacks(
    tmp_path: Path, small_weights: Path, stems: Any, start: Callable[..., Started]
) -> None:
    studio = start()
    (tmp_path / "file").write_text("")
    options = ("--no-browser", "--model", small_weights, "--folder")
    for arguments, sentence in (
        ((*options, tmp_path / "studio"), "Another studio has the folder"),
        ((*options, tmp_path / "other", "--port", studio.port), f"Port {studio.port}"),
        ((*options, tmp_path / "file"), "cannot be used"),
        ((tmp_path / "nowhere.wav", *options, tmp_path / "other"), "nowhere.wav"),
    ):
        code, _, complaint = stems("studio", *arguments)
        assert code == 1 and sentence in complaint
