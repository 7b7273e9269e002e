"""Songs shared out over the machines of a Ray cluster: https://docs.ray.io."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from stems.batch.outcome import Result
from stems.batch.plan import Settings
from stems.batch.split import cores, load_separator, split_song
from stems.batch.tasks import Task
from stems.batch.workers import OnProgress, OnResult
from stems.errors import OptionError, StemsError

MOST_DEATHS = 3
"""Of workers over one song, after which the song is what kills them; fewer may be nodes that went away."""

_PATIENCE_SECONDS = 10.0
_STORE_BYTES = 10**8  # Ray's least and some more: what goes round here is small
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what it would say of dead workers on standard output, amid lines of JSON
}
"""Settings of Ray, read when it is imported."""


class Splitter:
    """A worker of the cluster, with a model of its own, on one core or one GPU."""

    def __init__(self, settings: Settings, folder: str) -> None:
        self.settings, self.folder = settings, folder
        self.is_stopped = False

    def load(self) -> str | StemsError:
        """Loads the model; returns the machine that this runs on, or why it cannot be had."""
        import ray

        with suppress(OSError):  # what is named relative to it will not be found, and says so
            os.chdir(self.folder)
        try:
            self.separator = load_separator(self.settings)
        except StemsError as error:
            return error
        import torch

        torch.set_num_threads(1)  # Ray sets OpenMP's number of threads alone
        return str(ray.get_runtime_context().get_node_id())

    def split(self, task: Task, again: bool) -> Result:
        """Splits one song; `again` where an earlier worker died over it, maybe with all of its files written."""
        settings = replace(self.settings, overwrite=True) if again else self.settings
        return split_song(task, settings, self.separator, cancelled=lambda: self.is_stopped)

    def stop(self) -> None:
        """Ends the song in work, without any files left of it."""
        self.is_stopped = True


def split_on_ray(
    tasks: Sequence[Task],
    settings: Settings,
    address: str | None = None,
    jobs: int | None = None,
    on_progress: OnProgress = lambda number, share, seconds: None,
    on_result: OnResult = lambda number, result: None,
) -> None:
    """Splits every task; one that fails does not stop the others, nor does a machine that goes away.

    Each worker has one song at a time, and gets the next once that is done, so that nothing waits in the cluster.

    Args:
        tasks: each is asked for when its turn comes.
        address: of a cluster that runs already, such as `ray://head:10001` or `auto`; one is begun on this machine
            and ended afterwards when left out.
        jobs: songs at a time; as many as the cluster has cores, or GPUs, when left out.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the songs in work have ended.
        OptionError: the cluster cannot be reached.
        StemsError: before any work, if the model or the device cannot be had.
    """
    for key, value in _QUIET.items():
        os.environ.setdefault(key, value)
    import ray

    with _cluster(ray, address, jobs):
        pool = _Pool(ray, settings, jobs)
        waiting, over = deque(range(len(tasks))), 0
        deaths = Counter[int]()  # of workers over each song; 0 where it was the machine that went away
        try:
            while over < len(tasks):
                pool.grow(len(waiting))
                for number, outcome in pool.ended():
                    if isinstance(outcome, Result):
                        over += 1
                        on_result(number, outcome)
                        continue
                    deaths[number] += outcome
                    if deaths[number] < MOST_DEATHS:
                        waiting.appendleft(number)
                    else:
                        over += 1
                        on_result(number, _killer(tasks[number]))
                for number in pool.fill(waiting, tasks, lost=deaths):
                    on_progress(number, 0.0, 0.0)
        finally:
            pool.close()


def _killer(task: Task) -> Result:
    remedy = "the machines may be out of memory, give each worker more by a smaller --jobs"
    error = f"{task.song} was not split because {MOST_DEATHS} workers died over it: {remedy}."
    return Result(task.song, "failed", error=error)


@contextmanager
def _cluster(ray: Any, address: str | None, jobs: int | None) -> Iterator[None]:
    """Joins a cluster, or begins one that ends with the block."""
    begun = {"include_dashboard": False, "num_cpus": jobs or cores(), "object_store_memory": _STORE_BYTES}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **({} if address else begun))
    except Exception as error:  # a plain one where its own processes did not start in time
        ray.shutdown()
        reason = " ".join(str(error).split())
        if address:
            raise OptionError(
                f"--ray-address {address} is no cluster that can be reached ({reason}): check it."
            ) from error
        raise OptionError(
            f"Ray did not start on this machine ({reason}): try again, or leave out --cluster."
        ) from error
    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # which Ray has taken for itself
        yield
    finally:
        ray.shutdown()


class _Pool:
    """Workers, each of which has one song at a time.

    Args:
        ray: the package.
        settings: how songs are split.
        jobs: the most workers.
    """

    def __init__(self, ray: Any, settings: Settings, jobs: int | None) -> None:
        self.ray, self.settings, self.jobs = ray, settings, jobs
        self._starting: dict[Any, Any] = {}  # what tells that a worker is there, and the worker
        self._at_work: dict[Any, tuple[Any, int]] = {}  # what tells that a song is over, the worker, and the song
        self._idle: list[Any] = []
        self._machines: dict[Any, str] = {}  # of workers

    def grow(self, songs: int) -> None:
        """Starts workers where there is room for them, and songs for them to do."""
        resources = self.ray.cluster_resources()
        gpus = resources.get("GPU", 0.0) if self.settings.device in ("auto", "cuda") else 0.0
        room = self.jobs or int(gpus or resources.get("CPU", 1))
        room = max(1, min(room, len(self._at_work) + songs))
        share = min(1.0, gpus / room)
        kind = self.ray.remote(num_cpus=1, num_gpus=share, max_concurrency=2)(Splitter)
        while len(self._starting) + len(self._at_work) + len(self._idle) < room:
            worker = kind.remote(self.settings, os.getcwd())
            self._starting[worker.load.remote()] = worker

    def fill(self, waiting: deque[int], tasks: Sequence[Task], lost: Container[int]) -> Iterator[int]:
        """Gives songs to the workers that have none; yields their numbers. Over those lost, a worker has died."""
        while waiting and self._idle:
            worker, number = self._idle.pop(), waiting.popleft()
            self._at_work[worker.split.remote(tasks[number], number in lost)] = worker, number
            yield number

    def ended(self) -> Iterator[tuple[int, Result | int]]:
        """Waits for news: songs with their results, or with 1 where the worker has died, 0 where its machine has.

        Raises:
            StemsError: a worker cannot work.
        """
        ready, _ = self.ray.wait([*self._starting, *self._at_work], num_returns=1, timeout=1.0)
        for news in ready:
            is_new = news in self._starting
            worker, number = (self._starting.pop(news), -1) if is_new else self._at_work.pop(news)
            try:
                outcome = self.ray.get(news)
            except self.ray.exceptions.RayError:
                machine = self._machines.pop(worker, "")
                if not is_new:
                    yield number, int(machine in self._alive())
                self.ray.kill(worker)  # which may be alive, but out of reach
                continue
            if isinstance(outcome, StemsError):
                raise outcome
            self._idle.append(worker)
            if is_new:
                self._machines[worker] = outcome
            else:
                yield number, outcome

    def _alive(self) -> set[str]:
        return {node["NodeID"] for node in self.ray.nodes() if node["Alive"]}

    def close(self) -> None:
        """Ends the songs in work, which leave no files behind."""
        for worker, _ in self._at_work.values():
            worker.stop.remote()
        if self._at_work:
            self.ray.wait([*self._at_work], num_returns=len(self._at_work), timeout=_PATIENCE_SECONDS)
