"""Oracles know the true stems, so they bracket every separator; their definitions are those of SiSEC 2018."""

import numpy as np
import pytest

pytest.importorskip("scipy")

from stems.errors import OptionError
from stems.evaluate import oracles
from stems.evaluate.oracles import BASELINES, estimate
from stems.evaluate.quick import Quick


def song(rate=22050, seconds=3.0, channels=2):
    """Three stems that overlap in time and frequency: a melody, a beat, noise; each at its place on the stage."""
    generator = np.random.default_rng(0)
    time = np.arange(int(seconds * rate)) / rate
    melody = 0.3 * np.sin(2 * np.pi * (300 + 100 * np.round(time * 2)) * time)
    beat = generator.standard_normal(len(time)) * np.exp(-20 * (time % 0.5))
    noise = 0.1 * np.cumsum(generator.standard_normal(len(time))) / np.sqrt(len(time)) * 10
    places = np.array([[1.0, 0.8], [0.6, 1.0], [0.3, -0.5]])[:, :channels]
    stems = np.stack([melody, beat, noise - noise.mean()])[:, None] * places[..., None]
    return stems.sum(axis=0).astype(np.float32), stems.astype(np.float32)


def sdr(baseline, mixture, stems, rate):
    return np.nanmedian(Quick(list(stems), rate).score(list(estimate(baseline, mixture, stems, rate)))["SDR"], axis=1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [11025, 44100, 48000])
def test_every_oracle_is_far_better_than_the_mixture(rate, channels):
    mixture, stems = song(rate, 2.0, channels)
    nothing = sdr("mixture", mixture, stems, rate)
    for baseline in ("ibm", "irm", "mwf"):
        assert (sdr(baseline, mixture, stems, rate) > nothing + 3).all(), baseline


def test_stems_at_different_places_gain_most_from_filtering_channels():
    mixture, stems = song()
    assert sdr("mwf", mixture, stems, 22050).mean() > sdr("irm", mixture, stems, 22050).mean() + 1


@pytest.mark.parametrize("baseline", ["mixture", "irm", "mwf"])
def test_shares_of_the_mixture_sum_to_it(baseline):
    mixture, stems = song()
    np.testing.assert_allclose(estimate(baseline, mixture, stems, 22050).sum(axis=0), mixture, atol=1e-4)


def test_a_stem_alone_in_its_bins_is_found_by_every_mask():
    _, stems = song()
    stems[1:] = 0
    for baseline in ("ibm", "irm", "mwf"):
        found = estimate(baseline, stems[0], stems, 22050)
        np.testing.assert_allclose(found[0], stems[0], atol=1e-4)
        np.testing.assert_allclose(found[1:], 0, atol=1e-4)


def test_binary_masks_pass_or_stop_a_bin():
    mixture, stems = (np.random.default_rng(0).standard_normal(shape) + 0j for shape in ((2, 9, 5), (3, 2, 9, 5)))
    masked = oracles._binary_mask(mixture, stems)
    expected = np.abs(stems) / np.abs(mixture) >= 0.5
    assert ((masked == mixture) == expected).all()
    assert (masked[~expected] == 0).all()


@pytest.mark.parametrize("baseline", BASELINES)
def test_blocks_of_a_long_song_join_without_a_seam(monkeypatch, baseline):
    mixture, stems = song()
    whole = estimate(baseline, mixture, stems, 22050)
    monkeypatch.setattr(oracles, "HOPS_AT_ONCE", 20)
    np.testing.assert_allclose(estimate(baseline, mixture, stems, 22050), whole, atol=1e-5)


@pytest.mark.parametrize("baseline", BASELINES)
@pytest.mark.parametrize("samples", [1, 100, 1025])
def test_very_short_songs_keep_their_length(baseline, samples):
    stems = np.random.default_rng(0).standard_normal((2, 2, samples)).astype(np.float32)
    estimates = estimate(baseline, stems.sum(axis=0), stems, 44100)
    assert estimates.shape == stems.shape
    assert np.isfinite(estimates).all()


@pytest.mark.parametrize("baseline", BASELINES)
def test_silence_stays_silence(baseline):
    silence = np.zeros((2, 2, 30000), dtype=np.float32)
    assert not estimate(baseline, silence[0], silence, 44100).any()


def test_an_unknown_baseline_is_refused():
    with pytest.raises(OptionError, match="mixture, ibm, irm, mwf"):
        estimate("magic", *song(), 22050)
