"""Processes that share the songs of a batch."""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import Any

from stems.batch import Result, Settings, Task, cores, split_song

OnProgress = Callable[[int, float, float], None]  # number of the task, share that is done, seconds of the song
OnResult = Callable[[int, Result], None]

_worker: dict[str, Any] = {}  # what a worker process was started with


def split_all(
    tasks: Sequence[Task],
    settings: Settings,
    jobs: int,
    on_progress: OnProgress = lambda number, share, seconds: None,
    on_result: OnResult = lambda number, result: None,
) -> list[Result]:
    """Splits every task; one that fails does not stop the others.

    Args:
        jobs: songs at a time. One is split in this process with all cores, more in processes that share them.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the unfinished files of all workers are gone.
        StemsError: if the model or the device cannot be had.
    """
    if jobs > 1 and len(tasks) > 1:
        return _split_in_processes(tasks, settings, min(jobs, len(tasks)), on_progress, on_result)

    @cache
    def separator() -> Any:
        from stems.separator import Separator

        return Separator(settings.model, settings.device)

    results = []
    for number, task in enumerate(tasks):
        result = split_song(task, settings, separator, lambda *state, n=number: on_progress(n, *state))  # type: ignore[misc]
        on_result(number, result)
        results.append(result)
    return results


def _split_in_processes(
    tasks: Sequence[Task], settings: Settings, jobs: int, on_progress: OnProgress, on_result: OnResult
) -> list[Result]:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        news, stop = manager.Queue(), manager.Event()
        threads = max(1, cores() // jobs)
        pool = ProcessPoolExecutor(jobs, context, _start, (settings, threads, news, stop))
        waiting: dict[Future[Result], int] = {}
        results: dict[int, Result] = {}
        try:
            waiting = {pool.submit(_work, number, task): number for number, task in enumerate(tasks)}
            while waiting:
                _pass_on(news, on_progress)
                for future in [future for future in waiting if future.done()]:
                    number = waiting.pop(future)
                    results[number] = _outcome(future, tasks[number])
                    on_result(number, results[number])
        except BaseException:
            stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return [results[number] for number in sorted(results)]


def _pass_on(news: Any, on_progress: OnProgress) -> None:
    """Waits a moment for news and passes on all there is."""
    try:
        on_progress(*news.get(timeout=0.1))
        while True:
            on_progress(*news.get_nowait())
    except queue.Empty:
        pass


def _outcome(future: Future[Result], task: Task) -> Result:
    try:
        return future.result()
    except BrokenProcessPool:
        remedy = "the system may be out of memory, try --jobs 1"
        return Result(task.song, "failed", error=f"{task.song} was not split because a worker died: {remedy}.")


def _start(settings: Settings, threads: int, news: Any, stop: Any) -> None:
    """Makes a process a worker, which is stopped by `stop` alone: Ctrl-C reaches every process of a terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from stems.separator import Separator

    torch.set_num_threads(threads)
    separator = cache(lambda: Separator(settings.model, settings.device))
    _worker.update(settings=settings, separator=separator, news=news, stop=stop)


def _work(number: int, task: Task) -> Result:
    return split_song(
        task,
        _worker["settings"],
        _worker["separator"],
        lambda share, seconds: _worker["news"].put((number, share, seconds)),
        _worker["stop"].is_set,
    )
