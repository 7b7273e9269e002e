import csv
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

RECIPES = Path(__file__).parents[2] / "recipes"
sys.path.insert(0, str(RECIPES))

from labelled_songs import STRETCH, find_stems, load_network, stretches  # noqa: E402


class Network:
    """Finds these shares of a song."""

    sources = ("drums", "bass", "other", "vocals")

    def __init__(self, *shares: float) -> None:
        self.shares = torch.tensor(shares)[:, None, None]


@pytest.fixture(autouse=True)
def demucs(monkeypatch):
    """`demucs` is not a package of ours; what is called of it takes and gives (songs, sources, channels, samples)."""
    module = ModuleType("demucs.apply")
    module.apply_model = lambda network, song, shifts, overlap: network.shares * song[:, None]
    monkeypatch.setitem(sys.modules, "demucs", ModuleType("demucs"))
    monkeypatch.setitem(sys.modules, "demucs.apply", module)


@pytest.fixture
def song() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)


def test_stems_are_what_the_network_finds_and_sum_to_the_song(song):
    stems = find_stems(song, Network(0.5, 0.2, 0.7, 0.1))
    for name, share in (("drums", 0.5), ("bass", 0.2), ("vocals", 0.1), ("other", 0.2)):
        np.testing.assert_allclose(stems[name], share * song, atol=1e-3)
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


@pytest.mark.parametrize(("share", "sung"), [(0.04, True), (0.02, False), (0.0, False)])
def test_faint_vocals_are_of_other_instruments(song, share, sung):
    stems = find_stems(song, Network(0.5, 0.2, 0.3 - share, share))
    assert ("vocals" in stems) == sung
    np.testing.assert_allclose(sum(stems.values()), song, atol=1e-6)


def test_where_htdemucs_is_missing_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "demucs", None)
    with pytest.raises(SystemExit, match=r"^HTDemucs is not installed \(.*\): pip install demucs$"):
        load_network(None)


def test_every_other_stretch_of_all_songs_comes_first():
    seconds = STRETCH / 44100
    lengths = {"long": 4.5, "middle": 2.1, "short": 0.6}
    rows = [{"song": name, "seconds": f"{length * seconds}"} for name, length in lengths.items()]
    order = [(row["song"], number) for row, number in stretches(rows)]
    first, others = [("long", 0), ("middle", 0), ("short", 0), ("long", 2)], [("long", 1), ("middle", 1), ("long", 3)]
    assert order == first + others


def test_the_list_names_each_song_once_with_a_licence_that_lets_it_be_changed():
    with open(RECIPES / "labelled_songs.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len({row["song"] for row in rows}) == len(rows) > 80
    for row in rows:
        assert row["licence"].startswith(("CC BY", "CC0", "BSD", "MIT")) and "ND" not in row["licence"]
        assert row["repo"].startswith("debian:") or len(row["commit"]) == 40
