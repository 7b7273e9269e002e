"""The programs in `examples/`, run on a song."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pedalboard.io import AudioFile

from stems.model import Model

torch.set_num_threads(1)
EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))


@pytest.fixture
def shipped(tmp_path: Path, small_model: Model, small_live_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small models in place of the shipped ones."""
    small_model.save(tmp_path / "weights" / "openband.safetensors")
    small_live_model.save(tmp_path / "weights" / "openband-live.safetensors")
    monkeypatch.setattr("stems.card.SHIPPED", tmp_path / "weights")


def test_there_are_examples() -> None:
    assert {path.stem for path in PROGRAMS} == {"guided", "karaoke", "live_remix", "parallel_drums", "vocal_chain"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("shipped")
def test_an_example_writes_a_song_as_long_as_it_read(
    program: Path, tmp_path: Path, music: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    audio, rate = music[0][:, 4 * music[1] : 7 * music[1]], music[1]
    song, result = tmp_path / "song.wav", tmp_path / "result.wav"
    with AudioFile(str(song), "w", rate, 2, bit_depth=32) as file:
        file.write(audio)
    monkeypatch.setattr(sys, "argv", [str(program), str(song), str(result)])
    runpy.run_path(str(program), run_name="__main__")
    with AudioFile(str(result)) as file:
        out, out_rate = file.read(file.frames), file.samplerate
    assert (out.shape, out_rate) == (audio.shape, rate)
    assert np.abs(out).max() > 0.05
    assert np.abs(out - audio).max() > 0.01
    together = np.sum(out * audio) / np.sqrt(np.sum(out**2) * np.sum(audio**2))
    assert together > 0.5  # it is still the song, and lines up with it


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_an_example_is_short(program: Path) -> None:
    assert len(program.read_text().splitlines()) < 40
