"""What every method of clustering must do alike, and where scikit-learn's own must agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from torch.nn.functional import normalize

import stems.methods
from stems.cli.cluster import MethodName
from stems.clustering import cluster
from stems.errors import OptionError
from stems.methods import METHODS, Start, method_named

DIMENSIONS, CLUSTERS = 12, 4


def song(
    seed: int, spread: float = 0.1, points: int = 900
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, np.ndarray]:
    """Cells around four directions, their weights, starts that miss the directions somewhat, and the true labels."""
    random = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(random.standard_normal((DIMENSIONS, CLUSTERS)))
    centres = torch.from_numpy(basis.T.copy()).float()
    labels = random.integers(0, CLUSTERS, points)
    noise = torch.from_numpy(random.standard_normal((points, DIMENSIONS))).float()
    starts = normalize(centres + 0.2 * torch.from_numpy(random.standard_normal((CLUSTERS, DIMENSIONS))).float())
    weights = torch.from_numpy(random.uniform(0.1, 1, points)).float()
    return normalize(centres[labels] + spread * noise, dim=-1), weights, starts, labels


def test_the_command_knows_all_methods() -> None:
    assert [name.value for name in MethodName] == list(METHODS)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_every_method_finds_clear_clusters_in_the_order_of_the_starts(name: str, seed: int) -> None:
    embeddings, weights, starts, labels = song(seed)
    found = METHODS[name](embeddings, weights, Start(starts, 20.0))
    shares = found.shares(embeddings)
    assert (shares.argmax(-1).numpy() == labels).mean() > 0.99
    assert torch.equal((found.centroids @ starts.T).argmax(-1), torch.arange(CLUSTERS))
    assert found.centroids.norm(dim=-1).numpy() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_shares_of_any_cell_sum_to_one_in_any_shape(name: str) -> None:
    embeddings, weights, starts, _ = song(5, spread=0.4)
    found = METHODS[name](embeddings, weights, Start(starts, 8.0))
    elsewhere = normalize(torch.randn(3, 7, 5, DIMENSIONS, generator=torch.Generator().manual_seed(0)), dim=-1)
    shares = found.shares(elsewhere)
    assert shares.shape == (3, 7, 5, CLUSTERS)
    assert (shares >= 0).all() and shares.sum(-1).numpy() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(shares[1, 2], found.shares(elsewhere[1, 2]), atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_a_song_is_clustered_alike_every_time(name: str) -> None:
    embeddings, weights, starts, _ = song(6, spread=0.4)
    torch.manual_seed(1)
    first = METHODS[name](embeddings, weights, Start(starts, 8.0)).shares(embeddings)
    torch.manual_seed(2)
    assert torch.equal(first, METHODS[name](embeddings, weights, Start(starts, 8.0)).shares(embeddings))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("points", [1, 2, 900])
def test_silence_and_next_to_no_song_are_clustered(name: str, points: int) -> None:
    embeddings, weights, starts, _ = song(7)
    found = METHODS[name](embeddings[:points], weights[:points] * 0, Start(starts, 8.0))
    assert found.shares(embeddings).isfinite().all()
    assert found.centroids.isfinite().all()


def test_soft_k_means_is_the_default_one() -> None:
    embeddings, weights, starts, _ = song(8)
    found = METHODS["soft"](embeddings, weights, Start(starts, 8.0, None, 0.1, 3))
    assert torch.equal(found.centroids, cluster(embeddings, weights, starts, 8.0, 0.1, 3))


@pytest.mark.parametrize("seed", range(3))
def test_the_mixture_is_that_of_scikit_learn(seed: int) -> None:
    embeddings, _, starts, _ = song(seed, points=4000)
    start = Start(starts, 20.0, None, 0.0, 30)
    shares = METHODS["mixture"](embeddings, torch.ones(len(embeddings)), start).shares(embeddings)
    theirs = GaussianMixture(CLUSTERS, covariance_type="spherical", means_init=starts.numpy()).fit(embeddings.numpy())
    variances = theirs.covariances_  # which are nearly the same here, for the song was made so
    assert variances.std() < 0.05 * variances.mean()
    assert np.abs(theirs.predict_proba(embeddings.numpy()) - shares.numpy()).mean() < 1e-3


@pytest.mark.parametrize("name", ["soft", "hard", "mixture"])
def test_what_hints_add_draws_a_cluster_there(name: str) -> None:
    embeddings, weights, starts, _ = song(9)
    there = normalize(torch.randn(DIMENSIONS, generator=torch.Generator().manual_seed(3)), dim=0)
    near = []
    for mass in (0.0, 0.1, 1.0):
        hinted = torch.zeros(CLUSTERS, DIMENSIONS)
        hinted[2] = mass * there
        near.append(float(METHODS[name](embeddings, weights, Start(starts, 20.0, hinted=hinted)).centroids[2] @ there))
    assert near[0] < near[1] < near[2]


def test_methods_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="no method of clustering 'magic': choose from soft, hard, mixture, spectral"):
        method_named("magic")
    monkeypatch.setattr(stems.methods, "find_spec", lambda name: None)
    assert method_named("mixture") is METHODS["mixture"]
    with pytest.raises(OptionError, match=r"needs scikit-learn: pip install 'openband-stems\[cluster\]'"):
        method_named("spectral")
