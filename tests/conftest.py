"""A small model and real audio, for the tests of every room."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from made_songs import made_song

if TYPE_CHECKING:
    from stems.model import Model

EXAMPLE = Path(__file__).parents[1] / "examples" / "song.ogg"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c() -> None:
    """Programs that tests start can be interrupted and hung up, also where the tests run in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # as nohup has it
        signal.signal(signal.SIGHUP, lambda number, frame: None)  # which programs that are started do not inherit


@pytest.fixture
def stems(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process: its exit code, what it said, and what it complained about."""
    from stems.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stems", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture(scope="session")
def small_model() -> Model:
    """A model of untrained weights that cuts clearly, for what holds whatever the weights are."""
    import torch

    from stems.model import Design, Model
    from stems.network.embedding import NetworkShape
    from stems.spectrum import Bands

    torch.manual_seed(0)
    network = NetworkShape(bands=96, dimensions=6, layers=1, units=16)
    return Model(Design(bands=Bands(count=96), network=network), {"name": "small", "licence": "CC0"}).eval()


@pytest.fixture(scope="session")
def small_weights(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the small model."""
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    small_model.save(path)
    return path


@pytest.fixture(scope="session")
def music() -> tuple[np.ndarray, int]:
    """The song in `examples/`: float32 (2, samples), and its sample rate."""
    from stems.files.audio import open_song

    with open_song(EXAMPLE) as song:
        return song.read(0, song.samples), song.format.sample_rate


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `--data` folder to train on, with three songs with stems in `songs/`."""
    import soundfile

    folder = tmp_path_factory.mktemp("material")
    rng = np.random.default_rng(0)
    for number in range(3):
        place = folder / "songs" / f"song {number}"
        place.mkdir(parents=True)
        for name, audio in made_song(rng, 44100).items():
            soundfile.write(place / f"{name}.wav", audio, 44100)
    return folder


@pytest.fixture(scope="session")
def small_live_model() -> Model:
    """A model like `openband-live`, small, of untrained weights that cut clearly."""
    from made_models import live_model

    return live_model()


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder, while file permissions hold for this process even if root runs it."""
    if not hasattr(os, "geteuid"):
        pytest.skip("needs POSIX permissions")
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        if user == 0:
            os.seteuid(65_534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


@pytest.fixture
def read_only_folder(unprivileged: Path) -> Iterator[Path]:
    """A folder that this process may not write into, even if root runs it."""
    user = os.geteuid()
    os.seteuid(os.getuid())
    os.chmod(unprivileged, 0o555)
    os.seteuid(user)
    yield unprivileged
    os.seteuid(os.getuid())
    os.chmod(unprivileged, 0o755)
    os.seteuid(user)
