"""Batches over passages, odd samples and songs above full scale: right, or refused with the reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stems.batch.outcome import Result
from stems.batch.plan import Settings, Task
from stems.batch.presets import load_preset
from stems.batch.split import split_song
from stems.cli.options import reading_of
from stems.errors import OptionError
from stems.files.audio import Reading, open_song
from stems.files.spool import SpooledSong
from stems.model import Model
from stems.separator import Separator


@pytest.fixture(scope="module")
def separator(small_model: Model) -> Separator:
    return Separator(small_model)


def split(song: Path, separator: Separator, **options: object) -> Result:
    settings = replace(Settings(load_preset("stems")), out=song.parent / "out", **options)
    return split_song(Task(song, Path(), song.stem), settings, separator)


def total(result: Result) -> np.ndarray:
    return np.sum([soundfile.read(path, always_2d=True)[0] for path in result.outputs.values()], 0)


def noise(seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(0).uniform(-level, level, (int(8_000 * seconds), 2))


def test_a_passage_is_split_again_where_the_whole_song_was_split_before(tmp_path: Path, separator: Separator) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, noise(4), 8_000, "PCM_16")
    read = soundfile.read(song)[0]
    for reading, expected in (
        (Reading(), read),
        (Reading(begin=1.0, end=2.5), read[8_000:20_000]),
        (Reading(), read),
    ):
        result = split(song, separator, reading=reading)
        assert result.status == "done"
        assert np.array_equal(total(result), expected)
        assert split(song, separator, reading=reading).status == "skipped"


@pytest.mark.parametrize("bit_depth", [None, "16", "32"])
def test_denormal_samples_give_stems_as_silent_as_they_are(
    tmp_path: Path, separator: Separator, bit_depth: str | None
) -> None:
    soundfile.write(tmp_path / "song.wav", noise(level=1e-41).astype(np.float32), 8_000, "FLOAT")
    result = split(tmp_path / "song.wav", separator, bit_depth=bit_depth)
    assert result.status == "done"
    assert np.abs(total(result)).max() < 1e-38


@pytest.mark.parametrize(("value", "subtype"), [(1e39, "DOUBLE"), (3e38, "FLOAT"), (2.0**33, "FLOAT")])
def test_samples_near_the_end_of_single_precision_are_refused(
    tmp_path: Path, separator: Separator, value: float, subtype: str
) -> None:
    samples = noise()
    samples[4_000, 0] = -value
    soundfile.write(tmp_path / "song.wav", samples, 8_000, subtype)
    result = split(tmp_path / "song.wav", separator)
    assert result.status == "failed"
    assert "far beyond full scale at 0.500 s" in result.error
    assert not (tmp_path / "out").exists()


def test_integers_that_were_saved_as_floats_are_split(tmp_path: Path, separator: Separator) -> None:
    samples = np.round(noise(level=2.0**31 - 256)).astype(np.float32)
    soundfile.write(tmp_path / "song.wav", samples, 8_000, "FLOAT")
    result = split(tmp_path / "song.wav", separator)
    assert result.status == "done"
    np.testing.assert_allclose(total(result), samples, atol=2.0**31 * 1e-6)


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_a_song_above_full_scale_is_clipped_with_a_note_or_rescaled(
    tmp_path: Path, separator: Separator, container: str
) -> None:
    samples = noise(level=0.5)
    samples[[100, 5_000], 0] = 2.0
    soundfile.write(tmp_path / "song.wav", samples, 8_000, "FLOAT")
    options = {"container": container, "bit_depth": "24", "overwrite": True}
    clamped = split(tmp_path / "song.wav", separator, **options)
    assert "clipped 2 samples above full scale (by up to 6.0 dB)" in clamped.note
    assert clamped.as_json()["note"] == clamped.note
    np.testing.assert_allclose(total(clamped), np.clip(samples, -1, 1), atol=2**-22)
    rescaled = split(tmp_path / "song.wav", separator, clip_mode="rescale", **options)
    assert rescaled.note.startswith("made 6.0 dB quieter")
    assert "clipped" not in rescaled.note
    np.testing.assert_allclose(total(rescaled), samples / 2, atol=2**-22)


def test_nothing_is_said_of_a_song_that_fits(tmp_path: Path, separator: Separator) -> None:
    soundfile.write(tmp_path / "song.wav", noise(level=0.99), 8_000, "FLOAT")
    result = split(tmp_path / "song.wav", separator, bit_depth="16", clip_mode="rescale")
    assert (result.status, result.note) == ("done", "")


@pytest.mark.parametrize(
    ("begin", "end", "seconds"),
    [(None, None, (0.0, None)), ("1:02.5", None, (62.5, None)), ("1:00:00", "3661", (3600.0, 3661.0))],
)
def test_times_are_read_as_people_write_them(
    begin: str | None, end: str | None, seconds: tuple[float, float | None]
) -> None:
    reading = reading_of(begin, end, 2, True)
    assert (reading.begin, reading.end, reading.track, reading.downmix) == (*seconds, 2, True)


@pytest.mark.parametrize(
    ("begin", "end"),
    [("a", None), ("1:2:3:4", None), ("-1", None), ("nan", None), (None, "0"), ("5", "5"), (None, "x")],
)
def test_times_that_are_none_are_refused(begin: str | None, end: str | None) -> None:
    with pytest.raises(OptionError, match=r"--from|--to"):
        reading_of(begin, end, 1, False)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE", "PCM_24"])
def test_a_song_is_read_alike_from_its_file_and_from_where_it_was_decoded_to(tmp_path: Path, subtype: str) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (1_000, 2)) * 10.0 ** -np.arange(0, 50, 0.05)[:, None]
    soundfile.write(tmp_path / "song.wav", samples, 44_100, subtype)
    with open_song(tmp_path / "song.wav") as song:
        spool = SpooledSong(song)
        for one, other in ((song.read, spool.read), (song.read_exact, spool.read_exact)):
            np.testing.assert_array_equal(one(10, 990), other(10, 990))
        spool.close()
