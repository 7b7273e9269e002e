"""The CLAP plugins inside a host of the tests' own, which counts what they allocate."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from engine import WHOLE_HOP, EngineModel, EngineStream
from made_models import live_model
from test_engine import decibels

from stems import Stream
from stems.card import SHIPPED
from stems.daw.plugin import DPF

HOST = Path(__file__).with_name("clap_host.cpp")
LATE = 2047 + 512  # at 44.1 kHz: a window and the hop over which work is spread


@dataclass
class Heard:
    """What a plugin did: its outputs side by side (channels, samples), and what the host says of it."""

    audio: np.ndarray
    facts: list[list[str]]
    said: str

    def fact(self, name: str) -> str:
        """The value of a fact that there is one of."""
        (found,) = [fact for fact in self.facts if fact[0] == name]
        return found[1]


Play = Callable[..., Heard]


def compile_host(to: Path, *options: str) -> Path:
    """Compiles the host into a file."""
    command = [shutil.which("g++") or "c++", "-std=c++17", "-O1", f"-I{DPF}/distrho/src", HOST, "-o", to, "-ldl"]
    subprocess.run([*command, *options], check=True)
    return to


@pytest.fixture(scope="module")
def play(plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Runs audio through a plugin."""
    folder = tmp_path_factory.mktemp("clap")
    return player(plugins, compile_host(folder / "host"), folder)


def player(plugins: Path, host: Path, folder: Path) -> Play:
    """Runs audio through a plugin in a host, by files of a folder."""

    def run(name: str, audio: np.ndarray, *options: object, rate: int = 44_100, block: int = 512) -> Heard:
        identity = {"Stems": "stems", "StemsMono": "stems_mono", "StemsMulti": "stems_multi"}[name]
        np.ascontiguousarray(audio.T, np.float32).tofile(folder / "in")
        plugin = plugins / "clap" / f"{name}.clap"
        command = [host, plugin, f"org.openband.{identity}", rate, block, folder / "in", folder / "out"]
        words = [str(word) for word in [*command, *options]]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, done.stderr
        facts = [line.split("\t") for line in done.stdout.splitlines()]
        channels = sum(int(fact[2]) for fact in facts if fact[0] == "output")
        return Heard(np.fromfile(folder / "out", np.float32).reshape(-1, channels).T, facts, done.stderr)

    return run


@pytest.fixture(scope="module")
def passage(song: tuple[np.ndarray, int]) -> np.ndarray:
    """Two seconds of music, (2, samples)."""
    return song[0][:, :88_200]


@pytest.fixture(scope="module")
def stems(passage: np.ndarray) -> np.ndarray:
    """What Python makes of it, as late as the plugin does: (stems, channels, samples)."""
    stream = Stream("openband-live", 44_100)
    parts = np.stack(list(stream(passage).values()))
    return np.pad(parts, ((0, 0), (0, 0), (LATE - stream.latency_samples, 0)))[..., : passage.shape[1]]


@pytest.mark.parametrize("block", [0, 64, 512, 4096])
def test_stems_on_auxiliary_outputs(play: Play, passage: np.ndarray, stems: np.ndarray, block: int) -> None:
    heard = play("StemsMulti", passage, "--set", "Drums=-84", "--set", "Mute Bass=1", block=block)
    ports = [fact[1:] for fact in heard.facts if fact[0] == "output"]
    assert [count for _, count in ports] == ["2"] * 5
    assert [name for name, _ in ports][1:] == ["Drums", "Bass", "Vocals", "Other"]
    assert heard.fact("latency") == str(LATE)
    mix, *parts = heard.audio.reshape(5, 2, -1)
    for part, stem in zip(parts, stems, strict=True):
        assert decibels(part - stem, stem) < -80
    wanted = stems[2] + stems[3]
    assert decibels(mix - wanted, wanted) < -80


@pytest.mark.parametrize("rate", [44_100, 192_000])
@pytest.mark.parametrize("name", ["Stems", "StemsMono", "StemsMulti"])
def test_nothing_is_allocated_or_locked_while_it_runs(play: Play, passage: np.ndarray, name: str, rate: int) -> None:
    audio = passage[: 1 if name == "StemsMono" else 2].copy()
    audio[:, 30_000:50_000] = 0
    audio[0, 60_000] = np.nan
    heard = play(name, audio, "--set", "Solo Vocals=1", rate=rate, block=0)
    assert np.isfinite(heard.audio).all() and heard.audio.any()
    assert (heard.fact("allocations"), heard.fact("locks")) == ("0", "0")


def with_model(state: Path, path: str, to: Path) -> Path:
    """A state that names another model."""
    empty = b"\0model\0\0"
    assert state.read_bytes().count(empty) == 1
    to.write_bytes(state.read_bytes().replace(empty, empty[:-1] + path.encode() + b"\0"))
    return to


def test_a_saved_state_comes_back_with_its_model(
    play: Play, passage: np.ndarray, stems: np.ndarray, tmp_path: Path
) -> None:
    play("Stems", passage, "--set", "Solo Bass=1", "--set", "Bass=-20", "--save", tmp_path / "state")
    heard = play("Stems", passage, "--load", tmp_path / "state")
    assert heard.fact("loaded") == "1"
    assert ["parameter", "Bass", "-20", "-20.000000"] in heard.facts
    assert decibels(heard.audio - 0.1 * stems[1], 0.1 * stems[1]) < -80

    live_model(8).save(tmp_path / "own.safetensors")
    state = with_model(tmp_path / "state", str(tmp_path / "own.safetensors"), tmp_path / "own")
    heard = play("Stems", passage, "--load", state, "--save", tmp_path / "again")
    bass = Stream(tmp_path / "own.safetensors", 44_100)(passage)["bass"][:, :-512]
    assert decibels(heard.audio[:, 512:] - 0.1 * bass, 0.1 * bass) < -80
    again = play("Stems", passage, "--load", tmp_path / "again")
    np.testing.assert_array_equal(again.audio, heard.audio)


HALF = 43_008  # samples, whole blocks
FROZEN = ("--set", "Solo Vocals=1", "--set-then", "Freeze=1")


@pytest.fixture(scope="module")
def frozen(play: Play, passage: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a plugin whose clusters were frozen where half a passage had left them."""
    path = tmp_path_factory.mktemp("frozen") / "state"
    play("Stems", passage[:, : 2 * HALF], *FROZEN, "--save", path)
    return path


@pytest.fixture(scope="module")
def vocals(shipped: EngineModel, passage: np.ndarray) -> dict[str, np.ndarray]:
    """Vocals of the other half, by clusters that rest where they were frozen, and by those of the start."""
    found, solo = {}, np.eye(4)[[2] * 4]
    for name in ("frozen", "at the start"):
        stream = EngineStream(shipped, 44_100, 2, spread=WHOLE_HOP)
        if name == "frozen":
            stream.run(passage[:, :HALF])
        stream.set(solo, follow_seconds=0)
        stream.reset()
        found[name] = stream.run(passage[:, HALF : 2 * HALF])[1][0]
    return found


def test_a_session_keeps_where_its_clusters_are_frozen(
    play: Play, passage: np.ndarray, frozen: Path, vocals: dict[str, np.ndarray], tmp_path: Path
) -> None:
    new, again = passage[:, HALF : 2 * HALF], tmp_path / "again"
    heard = play("Stems", new, "--load", frozen, "--save", again)
    assert decibels(heard.audio - vocals["frozen"], vocals["frozen"]) < -80
    assert decibels(vocals["at the start"] - vocals["frozen"], vocals["frozen"]) > -40
    assert again.read_bytes() == frozen.read_bytes()
    play("Stems", new[:, :0], "--load", frozen, "--save", again)  # nothing was played meanwhile
    assert again.read_bytes() == frozen.read_bytes()
    for options in (("--set", "Freeze=0"), ("--set-then", "Freeze=0")):
        play("Stems", new, "--load", frozen, *options, "--save", again)
        assert b"clusters\0\0" in again.read_bytes()


def test_frozen_clusters_are_those_of_their_model(
    play: Play, passage: np.ndarray, frozen: Path, vocals: dict[str, np.ndarray], tmp_path: Path
) -> None:
    live_model(8).save(tmp_path / "own.safetensors")
    state = with_model(frozen, str(tmp_path / "own.safetensors"), tmp_path / "own")
    play("Stems", passage[:, :100], "--set", "Freeze=1", "--set", "Solo Vocals=1", "--save", tmp_path / "start")
    unknown = with_model(tmp_path / "start", str(tmp_path / "own.safetensors"), tmp_path / "unknown")
    new = passage[:, HALF : 2 * HALF]
    heard, expected = (play("Stems", new, "--load", each).audio for each in (state, unknown))
    np.testing.assert_array_equal(heard, expected)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:16],
        lambda text: text[:-3],
        lambda text: text[:-8],
        lambda text: text[:-2] + b"zz",
        lambda text: text[:-8] + b"7fc00000",  # not a number
        lambda text: text[:-8] + b"40000000",  # 2
        lambda text: b"0" * 16 + text[16:],  # of another model
    ],
)
def test_damaged_clusters_are_those_of_the_start(
    play: Play,
    passage: np.ndarray,
    frozen: Path,
    vocals: dict[str, np.ndarray],
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    before, key, after = frozen.read_bytes().partition(b"clusters\0")
    text, end, rest = after.partition(b"\0")
    (tmp_path / "state").write_bytes(before + key + damage(text) + end + rest)
    heard = play("Stems", passage[:, HALF : 2 * HALF], "--load", tmp_path / "state").audio
    assert decibels(heard - vocals["at the start"], vocals["at the start"]) < -80


def test_frozen_clusters_are_taken_while_it_plays_and_at_any_rate(
    play: Play, passage: np.ndarray, frozen: Path
) -> None:
    rested = play("Stems", passage, "--load", frozen).audio[:, 75_000:]
    taken = play("Stems", passage, "--set", "Solo Vocals=1", "--then", frozen).audio[:, 75_000:]
    starting = play("Stems", passage, "--set", "Freeze=1", "--set", "Solo Vocals=1").audio[:, 75_000:]
    assert decibels(taken - rested, rested) < decibels(starting - rested, rested) - 10  # the network heard less
    for rate in (44_100, 48_000):
        same, other = (
            play("Stems", passage, *options, rate=rate).audio
            for options in (("--load", frozen), ("--set", "Freeze=1", "--set", "Solo Vocals=1"))
        )
        assert decibels(other - same, same) > -40


def test_a_session_keeps_the_path_of_a_model_whose_drive_is_away(
    play: Play, passage: np.ndarray, tmp_path: Path
) -> None:
    play("Stems", passage, "--set", "Solo Bass=1", "--save", tmp_path / "state")
    own = tmp_path / "drive" / "own.safetensors"
    state = with_model(tmp_path / "state", str(own), tmp_path / "own")
    away = play("Stems", passage, "--load", state, "--save", tmp_path / "saved")
    assert "cannot be read" in away.said
    own.parent.mkdir()
    live_model(8).save(own)
    back = play("Stems", passage, "--load", tmp_path / "saved")
    np.testing.assert_array_equal(back.audio, play("Stems", passage, "--load", state).audio)
    assert not np.array_equal(back.audio, away.audio)

    shutil.copy(SHIPPED / "openband.safetensors", tmp_path / "deaf.safetensors")  # chosen by mistake
    mistaken = with_model(tmp_path / "state", str(tmp_path / "deaf.safetensors"), tmp_path / "mistaken")
    play("Stems", passage, "--load", state, "--load", mistaken, "--save", tmp_path / "saved")
    np.testing.assert_array_equal(play("Stems", passage, "--load", tmp_path / "saved").audio, back.audio)


def test_values_beyond_a_parameter_are_the_nearest_that_it_has(play: Play, passage: np.ndarray, tmp_path: Path) -> None:
    options = ("--set", "Drums=12.01", "--set", "Follow=0.5", "--set", "Bass=nan", "--save", tmp_path / "state")
    play("Stems", passage[:, :100], *options)
    heard = play("Stems", passage[:, :100], "--load", tmp_path / "state")
    values = {fact[1]: float(fact[2]) for fact in heard.facts if fact[0] == "parameter"}
    assert (values["Drums"], values["Follow"], values["Bass"]) == (12, 1, 0)


@pytest.mark.parametrize("solo", [0, 1])
def test_a_model_takes_over_without_a_click(
    play: Play, song: tuple[np.ndarray, int], tmp_path: Path, solo: int
) -> None:
    audio = song[0][:, : 8 * 44_100]
    live_model(8).save(tmp_path / "own.safetensors")
    play("Stems", audio[:, :100], "--set", f"Solo Bass={solo}", "--save", tmp_path / "state")
    state = with_model(tmp_path / "state", str(tmp_path / "own.safetensors"), tmp_path / "own")
    before = play("Stems", audio, "--load", tmp_path / "state").audio
    heard = play("Stems", audio, "--load", tmp_path / "state", "--then", state)
    assert (heard.fact("allocations"), heard.fact("locks")) == ("0", "0")
    if not solo:  # what comes in goes out, whoever separates it
        np.testing.assert_allclose(heard.audio[:, LATE:], audio[:, :-LATE], atol=2e-6)
        return
    swapped = int(heard.fact("swapped"))
    warm = swapped + LATE + 64 * 512
    np.testing.assert_array_equal(heard.audio[:, :warm], before[:, :warm])
    after = warm + 2048
    bass = Stream(tmp_path / "own.safetensors", 44_100)(audio[:, swapped:])["bass"]
    own = np.pad(bass, ((0, 0), (swapped + 512, 0)))[:, : audio.shape[1]]
    assert decibels(heard.audio[:, after:] - own[:, after:], own[:, after:]) < -70
    share = np.arange(2048) / 2048
    faded = before[:, warm:after] * (1 - share) + own[:, warm:after] * share
    np.testing.assert_allclose(heard.audio[:, warm:after], faded, atol=1e-3)


def test_models_that_cannot_be_used_are_refused_in_a_sentence(
    play: Play, passage: np.ndarray, stems: np.ndarray, tmp_path: Path
) -> None:
    play("Stems", passage, "--set", "Solo Bass=1", "--save", tmp_path / "state")
    shutil.copy(SHIPPED / "openband-live.safetensors", tmp_path / "lonely.safetensors")
    reasons = {
        "/nowhere/at-all.safetensors": "cannot be read",
        str(SHIPPED / "openband.safetensors"): "hears the future",
        str(tmp_path / "lonely.safetensors"): "has no card",
        str(tmp_path / "state"): "is no .safetensors file",
    }
    for path, reason in reasons.items():
        heard = play("Stems", passage, "--load", with_model(tmp_path / "state", path, tmp_path / "other"))
        assert path in heard.said and reason in heard.said
        assert decibels(heard.audio - stems[1], stems[1]) < -80  # the shipped model plays on


def damaged_states(state: Path, folder: Path, count: int) -> list[Path]:
    """States with some bytes changed, some of them cut short."""
    content, random, paths = state.read_bytes(), np.random.default_rng(0), []
    for number in range(count):
        damaged = bytearray(content)
        for place in random.integers(len(damaged), size=random.integers(1, 20)):
            damaged[place] = random.integers(256)
        paths.append(folder / f"damaged-{number}")
        paths[-1].write_bytes(damaged[: random.integers(len(damaged))] if number % 3 == 0 else damaged)
    return paths


def test_a_thousand_damaged_states_do_no_harm(play: Play, passage: np.ndarray, tmp_path: Path) -> None:
    play("Stems", passage[:, :100], "--save", tmp_path / "state")
    options = [word for state in damaged_states(tmp_path / "state", tmp_path, 1000) for word in ("--load", state)]
    heard = play("Stems", passage[:, :20_000], *options)
    assert len([fact for fact in heard.facts if fact[0] == "loaded"]) == 1000
    assert np.isfinite(heard.audio).all()


SECONDS = float(os.environ.get("STEMS_PLUGIN_SECONDS", "60"))  # 3600 for the hour that was run before releases


@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_it_plays_for_long_in_random_blocks(play: Play, song: tuple[np.ndarray, int], rate: int) -> None:
    audio = np.pad(song[0], ((0, 0), (0, 4 * song[1])))  # with a rest between
    heard = play("StemsMulti", audio, "--seconds", SECONDS, rate=rate)
    assert heard.fact("finite") == "1" and 0.1 < float(heard.fact("loudest")) < 10
    assert int(heard.fact("grown")) < 1e6 and int(heard.fact("memory")) < 60e6
    assert (heard.fact("allocations"), heard.fact("locks")) == ("0", "0")
