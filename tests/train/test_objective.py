import dataclasses
import math

import numpy as np
import pytest
import torch
from made_models import live_model

from stems.model import Design, Model
from stems.network.embedding import NetworkShape
from stems.spectrum import Bands, Grid, analyse, apply_masks
from stems.stream import Stream
from stems.train.cells import Cells, cells_of
from stems.train.mixes import Mix, merge
from stems.train.objective import (
    affinity_loss,
    embed,
    followed,
    framewise_sdr,
    in_best_order,
    iterated,
    losses,
    naming_loss,
    points,
    ratio_loss,
    squared_error,
    stem_error,
    taught,
)
from stems.train.recipe import Objective

BANDS = Bands(72, 300, 12000)
GRID = Grid(44100)
ONLINE = Objective(ratio=0.5, naming=0.1, online=True)


@pytest.fixture
def mix() -> Mix:
    rng = np.random.default_rng(5)
    envelopes = rng.uniform(0, 1, (4, 1, 30)).repeat(2048, 2)
    parts = (rng.standard_normal((4, 2, 30 * 2048)) * envelopes * 0.1).astype(np.float32)
    return Mix(parts.sum(0), parts, np.eye(4, dtype=np.float32))


def test_cells_know_the_error_of_any_masks(mix):
    cells = cells_of(mix, BANDS, GRID)
    mixture, parts = (analyse(torch.from_numpy(audio), GRID) for audio in (mix.mixture, mix.parts))
    shares = torch.rand(mixture.shape[1], BANDS.count, 4).softmax(-1)
    error = apply_masks(mixture, shares, BANDS, GRID) - parts
    direct = BANDS.sums((error.real**2 + error.imag**2).sum(1), GRID)
    found = squared_error(shares.flatten(0, 1)[None], cells)
    torch.testing.assert_close(found[0], direct.flatten(1), rtol=1e-3, atol=1e-7)


def test_chosen_frames_are_the_same_as_in_the_whole(mix):
    whole, some = cells_of(mix, BANDS, GRID), cells_of(mix, BANDS, GRID).at(np.array([2, 3, 11]))
    torch.testing.assert_close(some.power, whole.power[:, [2, 3, 11]])
    torch.testing.assert_close(some.cross, whole.cross[:, :, [2, 3, 11]])
    torch.testing.assert_close(some.levels, whole.levels)


def test_an_equalizer_changes_cells_as_it_changes_audio(mix):
    filtered = Mix(mix.mixture * 0.5, mix.parts * 0.5, mix.groups)
    direct, found = cells_of(filtered, BANDS, GRID), cells_of(mix, BANDS, GRID).equalized(np.full(72, -6.0206))
    for name in ("power", "cross", "energy"):
        torch.testing.assert_close(getattr(found, name), getattr(direct, name), rtol=1e-3, atol=1e-7)
    far_from_the_floor = direct.levels > -80
    assert far_from_the_floor.float().mean() > 0.5
    torch.testing.assert_close(found.levels[far_from_the_floor], direct.levels[far_from_the_floor], atol=0.1, rtol=0)


def test_a_matched_mix_has_the_spectrum_of_its_reference_and_its_own_loudness(mix):
    steep = np.array([0.0, 1.0, -0.5])
    reference = np.apply_along_axis(np.convolve, -1, mix.mixture[:, ::-1], steep, "same").astype(np.float32)
    plain, matched = (
        cells_of(dataclasses.replace(mix, reference=given, match=1.0), BANDS, GRID) for given in (None, reference)
    )
    wanted = cells_of(Mix(reference, mix.parts, mix.groups), BANDS, GRID)

    def slope_db(cells: Cells) -> float:
        spectrum = 10 * torch.log10(cells.power[0].mean(0))
        return float(spectrum[60:].mean() - spectrum[10:20].mean())

    assert abs(slope_db(wanted) - slope_db(plain)) > 5
    assert abs(slope_db(wanted) - slope_db(matched)) < 1
    torch.testing.assert_close(matched.power.sum(), plain.power.sum(), rtol=1e-3, atol=0)
    ratios = [cells.energy.sum(-2) / cells.power.sum(-2)[:, None] for cells in (plain, matched)]
    torch.testing.assert_close(*ratios, rtol=1e-3, atol=1e-6)


def test_what_is_cut_off_a_mix_does_not_count_in_matching_it(mix):
    lowpassed = dataclasses.replace(mix, reference=mix.mixture, match=1.0, top_hz=6000)
    found, kept = (cells_of(each, BANDS, GRID).power for each in (lowpassed, dataclasses.replace(lowpassed, match=0)))
    torch.testing.assert_close(found, kept, rtol=0.05, atol=1e-9)


def test_naming_asks_for_a_stem_that_gets_next_to_nothing_where_the_ratio_does_not(mix):
    cells = cells_of(mix, BANDS, GRID)
    weights = torch.ones_like(points(cells.power))
    asked = {}
    for share in (0.25, 1e-4):
        logits = torch.zeros(*weights.shape, 4, requires_grad=True)
        shares = (logits + torch.tensor([0, 0, 0, math.log(3 * share / (1 - share))])).softmax(-1)
        for loss in (naming_loss(shares, weights, cells), ratio_loss(squared_error(shares, cells), cells)):
            (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
            asked.setdefault(share, []).append(float(gradient[..., 3].abs().sum()))
    (naming, ratio), (naming_of_none, ratio_of_none) = asked[0.25], asked[1e-4]
    assert naming_of_none > naming * 0.3
    assert ratio_of_none < ratio * 0.01


def test_naming_is_one_of_the_losses_and_counts_by_its_weight(mix):
    cells = cells_of(mix, BANDS, GRID)
    torch.manual_seed(0)
    model = Model(Design(bands=BANDS, network=NetworkShape(bands=72, dimensions=6, layers=1, units=8))).eval()
    alone = losses(model, cells, Objective(0.0, 0.0, 0.0, 1.0))
    assert alone.naming > 0.1
    torch.testing.assert_close(alone.total(Objective(0.0, 0.0, 0.0, 2.0)), 2 * alone.naming)


def test_naming_takes_any_stem_of_a_part_and_is_least_where_all_is_named_right(mix):
    parts = np.stack([mix.parts[:2].sum(0), np.zeros_like(mix.parts[0]), *mix.parts[2:]])
    merged = Mix(mix.mixture, parts, merge(mix.groups, (0, 1)))
    cells, whole = cells_of(merged, BANDS, GRID), cells_of(mix, BANDS, GRID)
    weights = torch.rand_like(points(cells.power))
    owners = torch.nn.functional.one_hot(points(whole.energy).argmax(1), 4).float()
    assert naming_loss(owners, weights, whole) < 1e-6
    mistaken = owners[..., [1, 0, 2, 3]]
    assert naming_loss(mistaken, weights, whole) > 1
    owners_of_merged = torch.nn.functional.one_hot(points(cells.energy).argmax(1), 4).float()
    assert naming_loss(owners_of_merged[..., [1, 0, 2, 3]], weights, cells) < 1e-6


def test_the_ratio_is_that_of_energies_in_bels(mix):
    cells = cells_of(mix, BANDS, GRID)
    shares = torch.full((1, points(cells.power).shape[1], 4), 0.25)
    decibels = framewise_sdr(shares, cells, cells.power.shape[1]).mean()
    assert abs(ratio_loss(squared_error(shares, cells), cells) + decibels / 10) < 0.02


def test_a_silent_part_asks_for_silence(mix):
    mix.mixture = mix.mixture - mix.parts[1]
    mix.parts[1] = 0
    cells = cells_of(mix, BANDS, GRID)
    even = torch.full((1, points(cells.power).shape[1], 4), 1 / 3)
    silent = even.clone()
    even[:], silent[..., 1] = 0.25, 0
    assert ratio_loss(squared_error(silent, cells), cells) < ratio_loss(squared_error(even, cells), cells) - 0.2


def test_nothing_is_left_above_the_top(mix):
    mix.top_hz = 5000.0
    cells = cells_of(mix, BANDS, GRID)
    below = torch.from_numpy(BANDS.edges[1:]) * 44100 / 4096 < 5000
    assert (cells.power[..., ~below][..., 1:] < 1e-6).all() and (cells.energy[..., ~below][..., 1:] == 0).all()
    assert (cells.power[..., below] > 0).all()


def test_the_low_rank_form_is_the_affinity_loss(mix):
    cells = cells_of(mix, BANDS, GRID).at(np.arange(4))
    cells = Cells.stack([cells, dataclasses.replace(cells, energy=cells.energy.flip(1))])
    embeddings = torch.nn.functional.normalize(torch.randn(2, points(cells.power).shape[1], 5), dim=-1)
    weights = torch.rand(embeddings.shape[:2])
    owners = torch.nn.functional.one_hot(points(cells.energy).argmax(1), 4).float()
    share = weights / weights.sum(-1, keepdim=True)
    difference = embeddings @ embeddings.transpose(1, 2) - owners @ owners.transpose(1, 2)
    direct = (difference**2 * share[:, :, None] * share[:, None, :]).sum((1, 2)).mean()
    torch.testing.assert_close(affinity_loss(embeddings, weights, cells), direct, rtol=1e-4, atol=1e-6)


def test_parts_that_hold_several_stems_are_left_out_of_the_affinity(mix):
    mix.groups = merge(mix.groups, (0, 1, 3))
    cells = cells_of(mix, BANDS, GRID)
    embeddings = torch.nn.functional.normalize(torch.randn(1, points(cells.power).shape[1], 5), dim=-1)
    assert affinity_loss(embeddings, torch.ones(embeddings.shape[:2]), cells) == 0


def test_a_merged_part_is_masked_by_the_sum_of_its_stems(mix):
    mix.parts[0] += mix.parts[1] + mix.parts[3]
    mix.parts[[1, 3]] = 0
    mix.groups = merge(mix.groups, (0, 1, 3))
    cells = cells_of(mix, BANDS, GRID)
    one, other = torch.rand(2, points(cells.power).shape[1])
    vocals = 1 - one * 0.9
    first = torch.stack([one * 0.9, 0 * one, vocals, 0 * one], -1)[None]
    spread = torch.stack([one * 0.9 * other, one * 0.9 * (1 - other), vocals, 0 * one], -1)[None]
    torch.testing.assert_close(
        stem_error(squared_error(first, cells), cells), stem_error(squared_error(spread, cells), cells)
    )


def test_framewise_sdr_is_the_ratio_of_energies(mix):
    cells = cells_of(mix, BANDS, GRID)
    shares = torch.full((1, points(cells.power).shape[1], 4), 0.25)
    found = framewise_sdr(shares, cells, cells.power.shape[1])
    for index, part in enumerate(mix.parts):
        error = part - 0.25 * mix.mixture
        direct = 10 * np.log10((part**2).sum() / (error**2).sum())
        assert abs(found[0, index, 0] - direct) < 0.4  # the taper weighs the ends of the excerpt less


def test_a_silent_part_has_no_ratio(mix):
    mix.parts[1] = 0
    cells = cells_of(mix, BANDS, GRID)
    shares = torch.full((1, points(cells.power).shape[1], 4), 0.25)
    assert framewise_sdr(shares, cells, 10)[0, 1].isnan().all()


def test_error_falls_from_even_masks_to_ideal_ones(mix):
    cells = cells_of(mix, BANDS, GRID)
    even = torch.full((1, points(cells.power).shape[1], 4), 0.25)
    ideal = points(cells.energy).sqrt().transpose(1, 2)
    ideal = ideal / ideal.sum(-1, keepdim=True)
    assert stem_error(squared_error(ideal, cells), cells) < stem_error(squared_error(even, cells), cells)
    assert stem_error(squared_error(ideal[..., [1, 0, 2, 3]], cells), cells) > stem_error(
        squared_error(ideal, cells), cells
    )
    torch.testing.assert_close(in_best_order(ideal[..., [1, 0, 3, 2]], cells), ideal)


def streamed_mix(model, mix):
    """The levels that a stream shows its network of a mix, and the shares that it finds."""
    stream, levels, shares = Stream(model), [], []
    network, follow = stream._network, stream._centroids.follow
    stream._network = lambda shown: levels.append(shown) or network(shown)
    stream._centroids.follow = lambda *heard: shares.append(follow(*heard)) or shares[-1]
    stream(mix.mixture)
    return torch.cat(levels, 1), torch.cat(shares)


@pytest.mark.parametrize(("groups", "window"), [(0, 2048), (8, 2048), (8, 4096)])
def test_a_cold_mix_is_what_a_stream_hears_first(mix, groups, window):
    model = live_model(groups, window)
    levels, shares = streamed_mix(model, mix)
    cells = cells_of(mix, model.design.bands, model.grid(44100), model.design.loudness)
    assert cells.levels.shape[2] == mix.mixture.shape[1] // model.grid(44100).hop
    torch.testing.assert_close(cells.levels[0], levels, rtol=0, atol=1e-3)
    with torch.no_grad():
        found = followed(model, embed(model, cells), cells)
    torch.testing.assert_close(found[0], shares.transpose(1, 2).flatten(0, 1), rtol=0, atol=2e-2)
    mixture = analyse(torch.from_numpy(mix.mixture), model.grid(44100))
    power = model.design.bands.sums(mixture.abs().square().sum(0), model.grid(44100))
    torch.testing.assert_close(cells.power[0, -len(power) :], power, rtol=1e-3, atol=1e-9)  # as loud as it is


def test_frames_that_are_left_out_move_a_streams_clusters_on(mix):
    model = live_model(8)
    cells = cells_of(mix, model.design.bands, model.grid(44100), model.design.loudness)
    even = np.arange(1, cells.levels.shape[2], 2)
    with torch.no_grad():
        whole, half = (followed(model, embed(model, each), each) for each in (cells, cells.at(even)))
    whole, half = (each.reshape(1, -1, 64, 4) for each in (whole, half))
    assert (whole[:, even] - half).abs().mean() < 0.02 < (whole[:, even] - 0.25).abs().mean()


def test_the_loss_by_a_streams_clusters_falls_in_training(mix):
    model = live_model(8).train()
    cells = cells_of(mix, model.design.bands, model.grid(44100), model.design.loudness).at(np.arange(0, 120, 4))
    optimiser, totals = torch.optim.Adam(model.parameters(), 3e-3), []
    for _ in range(12):
        total = losses(model, cells, Objective(ratio=0.5, naming=0.1, online=True)).total(
            Objective(ratio=0.5, naming=0.1)
        )
        optimiser.zero_grad()
        total.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimiser.step()
        totals.append(total.item())
    assert totals[-1] < totals[0] - 0.05


@pytest.mark.parametrize("silent", [1.0, 0.5])
def test_silence_at_the_start_of_a_cold_mix_leaves_everything_finite(mix, silent):
    samples = round(silent * mix.mixture.shape[1])
    mix.mixture[:, :samples] = 0
    mix.parts[..., :samples] = 0
    model = live_model(8)
    cells = cells_of(mix, model.design.bands, model.grid(44100), model.design.loudness)
    total = losses(model, cells, ONLINE).total(ONLINE)
    total.backward()
    assert total.isfinite() and all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("channels", [0, 4])
def test_gradients_reach_every_parameter_and_are_finite(mix, channels):
    torch.manual_seed(0)
    model = Model(Design(bands=BANDS, network=NetworkShape(72, 8, 1, 16, channels=channels)))
    silence = Mix(0 * mix.mixture, 0 * mix.parts, mix.groups)
    mix.parts[0] = 0
    cells = Cells.stack([cells_of(some, BANDS, GRID).at(np.arange(10)) for some in (mix, silence)])
    parts = losses(model, cells, Objective(ratio=0.5))
    parts.total(Objective(ratio=0.5)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_iterations_are_those_of_the_model_and_begin_at_the_anchors(mix):
    torch.manual_seed(0)
    model = Model(Design(bands=BANDS, network=NetworkShape(72, 8, 1, 16)))
    embeddings = torch.nn.functional.normalize(torch.randn(2, 500, 8), dim=-1)
    weights = torch.rand(2, 500)
    for iteration, shares in enumerate(iterated(model, embeddings, weights, 3)):
        centroids = model.centroids(embeddings, weights, iterations=iteration)
        torch.testing.assert_close(shares, model.shares(embeddings, centroids))
    assert iteration == 3


def test_a_teacher_splits_what_holds_several_stems_and_nothing_else(mix):
    parts = np.stack(
        [mix.parts[[0, 1, 3]].sum(0), np.zeros_like(mix.parts[0]), mix.parts[2], np.zeros_like(mix.parts[0])]
    )
    merged = cells_of(Mix(mix.mixture, parts, merge(mix.groups, (0, 1, 3))), BANDS, GRID)
    whole = cells_of(mix, BANDS, GRID)
    torch.manual_seed(0)
    teacher = Model(Design(bands=BANDS, network=NetworkShape(bands=72, dimensions=6, layers=1, units=8))).eval()
    cells = taught(teacher, Cells.stack([merged, whole]))
    for name in ("power", "cross", "energy", "groups", "levels"):
        torch.testing.assert_close(getattr(cells, name)[1:], getattr(whole, name))
    assert torch.equal(cells.groups[0], torch.eye(4))
    torch.testing.assert_close(cells.energy[0, 2], merged.energy[0, 2])
    torch.testing.assert_close(cells.cross[0, [0, 1, 3]].sum(0), merged.cross[0, 0], rtol=1e-4, atol=1e-9)
    amplitude = cells.energy[0, [0, 1, 3]].sqrt().sum(0)
    torch.testing.assert_close(amplitude, merged.energy[0, 0].sqrt(), rtol=1e-3, atol=1e-7)
    assert (cells.energy[0, [0, 1, 3]].sum((1, 2)) > 0.01 * merged.energy[0, 0].sum()).all()
    assert taught(teacher, whole) is whole


def test_what_is_taught_does_not_depend_on_the_voice(mix):
    torch.manual_seed(0)
    teacher = Model(Design(bands=BANDS, network=NetworkShape(bands=72, dimensions=6, layers=1, units=8))).eval()
    energies = []
    for gain in (0, 3):
        music = mix.parts[[0, 1, 3]].sum(0)
        parts = np.stack([music, 0 * music, gain * mix.parts[2], 0 * music])
        cells = cells_of(Mix(parts.sum(0), parts, merge(mix.groups, (0, 1, 3))), BANDS, GRID)
        energies.append(taught(teacher, cells).energy[0, [0, 1, 3]])
    torch.testing.assert_close(*energies)
