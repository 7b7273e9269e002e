"""Properties of the threads that compute on one core each."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from stems.cores import AHEAD, Cores
from stems.model import Model
from stems.separator import Separator

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """The number of threads that torch may use."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order_and_items_are_taken_only_a_few_ahead(threads: int) -> None:
    taken: list[int] = []
    with Cores(CPU) as cores:
        assert cores.count == threads
        for number, square in enumerate(cores.map(lambda item: item**2, (taken.append(n) or n for n in range(50)))):
            assert square == number**2
            assert len(taken) <= number + 1 + (1 + AHEAD) * threads
    assert taken == list(range(50))


def test_what_goes_wrong_is_raised_and_ends_the_threads(threads: int) -> None:
    begun = threading.active_count()
    with pytest.raises(ZeroDivisionError), Cores(CPU) as cores:
        list(cores.map(lambda item: 1 // item, [1, 2, 0, 3]))
    with Cores(CPU) as cores:
        results = cores.map(lambda item: item, range(1000))
        assert next(results) == 0
        results.close()
    assert threading.active_count() == begun


def test_each_thread_computes_on_one_core_and_no_other_thread_hears_of_it(threads: int) -> None:
    def counted(_: int) -> int:
        torch.rand(300, 300) @ torch.rand(300, 300)
        return torch.get_num_threads()

    with Cores(CPU) as cores:
        assert set(cores.map(counted, range(9))) == {1}
        for _ in range(2):  # threads that have begun before and after
            with ThreadPoolExecutor(1) as pool:
                assert (torch.get_num_threads(), pool.submit(torch.get_num_threads).result()) == (threads, threads)
    with ThreadPoolExecutor(1) as pool:
        assert (torch.get_num_threads(), pool.submit(torch.get_num_threads).result()) == (threads, threads)


def test_separations_that_begin_and_end_across_each_other_leave_all_cores_to_later_threads(
    threads: int, small_model: Model
) -> None:
    separator, audio = Separator(small_model), np.random.default_rng(0).uniform(-0.1, 0.1, (1, 40_000))
    overlap = threading.Barrier(2)

    def separate(number: int) -> int:
        if number < 2:  # two at the same time, and one after the other has begun
            overlap.wait()
        separator(audio, 8_000, progress=lambda share: overlap.wait() if share == 0 and number < 2 else None)
        return torch.get_num_threads()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(separate, range(4))) == {threads}
    with ThreadPoolExecutor(1) as pool:
        assert (torch.get_num_threads(), pool.submit(torch.get_num_threads).result()) == (threads, threads)


def test_stems_do_not_depend_on_the_number_of_cores(small_model: Model) -> None:
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 60_000)).astype(np.float32)
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(Separator(small_model)(audio, 8_000))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for name, stem in other.items():
            assert np.abs(stem - found[0][name]).max() < 1e-6


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.parametrize("alone", [True, False])
def test_large_products_stay_on_one_core_where_they_should(alone: bool) -> None:
    code = (
        "import contextlib, os, torch; from stems.cores import one_core; torch.set_num_threads(3)\n"
        f"with one_core() if {alone} else contextlib.nullcontext():\n"
        "    before = len(os.listdir('/proc/self/task')); matrix = torch.randn(1200, 1200)\n"
        "    (matrix @ matrix).exp().sum(); print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (int(result.stdout) == 0) == alone
