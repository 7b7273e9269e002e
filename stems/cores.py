"""Threads that compute on one processor core each."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import TypeVar

import torch

from stems.errors import OptionError

Item = TypeVar("Item")
Result = TypeVar("Result")

_used_in: int | None = None  # the process in which several cores have computed

AHEAD = 1  # results for each core that are waited for at once, so that no core rests and few of them fill the memory


class Cores:
    """As many threads as torch may use, each of which computes on one core.

    Sharing a small operation among cores takes longer than computing it, but each core can have a piece of a song of
    its own. So that no operation is shared out once more, OpenMP is told in these threads alone that they have one
    core: `torch.set_num_threads` would say so to every thread that begins later, also to those of other programs.

    What is computed does not depend on the number of cores. Close it, or use it in a `with` block.

    Args:
        device: where the work is done; a device that is not the CPU has one thread, the caller's.

    Raises:
        OptionError: in a process that was forked from one where several cores have computed.
    """

    def __init__(self, device: torch.device) -> None:
        self.count = torch.get_num_threads() if device.type == "cpu" else 1
        if self.count > 1:
            _check_not_forked()
        self._pool = ThreadPoolExecutor(self.count, "stems", _compute_on_one_core) if self.count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What the function makes of each item, in order; items are taken only a few ahead of the results."""
        if self._pool is None:
            for item in items:
                yield _inferred(function, item)
            return
        rest, waiting = iter(items), deque[Future[Result]]()
        try:
            for item in islice(rest, (1 + AHEAD) * self.count):
                waiting.append(self._pool.submit(_inferred, function, item))
            while waiting:
                result = waiting.popleft().result()
                for item in islice(rest, 1):
                    waiting.append(self._pool.submit(_inferred, function, item))
                yield result
                del result  # or it would be kept while the next is waited for
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Ends the threads once they have done what they have begun."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Cores:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_not_forked() -> None:
    """OpenMP, by which torch shares work among cores, waits for ever for threads that a fork leaves behind."""
    global _used_in
    if _used_in not in (None, os.getpid()):
        raise OptionError(
            "This process was forked from one that has separated already, where torch would hang: start processes by "
            'multiprocessing.get_context("spawn"), or fork before anything is separated.'
        )
    _used_in = os.getpid()


@contextmanager
def one_core() -> Iterator[None]:
    """Computes what is in this block, or in a function with this decorator, on one core.

    It is for many small operations: shared out they take a hundred times as long where other programs are busy, since
    at the end of each one core waits for another that does not get its turn.
    """
    before = _limit_mkl(1)
    try:
        with _limit_openmp():
            yield
    finally:
        _limit_mkl(before)


def _compute_on_one_core() -> None:
    """Limits this thread for good."""
    _limit_mkl(1)
    _limit_openmp()


def _limit_openmp() -> AbstractContextManager[object]:
    """Limits OpenMP in this thread to one core, until the context is left."""
    from threadpoolctl import ThreadpoolController

    torch.get_num_threads()  # which sets torch up in this thread; later it would undo the limit
    limit: AbstractContextManager[object] = ThreadpoolController().limit(limits=1, user_api="openmp")
    return limit


def _limit_mkl(count: int) -> int:
    """Limits in this thread the matrix products of MKL, which is part of torch on x86 and heeds no OpenMP.

    Returns:
        What was the limit before.
    """
    torch.get_num_threads()
    library = ctypes.CDLL(torch._C.__file__)
    limit = getattr(library, "MKL_Set_Num_Threads_Local", None)
    return int(limit(count)) if limit else count


@torch.inference_mode()
def _inferred(function: Callable[[Item], Result], item: Item) -> Result:
    """Calls a function in a thread, which does not know of the inference mode of another."""
    return function(item)
