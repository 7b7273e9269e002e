"""Processes that share the songs of a batch."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from threading import Thread
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
        StemsError: before any work, if the model or the device cannot be had.
    """
    from stems.separator import Separator

    # Here even if only workers need one: it may raise.
    separator = Separator(settings.model, settings.device, hints=settings.hints)
    if jobs > 1 and len(tasks) > 1:
        return _split_in_processes(tasks, settings, min(jobs, len(tasks)), on_progress, on_result)
    results = []
    for number, task in enumerate(tasks):
        result = split_song(task, settings, separator, partial(on_progress, number))
        on_result(number, result)
        results.append(result)
    return results


def _split_in_processes(
    tasks: Sequence[Task], settings: Settings, jobs: int, on_progress: OnProgress, on_result: OnResult
) -> list[Result]:
    context = multiprocessing.get_context("spawn")
    news, stop = context.Queue(), context.Event()
    threads = max(1, cores() // jobs)
    pool = ProcessPoolExecutor(jobs, context, _start, (settings, threads, news, stop))
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
    Thread(target=_end_with_parent, daemon=True).start()
    news.cancel_join_thread()  # when the batch is stopped, nobody reads the last news
    import torch

    from stems.separator import Separator

    torch.set_num_threads(threads)
    separator = Separator(settings.model, settings.device, hints=settings.hints)
    _worker.update(settings=settings, separator=separator, news=news, stop=stop)


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed, which would wait for its next task forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(number: int, task: Task) -> Result:
    return split_song(
        task,
        _worker["settings"],
        _worker["separator"],
        lambda share, seconds: _worker["news"].put((number, share, seconds)),
        _worker["stop"].is_set,
    )
