"""The engine neither crashes nor grows, whatever it is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engine import WHOLE_HOP, EngineModel, EngineStream
from made_models import live_model
from test_clap import compile_host, damaged_states, player, with_model

from stems.card import SHIPPED


def sanitizer(name: str) -> str:
    """The library of a sanitizer; the test is skipped where the compiler has none."""
    path = subprocess.run(["c++", f"-print-file-name=lib{name}.so"], capture_output=True, text=True).stdout.strip()
    if not Path(path).is_absolute():
        pytest.skip(f"the compiler has no lib{name}")
    return path


@pytest.fixture(scope="module")
def sanitized(built: Callable[..., Path]) -> Path:
    """The folder of an engine and a plugin that the sanitizers watch."""
    sanitizer("asan")
    options = ("-DSANITIZE=ON", "-DSTEMS_FORMATS=clap", "-DSTEMS_WINDOW=OFF")
    return built("sanitized-shell", *options, targets=("stems-engine-c", "StemsMulti-clap"))


def test_sanitizers_find_nothing(sanitized: Path, tmp_path: Path) -> None:
    for groups in (0, 8):
        live_model(groups).save(tmp_path / f"small-{groups}.safetensors")
    models = [tmp_path / "small-8.safetensors", tmp_path / "small-0.safetensors", SHIPPED / "openband-live.safetensors"]
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("sanitized.py"), sanitized / "engine/libstems-engine-c.so", *models],
        env={
            **os.environ,
            "LD_PRELOAD": f"{sanitizer('asan')} {sanitizer('ubsan')}",
            "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0:allocator_may_return_null=1",
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    refused = int(done.stdout.split()[1])
    assert 500 < refused < 1000  # a changed weight is still a weight


def test_sanitizers_find_nothing_in_the_shell(sanitized: Path, song: tuple[np.ndarray, int], tmp_path: Path) -> None:
    host = compile_host(tmp_path / "host", "-DSANITIZED", "-g", "-fsanitize=address,undefined")
    play = player(sanitized / "bin", host, tmp_path)
    audio, small = song[0][:, :100_000].copy(), tmp_path / "small.safetensors"
    audio[:, 20_000:80_000] = 0
    audio[1, 90_000] = np.nan
    live_model(8).save(small)
    play("StemsMulti", audio[:, :100], "--save", tmp_path / "state")
    state = with_model(tmp_path / "state", str(small), tmp_path / "own")
    for rate in (44_100, 192_000):
        options = ("--set", "Solo Bass=1", "--set", "Bypass=1", "--then", state, "--save", tmp_path / "again")
        heard = play("StemsMulti", audio, *options, rate=rate, block=0)
        assert np.isfinite(heard.audio).all() and heard.audio.any()
    states = damaged_states(state, tmp_path, 100)
    heard = play("StemsMulti", audio[:, :5000], *[word for path in states for word in ("--load", path)])
    assert np.isfinite(heard.audio).all()


def memory() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_minutes_of_audio_need_no_more_memory(shipped: EngineModel, song: tuple[np.ndarray, int]) -> None:
    before = memory()
    stream = EngineStream(shipped, song[1], 2, mixes=5, spread=WHOLE_HOP)
    random, audio = np.random.default_rng(0), song[0]
    for turn in range(600):
        block = audio[:, : random.integers(1, 4097)]
        assert np.isfinite(stream.run(block)[1]).all()
        if turn == 20:
            warm = memory()
            assert warm - before < 20e6
    assert memory() - warm < 1e6
