"""Sensitivities of songs and of single stems: what people write, and what it does to masks."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stems.clustering import assign, sharpen
from stems.errors import OptionError
from stems.model import Model
from stems.sensitivity import Sensitivity
from stems.separator import Separator

NAMES = ("drums", "bass", "vocals", "other")
factors = st.floats(0.1, 10).map(lambda value: float(f"{value:g}")).filter(lambda value: 0.1 <= value <= 10)


@given(factors, st.dictionaries(st.sampled_from(NAMES), factors))
def test_what_is_written_is_read_again(song: float, stems: dict[str, float]) -> None:
    sensitivity = Sensitivity(song, tuple(sorted(stems.items())))
    assert Sensitivity.of(str(sensitivity)) == sensitivity == Sensitivity.of(sensitivity)
    assert Sensitivity.of(stems) == Sensitivity(stems=sensitivity.stems)


@pytest.mark.parametrize(
    "text, song, stems",
    [
        ("2", 2, {}),
        ("vocals=2,drums=1", 1, {"vocals": 2, "drums": 1}),
        ("0.5, Vocals = 3", 0.5, {"vocals": 3}),
    ],
)
def test_forms(text: str, song: float, stems: dict[str, float]) -> None:
    assert Sensitivity.of(text) == Sensitivity(song, tuple(sorted(stems.items())))


@pytest.mark.parametrize(
    "text", ["", "high", "vocals", "vocals=", "=2", "vocals=2,vocals=3", "vocals=2,1", "1,2", "11", "vocals=0", "nan"]
)
def test_what_is_no_sensitivity_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="sensitivity"):
        Sensitivity.of(text)


def test_an_unknown_stem_is_named() -> None:
    with pytest.raises(OptionError, match=re.escape("'vocal' (did you mean 'vocals'?): choose from drums")):
        Sensitivity.of("vocal=2").check_against(NAMES)


def cells(count: int = 500, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    points = torch.nn.functional.normalize(torch.randn(count + len(NAMES), 8), dim=-1)
    return points[len(NAMES) :], points[: len(NAMES)]


@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_equal_exponents_are_the_songs_sensitivity(factor: float) -> None:
    embeddings, centroids = cells()
    found = sharpen(assign(embeddings, centroids, 6.0), torch.full((4,), factor))
    torch.testing.assert_close(found, assign(embeddings, centroids, 6.0 * factor))


@pytest.mark.parametrize("exponents", [(1, 1, 1, 1), (0.01, 100, 1, 5), (100, 100, 100, 100), (0.01, 0.01, 0.01, 9)])
@pytest.mark.parametrize("kappa", [0.5, 6.0, 600.0])
def test_shares_sum_to_one_at_any_sharpness(kappa: float, exponents: tuple[float, ...]) -> None:
    embeddings, centroids = cells()
    shares = sharpen(assign(embeddings, centroids, kappa), torch.tensor(exponents))
    assert shares.isfinite().all() and (shares >= 0).all()
    torch.testing.assert_close(shares.sum(-1), torch.ones(len(embeddings)))


def test_a_sharper_stem_takes_less_of_what_is_anothers_and_keeps_what_is_its_own() -> None:
    embeddings, centroids = cells()
    before = assign(embeddings, centroids, 6.0)
    after = sharpen(before, torch.tensor([1, 1, 3.0, 1]))
    vocals = before.argmax(-1) == 2
    assert (after[~vocals, 2] < before[~vocals, 2]).all()
    torch.testing.assert_close(after[vocals], before[vocals])


@pytest.mark.parametrize("channels, rate", [(1, 8_000), (2, 44_100)])
def test_stems_of_own_sensitivities_still_add_up(small_model: Model, channels: int, rate: int) -> None:
    audio = np.random.default_rng(0).uniform(-0.3, 0.3, (channels, 2 * rate)).astype(np.float32)
    separator = Separator(small_model)
    usual, own = (separator(audio, rate, sensitivity=given) for given in (1, {"vocals": 8, "drums": 0.2}))
    np.testing.assert_allclose(sum(own.values()), audio, atol=1e-5)
    assert np.square(own["vocals"]).sum() < np.square(usual["vocals"]).sum()
    assert np.square(own["drums"]).sum() > np.square(usual["drums"]).sum()


@pytest.mark.parametrize("given", [1.0, 2, "2", Sensitivity(2)])
def test_a_songs_sensitivity_is_one_thing_however_it_is_given(small_model: Model, given: object) -> None:
    audio = np.random.default_rng(1).uniform(-0.3, 0.3, (1, 16_000)).astype(np.float32)
    found = Separator(small_model)(audio, 8_000, sensitivity=given)
    expected = Separator(small_model)(audio, 8_000, sensitivity=float(str(given)))
    assert all(np.array_equal(found[name], expected[name]) for name in NAMES)


def test_a_stem_that_is_not_there_has_no_sensitivity(small_model: Model) -> None:
    with pytest.raises(OptionError, match="'guitar'"):
        Separator(small_model)(np.zeros((1, 8_000), np.float32), 8_000, sensitivity="guitar=2")
