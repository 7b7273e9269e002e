"""Properties of the grid of frames and bins at all sample rates, and of the bands on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from stems.spectrum import FLOOR_DB, OVERLAP, REFERENCE_RATE, Bands, Grid, OverlapAdd, analyse

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
ODD_RATES = tuple(range(8_000, 192_001, 997))


def prime_factors(number: int) -> list[int]:
    for factor in range(2, number + 1):
        if number % factor == 0:
            return [factor, *prime_factors(number // factor)]
    return []


def padded(audio: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Audio between the silences that `analyse` asks for, filled up to whole hops."""
    samples = audio.shape[-1]
    after = (grid.frames(samples) + OVERLAP - 1) * grid.hop - (OVERLAP - 1) * grid.hop - samples
    return torch.nn.functional.pad(audio, (grid.window - grid.hop, after))


@pytest.mark.parametrize("window", [2048, 4096])
def test_bins_and_frames_lie_at_the_same_hz_and_seconds_at_every_rate(window: int) -> None:
    reference = Grid(REFERENCE_RATE, window)
    assert (reference.window, reference.hop) == (window, window // OVERLAP)
    for rate in RATES + ODD_RATES:
        grid = Grid(rate, window)
        deviation = (rate / grid.window) / (REFERENCE_RATE / window) - 1
        limit = max(0.002, 0.5 / (window / OVERLAP * rate / REFERENCE_RATE))  # half a sample of the hop
        if rate in RATES:
            assert window < 4096 or abs(deviation) <= 0.002
            assert max(prime_factors(grid.window)) <= 31
        assert abs(deviation) <= limit, (rate, deviation)
        assert grid.frame_seconds == pytest.approx(reference.frame_seconds, rel=1.01 * limit)
        assert grid.bins == grid.window // 2 + 1


@pytest.mark.parametrize("windows", [(4096, 0), (4096, 2048), (8192, 2048), (4096, 1024)])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("samples", [1, 1000, 30_001])
def test_frames_in_any_split_add_up_to_the_audio(rate: int, samples: int, windows: tuple[int, int]) -> None:
    grid, random = Grid(rate, *windows), np.random.default_rng(rate)
    audio = torch.from_numpy(random.uniform(-1, 1, (2, samples)).astype(np.float32))
    spectra = analyse(padded(audio, grid), grid)
    assert spectra.shape == (2, grid.frames(samples), grid.bins)
    add, pieces, first = OverlapAdd(grid), [], 0
    while first < spectra.shape[1]:
        last = first + int(random.integers(1, 9))
        pieces.append(add(spectra[:, first:last]))
        first = last
    start = (OVERLAP - 1) * grid.hop
    assert pieces[0].shape[-1] % grid.hop == 0
    again = torch.cat(pieces, -1)[:, start : start + samples]
    assert again.shape == audio.shape
    assert (again - audio).abs().max() < 3e-6


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("synthesis", [1024, 2048, 4096])
def test_the_synthesis_window_is_the_end_of_the_analysis_window(rate: int, synthesis: int) -> None:
    grid, short = Grid(rate, 4096, synthesis), Grid(rate, synthesis)
    assert (grid.hop, grid.synthesis_window) == (short.hop, short.window)
    assert grid.window == 4096 // synthesis * short.window
    peak = grid.window - grid.synthesis_window // 2
    assert grid.taper[peak] == grid.taper.max() == 1
    torch.testing.assert_close(grid.taper[peak:], short.taper[short.window // 2 :])
    assert (grid.taper[:peak].diff() > -1e-6).all()
    assert Grid(rate, 4096).taper.equal(torch.hann_window(Grid(rate, 4096).window))


@pytest.mark.parametrize("synthesis", [0, 1024])
@pytest.mark.parametrize("rate", RATES)
def test_a_sine_of_full_scale_is_at_0_db_at_every_rate(rate: int, synthesis: int) -> None:
    grid = Grid(rate, 4096, synthesis)
    number = grid.bins // 3
    sine = torch.sin(2 * torch.pi * number / grid.window * torch.arange(2 * grid.window, dtype=torch.float64))
    magnitude = analyse(sine, grid).abs()
    assert magnitude[:, number].numpy() == pytest.approx(1, abs=1e-6)
    assert (magnitude.argmax(-1) == number).all()


@pytest.mark.parametrize("bands", [Bands(), Bands(count=96), Bands(count=128, single_hz=400, top_hz=12_000)])
def test_bands_at_multiples_hold_the_multiples_of_their_middles(bands: Bands) -> None:
    multiples = (1 / 3, 0.5, 1.0, 2.0, 5.0)
    found = bands.at_multiples(multiples).numpy()
    middles = (bands.edges[:-1] + bands.edges[1:] - 1) / 2
    assert (found[2] == np.arange(bands.count)).all()
    for multiple, row in zip(multiples, found, strict=True):
        bins, inside = np.round(middles * multiple), row < bands.count
        assert (bands.edges[row[inside]] <= bins[inside]).all() and (bins[inside] < bands.edges[row[inside] + 1]).all()
        assert (bins[~inside] >= bands.edges[-1]).all()


@pytest.mark.parametrize("bands", [Bands(), Bands(count=96), Bands(count=128, single_hz=400, top_hz=12_000)])
def test_every_reference_bin_is_in_exactly_one_band(bands: Bands) -> None:
    grid = Grid(REFERENCE_RATE)
    of_bins = bands.of_bins(grid)
    assert of_bins.shape == (grid.bins,)
    assert bands.edges[0] == 0 and bands.edges[-1] == grid.bins
    for band, (first, end) in enumerate(zip(bands.edges[:-1], bands.edges[1:], strict=True)):
        assert first < end
        assert (of_bins[first:end] == band).all()
    assert torch.equal(bands.sums(torch.ones(1, grid.bins), grid)[0], bands.widths(grid).float())
    single = round(bands.single_hz * 4096 / REFERENCE_RATE)
    assert (bands.widths(grid)[:single] == 1).all()


@pytest.mark.parametrize("rate", RATES)
def test_bands_hold_the_same_hz_at_every_rate(rate: int) -> None:
    bands, grid, reference = Bands(), Grid(rate), Grid(REFERENCE_RATE)
    of_bins = bands.of_bins(grid)
    assert (of_bins.diff() >= 0).all()
    hz = torch.arange(grid.bins) * rate / grid.window
    nearest = (hz / (REFERENCE_RATE / reference.window)).round().long().clamp(max=reference.bins - 1)
    assert torch.equal(of_bins, bands.of_bins(reference)[nearest])
    filled = torch.bincount(of_bins, minlength=bands.count) > 0
    if rate >= REFERENCE_RATE:
        assert filled.all()
    else:
        highest = int(of_bins.max())
        assert filled[: highest + 1].all()
        assert not filled[highest + 1 :].any()


def test_bins_above_the_reference_belong_to_the_last_band() -> None:
    bands, grid = Bands(), Grid(192_000)
    above = torch.arange(grid.bins) * 192_000 / grid.window > REFERENCE_RATE / 2
    assert (bands.of_bins(grid)[above] == bands.count - 1).all()


def test_masks_spread_to_the_bins_of_their_band() -> None:
    bands, grid = Bands(count=96), Grid(48_000)
    masks = torch.rand(3, 5, 96)
    spread = bands.spread(masks, grid)
    assert spread.shape == (3, 5, grid.bins)
    for number in range(0, grid.bins, 37):
        assert torch.equal(spread[..., number], masks[..., bands.of_bins(grid)[number]])


def noise(rate: int) -> torch.Tensor:
    """Four seconds of stereo noise below 3.6 kHz, which is the same at every rate."""
    random = np.random.default_rng(0)
    spectrum = np.zeros((2, 2 * rate + 1), complex)
    spectrum[:, : 4 * 3600] = random.standard_normal((2, 4 * 3600)) * np.exp(2j * np.pi * random.random(4 * 3600))
    return torch.from_numpy((0.001 * rate * np.fft.irfft(spectrum)).astype(np.float32))


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate != REFERENCE_RATE])
def test_levels_do_not_depend_on_the_rate(rate: int) -> None:
    bands = Bands()
    levels, expected = (
        bands.levels(analyse(noise(each), Grid(each)), Grid(each)).mean(1) for each in (rate, REFERENCE_RATE)
    )
    sounding = expected > -60
    assert 200 < sounding.sum() < 2 * bands.count
    differences = (levels - expected)[sounding]
    assert differences.abs().max() < 3
    assert differences.abs().mean() < 0.5
    assert differences.mean().abs() < 0.1


def test_the_side_of_mono_audio_is_silent_and_powers_count_both_channels() -> None:
    bands, grid = Bands(), Grid(44_100)
    mono = analyse(noise(44_100)[:1], grid)
    mid, side = bands.levels(mono, grid)
    assert mid.max() > -45
    assert (side == FLOOR_DB).all()
    stereo = analyse(noise(44_100), grid)
    powers = bands.powers(bands.levels(stereo, grid), grid)
    expected = bands.sums((stereo.abs() ** 2).sum(0), grid)
    loud = expected > 1e-6
    assert (powers[loud] / expected[loud]).numpy() == pytest.approx(1, abs=1e-2)
    assert (bands.levels(torch.zeros_like(stereo), grid) == FLOOR_DB).all()
    assert (bands.powers(bands.levels(torch.zeros_like(stereo), grid), grid) == 0).all()


def test_bands_that_do_not_fit_are_refused() -> None:
    for bands in (Bands(count=60), Bands(count=4000), Bands(single_hz=17_000)):
        with pytest.raises(ValueError, match="do not fit"):
            _ = bands.edges


@pytest.mark.parametrize("synthesis", [-2048, 3000, 8192])
def test_synthesis_windows_that_do_not_divide_the_analysis_window_are_refused(synthesis: int) -> None:
    with pytest.raises(ValueError, match="does not divide"):
        _ = Bands(reference_synthesis=synthesis).edges
