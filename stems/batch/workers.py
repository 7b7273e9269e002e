"""Processes that share the songs of a batch."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from stems.batch.outcome import Result
from stems.batch.plan import Settings
from stems.batch.split import cores, load_separator, split_song
from stems.batch.tasks import Task
from stems.ending import ending_at_once
from stems.errors import StemsError

OnProgress = Callable[[int, float, float], None]  # number of the task, share that is done, seconds of the song
OnResult = Callable[[int, Result], None]

STOPS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_READY = "ready"  # the first news of a worker, before which it has touched no file


def split_all(
    tasks: Sequence[Task],
    settings: Settings,
    jobs: int,
    on_progress: OnProgress = lambda number, share, seconds: None,
    on_result: OnResult = lambda number, result: None,
) -> None:
    """Splits every task; one that fails does not stop the others.

    Args:
        tasks: each is asked for when its turn comes.
        jobs: songs at a time. One is split in this process with all cores, more in processes that share them.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the unfinished files of all workers are gone.
        StemsError: before any work, if the model or the device cannot be had.
    """
    if jobs > 1 and len(tasks) > 1:
        _split_in_processes(tasks, settings, min(jobs, len(tasks)), on_progress, on_result)
        return
    with ThreadPoolExecutor(1, "loading") as loader:
        separator = loader.submit(load_separator, settings)  # meanwhile the first song is decoded
        for number, task in enumerate(tasks):
            result = split_song(task, settings, separator, partial(on_progress, number))
            separator.result()
            on_result(number, result)
        separator.result()


def _split_in_processes(
    tasks: Sequence[Task], settings: Settings, jobs: int, on_progress: OnProgress, on_result: OnResult
) -> None:
    waiting, over = deque(range(len(tasks))), 0
    workers: list[_Worker] = []
    try:
        while over < len(tasks):
            while waiting and len(workers) < jobs:
                workers.append(_Worker(settings, max(1, cores() // jobs)))
                workers[-1].take(waiting[0], tasks[waiting.popleft()])
            heard = wait([worker.connection for worker in workers])
            for worker in [worker for worker in workers if worker.connection in heard]:
                news = worker.hear()
                if isinstance(news, StemsError):
                    raise news
                if isinstance(news, tuple):
                    on_progress(worker.number, *news)
                if isinstance(news, Result):
                    over += 1
                    on_result(worker.number, news)
                    if waiting and worker.is_alive:
                        worker.take(waiting[0], tasks[waiting.popleft()])
                    else:
                        workers.remove(worker)
                        worker.dismiss()
    finally:
        for worker in workers:
            worker.dismiss()
        for worker in workers:
            worker.process.join()


class _Worker:
    """A process that splits one song after the other."""

    def __init__(self, settings: Settings, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, its_own = context.Pipe()
        self.process = context.Process(target=_serve, args=(its_own, settings, threads))
        with _deaf_to_stops():
            self.process.start()
        its_own.close()  # or the end of the process would go unnoticed
        self.is_ready, self.is_alive = False, True

    def take(self, number: int, task: Task) -> None:
        """Gives it the next song."""
        self.number, self.task = number, task
        with suppress(OSError):  # it has died, as will be heard
            self.connection.send(task)

    def hear(self) -> tuple[float, float] | Result | StemsError | None:
        """Waits for its news: progress, what became of its song, or why it cannot work."""
        try:
            news = self.connection.recv()
        except (EOFError, OSError):
            self.is_alive = False
            remedy = "the system may be out of memory, try --jobs 1"
            song = self.task.song
            return Result(song, "failed", error=f"{song} was not split because its worker died: {remedy}.")
        if news == _READY:
            self.is_ready = True
            return None
        return news  # type: ignore[no-any-return]

    def dismiss(self) -> None:
        """Ends it, after it has removed the files of an unfinished song."""
        if not self.is_ready and not self.connection.poll():
            self.process.kill()  # it may have to load torch for a while yet
        self.connection.close()


@contextmanager
def _deaf_to_stops() -> Iterator[None]:
    """Processes that start meanwhile inherit that Ctrl-C and the like, which reach them as well, do nothing."""
    if not hasattr(signal, "pthread_sigmask"):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        return
    resource_tracker.ensure_running()  # which unblocks signals when it starts
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@ending_at_once()
def _serve(connection: Connection, settings: Settings, threads: int) -> None:
    """What a worker does, until the other end of the connection is closed, be it that the batch was killed."""
    for stop in STOPS:
        signal.signal(stop, signal.SIG_IGN)
    try:
        separator = load_separator(settings)
    except StemsError as error:
        connection.send(error)
        return
    import torch

    torch.set_num_threads(threads)

    def report(share: float, seconds: float) -> None:
        connection.send((share, seconds))

    with suppress(EOFError, OSError):  # the other end is closed
        connection.send(_READY)
        while True:
            task = connection.recv()
            connection.send(split_song(task, settings, separator, report, cancelled=connection.poll))
