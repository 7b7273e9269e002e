"""Stems made block by block where somebody listens are those that are made from beginning to end."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from studios import write_song

from stems.cores import Cores
from stems.files.audio import open_song
from stems.hints import gather
from stems.sensitivity import Sensitivity
from stems.separator import Separator
from stems.studio.library import Wishes
from stems.studio.opened import OpenSong
from stems.studio.separation import PEAKS

STEMS = ("drums", "bass", "vocals", "other")


def opened(path: Path, separator: Separator) -> OpenSong:
    with open_song(path) as song:
        encoded = separator.encode(song, song.format.sample_rate)
    return OpenSong(path, encoded, separator, Cores(torch.device("cpu")))


@pytest.mark.parametrize(
    "rate, channels, seconds", [(8_000, 1, 9.3), (44_100, 2, 5.0), (48_000, 2, 0.05), (11_025, 2, 6)]
)
def test_blocks_are_what_a_separation_gives(
    tmp_path: Path, separator: Separator, rate: int, channels: int, seconds: float
) -> None:
    song = opened(write_song(tmp_path / "song.wav", seconds, rate, channels), separator)
    hints = gather(["piano=1-2", "bass=3-3.5@40-900Hz"], STEMS) if seconds > 4 else ()
    wishes = Wishes(hints, Sensitivity.of("2,vocals=0.5"))
    song.separation(Wishes())  # from which landmarks are known
    made = song.separation(wishes)
    whole = Separator(separator.model, hints=hints)(tmp_path / "song.wav", sensitivity=wishes.sensitivity)
    assert made.stems == tuple(whole)
    order = np.random.default_rng(0).permutation(made.blocks)  # as listeners jump
    blocks = {int(number): made.block(int(number)) for number in order}
    joined = np.concatenate([blocks[number] for number in range(made.blocks)], 2)
    for name, stem in zip((*made.stems, "song"), joined, strict=True):
        expected = song.song.read(0, song.song.samples) if name == "song" else whole[name]
        np.testing.assert_array_equal(stem, expected)
    assert [len(blocks[number][0, 0]) for number in range(1, made.blocks - 1)] == [made.block_samples] * (
        made.blocks - 2
    )
    peaks = made.peaks(0, made.blocks)
    assert peaks.shape == (len(made.stems) + 1, made.blocks * PEAKS)
    np.testing.assert_allclose((peaks.max(1) / 255) ** 2, np.abs(joined).max((1, 2)), atol=0.01)
    song.close()


def test_what_was_wished_before_gives_the_very_same_samples(tmp_path: Path, separator: Separator) -> None:
    song = opened(write_song(tmp_path / "song.wav", 5), separator)
    first = song.separation(Wishes())
    before = first.block(1)
    other = song.separation(Wishes(gather(["vocals=1-2"], STEMS)))
    assert other.key != first.key and not np.array_equal(other.block(1), before)
    for number in range(20):  # so that nothing of the first is kept any more
        song.separation(Wishes(sensitivity=Sensitivity(1 + number / 10)))
    again = song.separation(Wishes())
    assert again is not first and again.key == first.key
    np.testing.assert_array_equal(again.block(1), before)
    song.close()


@pytest.mark.parametrize("begin, end", [(0, 5), (1, 1.2), (0, 0.05), (4.9, 5.0), (2, 2.0001)])
def test_pictures_are_as_wide_as_they_are_asked_for_at_any_zoom(
    tmp_path: Path, separator: Separator, begin: float, end: float
) -> None:
    from matplotlib.image import imread

    song = opened(write_song(tmp_path / "song.wav", 5), separator)
    pixels = imread(io.BytesIO(song.separation(Wishes()).picture(begin, end, 300)), format="png")
    assert pixels.shape[0] == 96 and 1 <= pixels.shape[1] <= 300
    assert pixels.shape[1] == 300 or (end - begin) / song.grid.frame_seconds * 16 < 300
    assert pixels[..., 3].max() > 0.5
    song.close()


def test_a_zoomed_picture_shows_when_a_sound_begins(tmp_path: Path, separator: Separator) -> None:
    """A click is where it is, more exactly than frames are apart."""
    import soundfile
    from matplotlib.image import imread

    rate, audio = 44_100, np.random.default_rng(0).uniform(-1e-4, 1e-4, (44_100 * 3, 2))
    audio[44_100 + 441 :, :] += np.random.default_rng(1).uniform(-0.3, 0.3, (44_100 * 2 - 441, 2))  # from 1.01 s on
    soundfile.write(tmp_path / "song.wav", audio, rate, subtype="FLOAT")
    song = opened(tmp_path / "song.wav", separator)
    made = song.separation(Wishes())
    for begin, end in ((0.9, 1.1), (0.5, 1.5), (0, 3)):
        opacity = imread(io.BytesIO(made.picture(begin, end, 400)), format="png")[..., 3].mean(0)
        onset = begin + (end - begin) * (np.argmax(opacity > opacity.max() / 2) + 0.5) / len(opacity)
        assert abs(onset - 1.01) < 0.05
    song.close()
