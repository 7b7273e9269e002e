"""Properties of the anchored clustering, beside scikit-learn's k-means where both must agree."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch.nn.functional import normalize

from stems.clustering import assign, cluster, find_seeds, update

DIMENSIONS, CLUSTERS = 12, 4


def directions(seed: int) -> torch.Tensor:
    """Four directions at right angles, (4, 12)."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((DIMENSIONS, CLUSTERS)))
    return torch.from_numpy(basis.T.copy())


def separable(seed: int, spread: float = 0.15, points: int = 400) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points of unit length around four directions, their weights, and anchors that miss the directions somewhat."""
    random = np.random.default_rng(seed)
    centres = directions(seed)
    labels = random.integers(0, CLUSTERS, points)
    embeddings = normalize(centres[labels] + spread * torch.from_numpy(random.standard_normal((points, DIMENSIONS))))
    anchors = normalize(centres + 0.2 * torch.from_numpy(random.standard_normal((CLUSTERS, DIMENSIONS))))
    return embeddings, torch.from_numpy(random.uniform(0.1, 1, points)), anchors


def cosines(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first * second).sum(-1)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("weighted", [False, True])
def test_separable_points_cluster_as_in_scikit_learn(seed: int, weighted: bool) -> None:
    embeddings, weights, anchors = separable(seed)
    weights = weights if weighted else torch.ones_like(weights)
    found = cluster(embeddings, weights, anchors, kappa=200.0, pull=0.0, iterations=20)
    theirs = KMeans(CLUSTERS, init=anchors.numpy(), n_init=1).fit(embeddings.numpy(), sample_weight=weights.numpy())
    assert cosines(found, normalize(torch.from_numpy(theirs.cluster_centers_))).min() > 1 - 1e-6
    labels = assign(embeddings, found, 200.0).argmax(-1)
    assert (labels.numpy() == theirs.labels_).all()


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1)])
def test_clusters_keep_the_order_of_the_anchors(order: tuple[int, ...]) -> None:
    embeddings, weights, anchors = separable(1)
    found = cluster(embeddings, weights, anchors, 20.0)
    assert torch.allclose(cluster(embeddings, weights, anchors[list(order)], 20.0), found[list(order)])
    assert (found @ directions(1).T).argmax(-1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("silent", range(CLUSTERS))
def test_the_centroid_of_a_silent_stem_rests_at_its_anchor(silent: int) -> None:
    embeddings, weights, anchors = separable(2, spread=0.05)
    there = (embeddings @ directions(2).T).argmax(-1) != silent
    found = cluster(embeddings[there], weights[there], anchors, 30.0)
    turned = cosines(found, anchors)
    assert turned[silent] > 0.999
    assert (turned[torch.arange(CLUSTERS) != silent] < 0.99).all()


def test_in_silence_all_centroids_rest_at_their_anchors() -> None:
    embeddings, weights, anchors = separable(3)
    assert torch.allclose(cluster(embeddings, weights * 0, anchors, 8.0), anchors)


def test_no_iterations_give_the_anchors() -> None:
    embeddings, weights, anchors = separable(3)
    assert torch.equal(cluster(embeddings, weights, anchors, 8.0, iterations=0), anchors)


def test_the_pull_draws_centroids_to_their_anchors() -> None:
    embeddings, weights, anchors = separable(4)
    near = [cosines(cluster(embeddings, weights, anchors, 20.0, pull), anchors) for pull in (0.0, 0.1, 1.0, 1e6)]
    for weaker, stronger in pairwise(near):
        assert (weaker < stronger).all()
    assert near[-1].min() > 1 - 1e-6


def test_points_count_by_their_weights() -> None:
    embeddings, weights, anchors = separable(5)
    weights[::3] = 0
    elsewhere = embeddings.clone()
    elsewhere[::3] = -anchors[0]
    found = cluster(embeddings, weights, anchors, 8.0)
    assert torch.allclose(cluster(elsewhere, weights, anchors, 8.0), found)
    assert torch.allclose(cluster(embeddings, weights * 1e-6, anchors, 8.0), found)
    twice = torch.cat([embeddings, embeddings[:50]]), torch.cat([weights, weights[:50]])
    heavier = weights.clone()
    heavier[:50] *= 2
    assert torch.allclose(cluster(*twice, anchors, 8.0), cluster(embeddings, heavier, anchors, 8.0))


@pytest.mark.parametrize("sensitivity", [0.0, 0.1, 8.0, 100.0, 1e4])
def test_shares_of_a_point_sum_to_one_and_centroids_have_unit_length(sensitivity: float) -> None:
    embeddings, weights, anchors = separable(6)
    shares = assign(embeddings, anchors, sensitivity)
    assert shares.shape == (len(embeddings), CLUSTERS)
    assert (shares >= 0).all()
    assert shares.sum(-1).numpy() == pytest.approx(1, abs=1e-12)
    found = update(embeddings, weights, shares, anchors, 0.05)
    assert found.norm(dim=-1).numpy() == pytest.approx(1, abs=1e-12)


def test_low_sensitivity_shares_evenly_and_high_cuts_hard() -> None:
    embeddings, _, anchors = separable(7)
    assert assign(embeddings, anchors, 1e-9).numpy() == pytest.approx(1 / CLUSTERS, abs=1e-8)
    hard = assign(embeddings, anchors, 1e9)
    nearest = (embeddings @ anchors.T).argmax(-1)
    assert torch.equal(hard, torch.nn.functional.one_hot(nearest, CLUSTERS).to(hard))
    softer, harder = (assign(embeddings, anchors, kappa).max(-1).values for kappa in (4.0, 8.0))
    assert (softer < harder).all()


def test_songs_of_a_batch_do_not_mix() -> None:
    songs = [separable(seed) for seed in (8, 9)]
    batch = cluster(*(torch.stack(parts) for parts in zip(*songs, strict=True)), kappa=8.0)
    for found, song in zip(batch, songs, strict=True):
        assert torch.allclose(found, cluster(*song, kappa=8.0))


@pytest.mark.parametrize("seed", range(8))
def test_seeds_find_every_cluster_without_anchors(seed: int) -> None:
    embeddings, weights, _ = separable(seed)
    weights = weights * (1 + (embeddings @ directions(seed)[0] > 0.5))  # one cluster outweighs the others
    seeds = find_seeds(embeddings, weights, CLUSTERS, 20.0)
    nearest = (seeds @ directions(seed).T).max(-1)
    assert nearest.values.min() > 0.98
    assert sorted(nearest.indices.tolist()) == [0, 1, 2, 3]
    sizes = (assign(embeddings, seeds, 20.0) * weights[:, None]).sum(0)
    assert (sizes.diff() <= 0).all() and nearest.indices[0] == 0


def test_seeds_are_the_same_at_every_call_and_in_every_batch() -> None:
    songs = [separable(seed)[:2] for seed in (10, 11)]
    alone = [find_seeds(*song, 3, 8.0) for song in songs]
    torch.manual_seed(5)
    for first, again in zip(alone, [find_seeds(*song, 3, 8.0) for song in songs], strict=True):
        assert torch.equal(first, again)
    batch = find_seeds(*(torch.stack(parts) for parts in zip(*songs, strict=True)), 3, 8.0)
    assert batch.shape == (2, 3, DIMENSIONS)


def test_more_starts_never_fit_worse() -> None:
    random = np.random.default_rng(3)
    embeddings = normalize(torch.from_numpy(random.standard_normal((300, 3))))
    weights = torch.from_numpy(random.uniform(0.1, 1, 300))
    fits = [
        float((find_seeds(embeddings, weights, 7, 50.0, starts) @ embeddings.T).amax(0) @ weights)
        for starts in (1, 4, 16)
    ]
    assert fits == sorted(fits) and fits[0] < fits[-1]


def test_seeds_weigh_nothing_in_silence() -> None:
    embeddings, weights, _ = separable(12)
    assert find_seeds(embeddings, weights * 0, 2, 8.0).isfinite().all()
    loud = separable(12)[0] @ directions(12)[0] > 0.5
    seeds = find_seeds(embeddings, weights * loud, 2, 8.0)
    assert ((seeds @ directions(12).T).argmax(-1) == 0).all()
