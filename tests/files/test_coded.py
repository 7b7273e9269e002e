"""Stems as m4a and opus: in time, as long as the song, and exact where the codec is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stems.errors import OptionError
from stems.files.audio import open_song
from stems.files.formats import AudioFormat, output_format
from stems.files.writing import StemFiles


def written(path: Path, format: AudioFormat, samples: np.ndarray) -> np.ndarray:
    """A stem written in blocks and read again, (channels, samples)."""
    with StemFiles({"all": path}, format, samples.shape[1]) as files:
        for start in range(0, samples.shape[1], 7_001):
            block = samples[:, start : start + 7_001]
            files.write(block, {"all": block})
    with open_song(path) as song:
        return song.read_exact(0, song.samples)


@pytest.mark.parametrize("encoding", ["int16", "int24"])
@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [700, 20_011])
def test_alac_keeps_every_sample(tmp_path: Path, encoding: str, sample_rate: int, channels: int, samples: int) -> None:
    format = AudioFormat("alac", encoding, sample_rate, channels)
    integers = np.random.default_rng(0).integers(-(2 ** (format.bits - 1)), 2 ** (format.bits - 1), (channels, samples))
    path = tmp_path / f"all{format.suffix}"
    assert path.suffix == ".m4a"
    assert np.array_equal(written(path, format, integers / 2 ** (format.bits - 1)), integers / 2 ** (format.bits - 1))
    with open_song(path) as song:
        assert replace(song.format, container="alac") == format


@pytest.mark.parametrize(("container", "rates"), [("m4a", (22_050, 44_100, 48_000)), ("opus", (8_000, 44_100, 96_000))])
@pytest.mark.parametrize("channels", [1, 2])
def test_lossy_stems_are_as_long_as_the_song_and_in_time(
    tmp_path: Path, container: str, rates: tuple[int, ...], channels: int
) -> None:
    for sample_rate in rates:
        format = output_format(AudioFormat("wav", "int16", sample_rate, channels), container)
        seconds = np.arange(sample_rate + 37) / sample_rate
        samples = 0.3 * np.sin(2 * np.pi * (100 + 800 * seconds) * seconds) * np.ones((channels, 1))
        path = tmp_path / f"{sample_rate}{format.suffix}"
        found = written(path, format, samples)
        with open_song(path) as song:
            played = song.format.sample_rate
        assert played == (48_000 if container == "opus" else sample_rate)
        assert abs(found.shape[1] - len(seconds) * played / sample_rate) < 1
        at = np.arange(found.shape[1]) / played
        expected = 0.3 * np.sin(2 * np.pi * (100 + 800 * at) * at)
        middle = slice(2_000, -2_000)
        assert np.sqrt(np.mean((found[0, middle] - expected[middle]) ** 2)) < 0.02  # a sample late gives 0.02 and more


def test_rates_that_aac_has_not_are_refused() -> None:
    with pytest.raises(OptionError, match="192000 Hz"):
        output_format(AudioFormat("wav", "int16", 192_000, 2), "m4a")
