"""Separation in other people's programs: threads, processes, event loops that run already, and odd arrays."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from pedalboard import Gain

from stems import Board, Isolate, Model, Separator, Stream
from stems.batch.outcome import Result
from stems.batch.plan import Settings, plan
from stems.batch.presets import load_preset
from stems.batch.tasks import Task
from stems.batch.workers import split_all
from stems.errors import AudioError, OptionError

RATE = 8_000
AUDIO = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 3 * RATE)).astype(np.float32)


@pytest.fixture(autouse=True)
def two_cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def vocals(weights: Path, number: int = 0) -> np.ndarray:
    return Separator(weights)(AUDIO, RATE)["vocals"]


@pytest.mark.parametrize("shared", [True, False])
def test_threads_give_what_one_gives(small_weights: Path, shared: bool) -> None:
    separator, expected = Separator(small_weights), vocals(small_weights)

    def separate(_: int) -> np.ndarray:
        return separator(AUDIO, RATE)["vocals"] if shared else vocals(small_weights)

    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(found, expected) for found in pool.map(separate, range(6)))
    assert torch.get_num_threads() == 2


def test_the_executor_of_an_event_loop(small_weights: Path) -> None:
    expected = vocals(small_weights)

    async def separate() -> list[np.ndarray]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(None, vocals, small_weights) for _ in range(3)))

    assert all(np.array_equal(found, expected) for found in asyncio.run(separate()))


def test_an_event_loop_that_is_running_already(small_weights: Path, tmp_path: Path) -> None:
    expected = vocals(small_weights)
    settings, tasks = batch(small_weights, tmp_path)

    async def as_in_a_notebook() -> None:
        assert np.array_equal(vocals(small_weights), expected)
        assert {result.status for result in results_of(tasks, settings)} == {"done"}

    asyncio.run(as_in_a_notebook())


def results_of(tasks: Sequence[Task], settings: Settings) -> list[Result]:
    found: list[Result] = []
    split_all(tasks, settings, 2, on_result=lambda number, result: found.append(result))
    return found


def batch(weights: Path, folder: Path) -> tuple[Settings, list]:
    (folder / "songs").mkdir()
    for name in ("a", "b"):
        soundfile.write(folder / "songs" / f"{name}.wav", AUDIO.T, RATE)
    settings = Settings(load_preset("stems"), folder / "out", model=str(weights))
    return settings, plan([folder / "songs"], settings)


def test_a_batch_in_processes_begins_in_any_thread(small_weights: Path, tmp_path: Path) -> None:
    settings, tasks = batch(small_weights, tmp_path)
    found: list = []
    thread = threading.Thread(target=lambda: found.extend(results_of(tasks, settings)))
    thread.start()
    thread.join()
    assert [(result.status, result.error) for result in found] == [("done", "")] * 2


def test_processes_by_spawn(small_weights: Path) -> None:
    expected = vocals(small_weights)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert np.allclose(pool.submit(vocals, small_weights).result(timeout=120), expected, atol=1e-6)


def in_a_fork(function: Callable[[], str]) -> str:
    """What a function returns in a process that is forked now; fails where it hangs."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, function().encode())
        finally:
            os._exit(0)
    os.close(writing)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(os.read(reading, 10_000)))
    reader.start()
    reader.join(timeout=60)
    if reader.is_alive():
        os.kill(child, 9)
    reader.join()
    os.waitpid(child, 0)
    os.close(reading)
    return received[0].decode()


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_of_a_process_that_has_separated_says_so_and_does_not_hang(small_weights: Path) -> None:
    separator = Separator(small_weights)
    separator(AUDIO, RATE)

    def separate() -> str:
        try:
            separator(AUDIO, RATE)
        except OptionError as error:
            return str(error)
        return "separated"

    said = in_a_fork(separate)
    assert "forked" in said and '"spawn"' in said
    assert "vocals" in separator(AUDIO, RATE)  # the parent goes on


ODD = {
    "denormal": np.float32(1e-40),
    "tiny": np.float32(1e-30),
    "silence": np.float32(0),
    "loud": np.float32(1e3),
    "very loud": np.float32(1e12),
    "huge": np.float32(3e38),
}


@pytest.mark.parametrize("level", ODD.values(), ids=ODD)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_separated_arrays_add_up_or_are_refused(small_weights: Path, level: np.float32, dtype: type) -> None:
    audio = (AUDIO / np.abs(AUDIO).max() * level).astype(dtype)
    try:
        stems = Separator(small_weights)(audio, RATE)
    except AudioError as error:
        assert level > 1e9 and str(error).endswith(".")
        return
    total = np.sum([stem.astype(float) for stem in stems.values()], axis=0)
    assert all(np.isfinite(stem).all() for stem in stems.values())
    assert np.abs(total - audio).max() <= max(1e-5 * float(level), 1.2e-38)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, 1e300])
@pytest.mark.parametrize("process", ["separator", "isolate", "board"])
def test_arrays_of_what_is_no_number_are_refused(small_weights: Path, value: float, process: str) -> None:
    audio = AUDIO.astype(np.float64)
    audio[1, 777] = value
    isolate = Isolate("vocals", model=small_weights)
    call = {"separator": Separator(small_weights), "isolate": isolate, "board": Board([isolate, Gain(1)])}[process]
    with pytest.raises(AudioError, match="NaN"):
        call(audio, RATE)


@pytest.mark.parametrize("level", [*ODD.values(), np.float32(np.nan), np.float32(np.inf)], ids=[*ODD, "nan", "inf"])
def test_streams_give_numbers_whatever_they_hear(small_live_model: Model, level: np.float32) -> None:
    stream = Stream(small_live_model, RATE)
    for block in np.split(AUDIO * 0 + level, 30, axis=1):
        stems = stream(block)
        assert all(np.isfinite(stem).all() for stem in stems.values())
    quiet = [stream(block) for block in np.split(AUDIO, 30, axis=1)]
    assert np.isfinite(np.concatenate([block["vocals"] for block in quiet], axis=1)).all()


def test_a_sensitivity_that_is_none_is_refused_everywhere(small_weights: Path, small_live_model: Model) -> None:
    for sensitivity in (0.0, 11.0, np.nan, -1.0, np.inf):
        with pytest.raises(OptionError, match=r"sensitivity must be from 0\.1 to 10"):
            Separator(small_weights)(AUDIO, RATE, sensitivity=sensitivity)
        with pytest.raises(OptionError, match=r"sensitivity must be from 0\.1 to 10"):
            Stream(small_live_model, RATE)(AUDIO, sensitivity)
        with pytest.raises(OptionError, match=r"sensitivity must be from 0\.1 to 10"):
            Isolate("vocals", sensitivity, model=small_weights)
