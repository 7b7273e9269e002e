"""A Ray cluster of two nodes on this machine: the same files as without, whatever dies in the middle."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stems.batch.outcome import Result
from stems.batch.plan import Settings, plan
from stems.batch.presets import load_preset

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
Run = Callable[..., tuple[int, str, str]]


def patiently(begin: Callable[[], Any]) -> Any:
    """Ray gives its own processes some seconds to start, which is not enough on a machine that is very busy."""
    for _ in range(3):
        try:
            return begin()
        except Exception as error:
            failure = error
    raise failure


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 10**8}
    made = patiently(lambda: Cluster(initialize_head=True, head_node_args=node))
    yield made
    made.shutdown()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_weights: Path) -> Settings:
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        audio = np.random.default_rng(number).uniform(-0.3, 0.3, (8_000 * 40, 2))
        Path("songs", str(number % 2)).mkdir(parents=True, exist_ok=True)
        soundfile.write(f"songs/{number % 2}/{number}.wav", audio, 8_000)
    return Settings(load_preset("stems"), Path("out"), container="flac", model=str(small_weights))


def local(folder: str) -> dict[str, bytes]:
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def workers() -> list[int]:
    """Processes that have a splitter, of those that descend from this one."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if (folder / "cmdline").read_bytes().startswith(b"ray::Splitter"):
                found.append(int(folder.name))
        except OSError:  # ended meanwhile
            continue

    def is_ours(process: int) -> bool:
        return process == os.getpid() or (process in parents and is_ours(parents[process]))

    return [process for process in found if is_ours(process)]


def test_the_command_says_and_writes_the_same(cluster: Any, settings: Settings, stems: Run) -> None:
    Path("songs/bad.wav").write_text("no audio")
    options = ("--format", "flac", "--model", settings.model, "--json")
    assert stems("split", "songs", *options, "--out", "local", "--jobs", "1")[0] == 1
    ray = ("--cluster", "ray", "--ray-address", cluster.address)
    for expected in ({"done": 6, "failed": 1}, {"skipped": 6, "failed": 1}):
        code, said, _ = stems("split", "songs", *options, "--out", "out", *ray)
        rows = [json.loads(line) for line in said.splitlines()]
        assert (code, Counter(row["status"] for row in rows)) == (1, expected)
        assert {row["song"] for row in rows} == {f"songs/{n % 2}/{n}.wav" for n in range(6)} | {"songs/bad.wav"}
        assert local("out") == local("local")
    lines = stems("split", "songs", *options[:-1], *ray)[1].splitlines()
    assert lines[0].startswith("[1/7] ") and lines[-1] == "6 done, 1 failed."


def test_what_is_wrong_from_the_start_is_one_sentence(cluster: Any, settings: Settings, stems: Run) -> None:
    ray = ("--cluster", "ray", "--ray-address", cluster.address)
    code, _, complaint = stems("split", "songs", "--model", settings.model, "--device", "cuda", *ray)
    assert code == 1 and "cuda" in complaint and len(complaint.splitlines()) == 1
    assert not Path("separated").exists()
    code, _, complaint = stems("split", "songs", "--ray-address", cluster.address)
    assert code == 1 and "--ray-address goes with --cluster ray" in complaint


def test_a_song_that_kills_its_workers_costs_one_song(cluster: Any, settings: Settings) -> None:
    from stems.batch.ray_cluster import MOST_DEATHS, split_on_ray

    tries: Counter[int] = Counter()
    results: dict[int, Result] = {}

    def kill(number: int, share: float, seconds: float) -> None:
        tries[number] += 1
        if number == 1:
            while not workers():
                time.sleep(0.02)
            for process in workers():
                os.kill(process, signal.SIGKILL)

    tasks = plan(["songs/0"], settings)
    split_on_ray(tasks, settings, cluster.address, on_progress=kill, on_result=results.__setitem__)
    assert [results[number].status for number in range(3)] == ["done", "failed", "done"]
    assert tries == {0: 1, 1: MOST_DEATHS, 2: 1}
    assert f"songs/0/2.wav was not split because {MOST_DEATHS} workers died over it" in results[1].error
    assert len([name for name in local("out") if "/.stems-" not in name]) == 8


def test_a_song_whose_worker_dies_with_all_files_written_is_done(cluster: Any, settings: Settings) -> None:
    from stems.batch.ray_cluster import split_on_ray
    from stems.batch.workers import split_all

    tasks = plan(["songs/0"], settings)
    results: dict[int, Result] = {}
    tries: Counter[int] = Counter()

    def kill(number: int, share: float, seconds: float) -> None:
        tries[number] += 1
        if number == 1 and tries[1] == 1:
            while not workers():
                time.sleep(0.02)
            for process in workers():
                os.kill(process, signal.SIGKILL)
            split_all(tasks[1:2], settings, 1)  # what it would have written

    split_on_ray(tasks, settings, cluster.address, on_progress=kill, on_result=results.__setitem__)
    assert tries == {0: 1, 1: 2, 2: 1}
    assert {result.status for result in results.values()} == {"done"} and results[1].seconds == 40.0


def test_a_machine_that_dies_costs_nothing_but_time(cluster: Any, settings: Settings) -> None:
    from stems.batch.ray_cluster import split_on_ray
    from stems.batch.workers import split_all

    node = patiently(lambda: cluster.add_node(num_cpus=1, object_store_memory=10**8))
    tasks = plan(["songs"], settings)
    ended: list[tuple[int, str]] = []
    at_work: list[int] = []
    tries: Counter[int] = Counter()
    deaths: list[set[int]] = []

    def on_result(number: int, result: Result) -> None:
        ended.append((number, result.status))
        at_work.remove(number)

    def on_progress(number: int, share: float, seconds: float) -> None:
        tries[number] += 1
        if number not in at_work:
            at_work.append(number)
        if len(at_work) == 2 and not deaths:  # both nodes have a song
            deaths.append(set(at_work))
            cluster.remove_node(node, allow_graceful=False)

    split_on_ray(tasks, settings, cluster.address, on_progress=on_progress, on_result=on_result)
    assert deaths, "the second node never had a song"
    assert sorted(ended) == [(number, "done") for number in range(6)]
    assert sum(tries.values()) == 7, "the song in work on the node that died is split again"
    split_all(tasks, replace(settings, out=Path("local")), 1)
    assert local("out") == local("local") and len(local("out")) == 24
