"""How much work a split is, counted and not timed: reads of the song, Fourier transforms, bytes that are copied."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stems.batch.plan import Settings, Task
from stems.batch.presets import load_preset
from stems.batch.split import split_song
from stems.errors import ModelError
from stems.files.audio import Song
from stems.separator import Separator

RATE, SECONDS = 44_100, 20
AROUND = 1.1  # what pieces read and transform once more at their ends
COPIES = ("aten.copy_", "aten.clone", "aten.cat", "aten.stack", "aten._to_copy", "aten.index", "aten.flip")


class CountCopies(TorchDispatchMode):
    """Counts the bytes that operations write which compute nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if str(func).rpartition(".")[0] in COPIES:
            self.bytes += found.numel() * found.element_size()
        return found


class Loading(Future[Separator]):
    """A separator that cannot be loaded, which is found out when somebody waits for it."""

    def __init__(self, count: Callable[[], int]) -> None:
        super().__init__()
        self.count, self.decoded = count, 0

    def result(self, timeout: float | None = None) -> Separator:
        self.decoded = self.count()
        raise ModelError("There is no model.")


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts samples of one channel that are decoded, and windows that are transformed."""
    counts: Counter[str] = Counter()
    decode, rfft, irfft = Song._decode, torch.fft.rfft, torch.fft.irfft

    def decoded(self: Song, *arguments: Any) -> np.ndarray:
        block = decode(self, *arguments)
        counts["decoded"] += len(block)
        return block

    def transformed(frames: torch.Tensor, **options: Any) -> torch.Tensor:
        counts["transformed"] += frames.shape[:-1].numel()
        return rfft(frames, **options)

    def transformed_back(spectra: torch.Tensor, **options: Any) -> torch.Tensor:
        counts["transformed back"] += spectra.shape[:-1].numel()
        return irfft(spectra, **options)

    monkeypatch.setattr(Song, "_decode", decoded)
    monkeypatch.setattr(torch.fft, "rfft", transformed)
    monkeypatch.setattr(torch.fft, "irfft", transformed_back)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # so that all is done in this thread, where copies are counted
    yield counts
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator()


def split(name: str, folder: Path, separator: Separator) -> None:
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, (RATE * SECONDS, 2))
    soundfile.write(folder / name, audio, RATE)
    settings = Settings(load_preset("stems"), folder / "out")
    result = split_song(Task(folder / name, Path(), "song"), settings, separator)
    assert result.status == "done", result.error


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("song.wav", 3),  # its loudness, its levels and its masks
        ("song.flac", 2),  # its length, since headers may lie, and its samples
        ("song.ogg", 2),
    ],
)
def test_a_song_is_decoded_no_more_often_than_it_must(
    tmp_path: Path, separator: Separator, work: Counter[str], name: str, times: int
) -> None:
    split(name, tmp_path, separator)
    assert times <= work["decoded"] / (RATE * SECONDS) < times * AROUND


def test_spectra_are_computed_twice_and_turned_back_once_for_each_stem_but_one(
    tmp_path: Path, separator: Separator, work: Counter[str]
) -> None:
    split("song.wav", tmp_path, separator)
    windows = 2 * separator.model.grid(RATE).frames(RATE * SECONDS)
    assert 2 <= work["transformed"] / windows < 2 * AROUND  # the whole song is heard before it is cut
    assert work["transformed back"] == (len(separator.stems) - 1) * windows


def test_a_wav_is_split_without_the_compiler_of_torch_and_without_ffmpeg(tmp_path: Path, small_weights: Path) -> None:
    soundfile.write(tmp_path / "song.wav", np.random.default_rng(0).uniform(-0.3, 0.3, (RATE, 2)), RATE)
    script = (
        "import sys\nfrom stems.cli import main\n"
        f"sys.argv[1:] = ['split', 'song.wav', '--jobs', '1', '--model', {str(small_weights)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert 'torch' in sys.modules\n"
        "print('loaded:', sorted({'torch._dynamo', 'torch._inductor', 'sympy', 'av', 'scipy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "loaded: []"


def test_a_song_is_decoded_while_the_separator_is_loading(tmp_path: Path, work: Counter[str]) -> None:
    soundfile.write(tmp_path / "song.ogg", np.random.default_rng(0).uniform(-0.3, 0.3, (RATE * SECONDS, 2)), RATE)
    loading, settings = Loading(lambda: work["decoded"]), Settings(load_preset("stems"), tmp_path / "out")
    result = split_song(Task(tmp_path / "song.ogg", Path(), "song"), settings, loading)
    assert result.status == "failed" and "no model" in result.error
    assert loading.decoded == 2 * RATE * SECONDS  # its length and its samples


def test_few_bytes_are_copied(tmp_path: Path, separator: Separator, work: Counter[str]) -> None:
    with CountCopies() as copies:
        split("song.wav", tmp_path, separator)
    song = RATE * SECONDS * 2 * 4  # bytes, in single precision
    assert 0 < copies.bytes / song < 30
