"""Clusters that are told how some cells are shared: those are, and the rest of the song stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from stems.clustering import assign
from stems.methods import METHODS, Clusters, Start
from stems.song.correction import TOLD_WEIGHT, Corrected, Told, correct

KAPPA = 8.0


def song_and_clusters(method: str, seed: int) -> tuple[Tensor, Tensor, Clusters]:
    random = torch.Generator().manual_seed(seed)
    anchors = torch.eye(6)[:4]
    cells = normalize(anchors.repeat(100, 1) + 0.3 * torch.randn(400, 6, generator=random), dim=-1)
    weights = torch.rand(400, generator=random)
    return cells, weights, METHODS[method](cells, weights, Start(anchors, KAPPA))


def told_cells(stem: int, clusters: int = 4) -> Told:
    """Cells near the fourth cluster that are another's."""
    random = torch.Generator().manual_seed(7)
    strange = normalize(torch.eye(6)[3] + 0.6 * torch.eye(6)[4], dim=0)
    cells = normalize(strange + 0.1 * torch.randn(60, 6, generator=random), dim=-1)
    shares = one_hot(torch.full((60,), stem), clusters).float()
    return Told(cells, torch.ones(60), shares)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stem", range(3))
def test_told_cells_get_most_of_the_way_and_the_song_keeps_its_shares(method: str, stem: int) -> None:
    cells, weights, clusters = song_and_clusters(method, stem)
    told = told_cells(stem)
    after = correct(clusters, [told], cells, weights, KAPPA)
    shares = after.shares(cells)
    assert shares.sum(-1).numpy() == pytest.approx(1, abs=1e-5)
    assert after.shares(told.embeddings)[:, stem].mean() > clusters.shares(told.embeddings)[:, stem].mean() + 0.3
    assert float((weights @ (shares - clusters.shares(cells)).abs()).sum() / weights.sum()) < 0.3  # of at most 2
    assert after.centroids.norm(dim=-1).numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_soft_clusters_are_corrected_by_moving_their_centroids(seed: int) -> None:
    cells, weights, clusters = song_and_clusters("soft", seed)
    after = correct(clusters, [told_cells(0)], cells, weights, KAPPA)
    assert isinstance(after, Corrected)
    moved = clusters.centroids + after.slopes / KAPPA
    assert torch.allclose(after.shares(cells), assign(cells, moved, KAPPA), atol=1e-4)


def test_no_other_slopes_are_better() -> None:
    """What is sought is the least of a convex function, so that any step away from it is a step up."""
    cells, weights, clusters = song_and_clusters("soft", 0)
    told = told_cells(1)
    after = correct(clusters, [told], cells, weights, KAPPA)
    assert isinstance(after, Corrected)

    def loss(slopes: Tensor) -> float:
        found = Corrected(clusters, slopes, KAPPA)
        rest = -(weights @ (clusters.shares(cells) * found.shares(cells).log()).sum(-1)) / weights.sum()
        return float(rest - TOLD_WEIGHT * (told.shares * found.shares(told.embeddings).log()).sum(-1).mean())

    for seed in range(20):
        step = torch.randn(4, 6, generator=torch.Generator().manual_seed(seed))
        assert loss(after.slopes + 2 * step) > loss(after.slopes)


def test_nothing_told_changes_nothing_and_the_same_is_always_the_same() -> None:
    cells, weights, clusters = song_and_clusters("soft", 0)
    assert correct(clusters, [], cells, weights, KAPPA) is clusters
    one, other = (correct(clusters, [told_cells(2)], cells, weights, KAPPA).shares(cells) for _ in range(2))
    assert torch.equal(one, other)


def test_a_silent_song_can_be_corrected() -> None:
    cells, _, clusters = song_and_clusters("soft", 0)
    told = Told(cells[:5], torch.zeros(5), clusters.shares(cells[:5]))
    assert correct(clusters, [told], cells, torch.zeros(400), KAPPA).shares(cells).isfinite().all()
