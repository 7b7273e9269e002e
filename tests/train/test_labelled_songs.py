import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

RECIPES = Path(__file__).parents[2] / "recipes"
sys.path.insert(0, str(RECIPES))

from labelled_songs import HOP, find_vocals, without_faint  # noqa: E402

RATE = 44100


def song(seconds: float) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (2, int(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 13.0, 25.3])
def test_vocals_are_the_share_of_the_song_that_the_networks_say(seconds):
    heard = song(seconds)
    networks = [lambda piece: 3 * piece, lambda piece: piece]
    inner = slice(HOP, -HOP)
    np.testing.assert_allclose(find_vocals(heard, networks)[:, inner], 0.9 * heard[:, inner], atol=2e-3)


def test_frames_are_split_each_by_what_the_networks_say_of_it():
    heard = song(15)

    def later(piece: torch.Tensor) -> torch.Tensor:  # pieces of the song are looked at one after the other
        later.calls += 1
        return piece * (later.calls > 1)

    later.calls = 0
    vocals = find_vocals(heard, [later, lambda piece: 1e-3 * piece])
    assert np.abs(vocals[:, : 11 * RATE]).max() < 1e-3
    np.testing.assert_allclose(vocals[:, 13 * RATE : 14 * RATE], heard[:, 13 * RATE : 14 * RATE], atol=1e-3)


def test_faint_vocals_are_silent_and_others_stay():
    heard = song(6)
    vocals = 0.5 * heard
    vocals[:, 2 * RATE : 4 * RATE] *= 0.01
    kept = without_faint(vocals, heard)
    assert not kept[:, int(2.05 * RATE) : int(3.95 * RATE)].any()
    for second in (0, 1, 4, 5):
        inner = slice(int((second + 0.1) * RATE), int((second + 0.9) * RATE))
        np.testing.assert_allclose(kept[:, inner], vocals[:, inner], rtol=1e-5)
    assert kept.shape == vocals.shape


def test_the_list_names_each_song_once_with_a_licence_that_lets_it_be_changed():
    with open(RECIPES / "labelled_songs.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len({row["song"] for row in rows}) == len(rows) > 80
    for row in rows:
        assert row["licence"].startswith(("CC BY", "CC0", "BSD", "MIT")) and "ND" not in row["licence"]
        assert row["repo"].startswith("debian:") or len(row["commit"]) == 40
