"""Properties of what keeps the vectors of a song, in memory or in a temporary file."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import stems.song.frames
from stems.song.frames import Frames


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kept_in_memory", [10, 2**20])
def test_frames_come_back_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kept_in_memory: int, precision: torch.dtype
) -> None:
    monkeypatch.setattr(stems.song.frames, "KEPT_IN_MEMORY", kept_in_memory)
    vectors = (torch.rand(50, 7) * 2 - 1).to(precision)
    frames = Frames(50, 7, precision)
    for first, last in ((39, 50), (0, 10), (10, 39)):
        frames.write(first, vectors[first:last].float())
    for first, count in ((0, 1), (1, 20), (21, 29), (5, 5), (40, 100), (50, 1)):
        again = frames.read(first, count)
        assert again.dtype == precision
        assert torch.equal(again, vectors[first : first + count])
    frames.save(tmp_path / "frames")
    frames.close()
    kept = Frames(50, 7, precision, tmp_path / "frames")
    assert torch.equal(kept.read(3, 40), vectors[3:43])
    kept.close()


@pytest.mark.parametrize("kept_in_memory", [10, 2**20])
def test_threads_write_and_read_at_the_same_time(monkeypatch: pytest.MonkeyPatch, kept_in_memory: int) -> None:
    monkeypatch.setattr(stems.song.frames, "KEPT_IN_MEMORY", kept_in_memory)
    frames = Frames(2000, 20)

    def keep(first: int) -> bool:
        frames.write(first, torch.full((5, 20), float(first)))
        return bool((frames.read(first, 5) == first).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(keep, range(0, 2000, 5)))
    frames.close()


LONG = """
import resource, sys, torch
from stems.song.frames import Frames

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
frames = Frames(200_000, 1000)
frames.write(199_990, torch.ones(10, 1000))
assert frames.read(199_990, 10).mean() == 1
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / (2**20 if sys.platform == "darwin" else 2**10))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is of Unix")
def test_the_frames_of_a_long_song_do_not_fill_the_memory() -> None:
    megabytes = float(subprocess.check_output([sys.executable, "-c", LONG], text=True))
    assert megabytes < 20  # 400 MB would be all of them
