"""Batches that are killed or stopped at any moment: the next run gives the same, byte for byte, and nothing is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

MOMENTS = int(os.environ.get("STEMS_TEST_MOMENTS", "2"))  # 100 take some minutes
PROGRAM = "import sys, datetime; from stems.cli import main\nif __name__ == '__main__': main()"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows other ways to end a program")


def start(weights: Path, out: Path) -> subprocess.Popen[bytes]:
    options = ["--out", str(out), "--jobs", "2", "--daw", "ardour,reaper,audacity", "--format", "flac"]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "split", "songs", "--model", str(weights), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(weights: Path, out: Path) -> None:
    process = start(weights, out)
    _, complaints = process.communicate()
    assert (process.returncode, complaints) == (0, b"")


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM] if sys.platform != "win32" else [])
def test_the_next_run_gives_the_same_byte_for_byte(
    tmp_path: Path, small_weights: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("songs").mkdir()
    for name in "abc":
        audio = np.random.default_rng(ord(name)).uniform(-0.3, 0.3, (8_000 * 4, 2))
        soundfile.write(f"songs/{name}.wav", audio, 8_000, subtype="PCM_16")
    begun = time.monotonic()
    finish(small_weights, Path("out"))
    seconds = time.monotonic() - begun
    expected = contents(Path("out"))
    assert len(expected) == 3 * (4 + 2 + 6)

    rng = random.Random(int(number))
    for _ in range(MOMENTS):
        for path in expected:
            Path("out", path).unlink(missing_ok=True)
        process = start(small_weights, Path("out"))
        time.sleep(rng.uniform(0.3, 1.0) * seconds)
        process.send_signal(number)
        _, complaints = process.communicate()
        if number == signal.SIGTERM and process.returncode:
            # Or ended by it while Python starts or ends, outside of the program, which shells take for the same.
            assert process.returncode in (128 + number, -number)
            assert b"Traceback" not in complaints
            assert not list(Path("out").rglob(".stems-*"))
        finish(small_weights, Path("out"))
        assert contents(Path("out")) == expected
