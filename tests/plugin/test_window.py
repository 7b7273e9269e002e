"""The plugin's window under a mouse: as CLAP in the tests' own host, and as VST3 in pedalboard."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from test_clap import compile_host

DRUMS_FADER, BASS_FADER, VOCALS_MUTE, DRUMS_SOLO = (50, 110), (126, 110), (187, 318), (65, 318)  # in the window at 1x
SENSITIVITY = (440, 256)
TRAVEL = 172  # of a fader
FADER, MUTE, SOLO = 0, 6, 8  # the parameters' numbers
SIZE = (560, 400)


@pytest.fixture(scope="module")
def display() -> Iterator[dict[str, str]]:
    """The environment of programs whose windows nobody sees."""
    if not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("Xvfb or xdotool is not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    try:
        number = os.read(read, 16).decode().strip()
        yield {**os.environ, "DISPLAY": f":{number}"}
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def desktop(display: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The same with what JUCE, which pedalboard is made with, wants of a desktop: a window manager and settings."""
    if not (shutil.which("openbox") and shutil.which("xsettingsd")):
        pytest.skip("openbox or xsettingsd is not installed")
    (tmp_path / "settings").write_text('Net/ThemeName "none"')
    quiet = {"env": display, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = [
        subprocess.Popen(["openbox"], **quiet),
        subprocess.Popen(["xsettingsd", "-c", tmp_path / "settings"], **quiet),
    ]
    try:
        time.sleep(2)
        yield display
    finally:
        for program in running:
            program.terminate()
            program.wait(30)


class Mouse:
    """A mouse over a window, or over one in the corner of the display."""

    def __init__(self, display: dict[str, str], scale: float, window: str = "") -> None:
        self.display, self.scale, self.window = display, scale, ["--window", window] if window else []

    def do(self, *words: object) -> None:
        """Acts, and gives the window a moment to see it."""
        subprocess.run(["xdotool", *map(str, words)], env=self.display, check=True, capture_output=True)
        time.sleep(0.2)

    def move(self, place: tuple[int, int], down: int = 0) -> None:
        """Goes to a place, in the units of the window at 1x."""
        self.do("mousemove", *self.window, round(self.scale * place[0]), round(self.scale * (place[1] + down)))

    def click(self, place: tuple[int, int]) -> None:
        """Presses and releases."""
        self.move(place)
        self.do("mousedown", 1)
        self.do("mouseup", 1)

    def drag(self, place: tuple[int, int], down: int) -> None:
        """Presses, moves down, and releases."""
        self.move(place)
        self.do("mousedown", 1)
        self.move(place, down // 2)
        self.move(place, down)
        self.do("mouseup", 1)


def eventually(found: Callable[[], bool]) -> bool:
    """Whether something comes true, for which windows on a busy machine take their time."""
    until = time.monotonic() + 60
    while not found():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("scale", [1, 2])
def test_the_mouse_sets_parameters_of_the_clap(
    plugins: Path, display: dict[str, str], tmp_path: Path, scale: int
) -> None:
    host = compile_host(tmp_path / "host", "-DWINDOW", "-lX11")
    np.random.default_rng(0).normal(0, 0.1, (44_100, 2)).astype(np.float32).tofile(tmp_path / "in")
    clap = plugins / "clap" / "StemsMulti.clap"
    command = [host, clap, "org.openband.stems_multi", 44_100, 512, tmp_path / "in", tmp_path / "out"]
    said = tmp_path / "said"
    with said.open("w") as output, (tmp_path / "errors").open("w") as errors:
        running = subprocess.Popen(
            [*map(str, command), "--window", str(scale)],
            env=display,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
        )

    def changes() -> dict[int, float]:
        lines = [line.split("\t") for line in said.read_text().splitlines()]
        return {int(line[1]): float(line[2]) for line in lines if line[0] == "changed" and len(line) == 3}

    try:
        window = f"window\t{scale * SIZE[0]}\t{scale * SIZE[1]}\n"
        assert eventually(lambda: window in said.read_text()), said.read_text() + (tmp_path / "errors").read_text()
        time.sleep(1)
        mouse = Mouse(display, scale)
        mouse.drag(DRUMS_FADER, TRAVEL // 2)
        assert eventually(lambda: changes().get(FADER, 0) == pytest.approx(-48, abs=1)), changes()
        mouse.move(BASS_FADER)
        mouse.do("mousedown", 1)
        mouse.move(BASS_FADER, TRAVEL // 4)
        mouse.do("keydown", "shift")  # in the middle of a drag, where only what is still to come is fine
        mouse.move(BASS_FADER, TRAVEL // 2)
        mouse.do("keyup", "shift")
        mouse.do("mouseup", 1)
        assert eventually(lambda: changes().get(FADER + 1, 0) == pytest.approx(-26.4, abs=1)), changes()
        mouse.click(VOCALS_MUTE)
        mouse.click(DRUMS_SOLO)
        assert eventually(lambda: changes().get(MUTE) == 1 and changes().get(SOLO) == 1), changes()
        mouse.click(VOCALS_MUTE)
        assert eventually(lambda: changes()[MUTE] == 0), changes()
    finally:
        running.communicate(timeout=60)
    assert running.returncode == 0


VST3_HOST = """
import json, sys, threading
from pedalboard import load_plugin

plugin, closing = load_plugin(sys.argv[1]), threading.Event()

def answer():
    for _ in sys.stdin:
        names = ("drums_db", "mute_vocals", "solo_drums", "sensitivity_x")
        print(json.dumps({name: float(getattr(plugin, name)) for name in names}), flush=True)
    closing.set()

threading.Thread(target=answer, daemon=True).start()
plugin.show_editor(closing)
"""


def test_the_mouse_sets_parameters_of_the_vst3(plugins: Path, desktop: dict[str, str]) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", VST3_HOST, plugins / "Stems.vst3"],
        env=desktop,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert running.stdin and running.stdout

    def parameters() -> dict[str, float]:
        running.stdin.write("\n")
        return dict(json.loads(running.stdout.readline()))

    def window() -> str | None:
        """The plugin's, once it has its size."""
        search = ["xdotool", "search", "--name", "^Pedalboard$", "getwindowgeometry", "--shell"]
        text = subprocess.run(search, env=desktop, capture_output=True, text=True).stdout
        about = dict(line.split("=") for line in text.split())
        return about["WINDOW"] if (about.get("WIDTH"), about.get("HEIGHT")) == tuple(map(str, SIZE)) else None

    try:
        assert eventually(lambda: window() is not None)
        time.sleep(1)
        mouse = Mouse(desktop, 1, window() or "")
        mouse.drag(DRUMS_FADER, TRAVEL // 2)
        assert eventually(lambda: parameters()["drums_db"] == pytest.approx(-48, abs=1)), parameters()
        mouse.click(VOCALS_MUTE)
        mouse.click(DRUMS_SOLO)
        assert eventually(lambda: parameters()["mute_vocals"] == parameters()["solo_drums"] == 1), parameters()
    finally:
        running.communicate(timeout=60)
    assert running.returncode == 0
