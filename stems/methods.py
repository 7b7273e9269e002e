"""Exchangeable methods of clustering: from the cells of a song, each finds the shares of any cell in clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from stems.clustering import assign, cluster, sharpen, update
from stems.errors import OptionError

SPECTRAL_CELLS = 600  # whose affinities are decomposed; the time grows with their square and with the song
LEAST_VARIANCE = 1e-3  # of a dimension, so that a song of equal cells does not divide by zero


@dataclass(frozen=True)
class Start:
    """From where, and how, the clusters of a song are sought.

    Attributes:
        directions: (clusters, dimensions), of unit length, where the clusters start; what is found keeps their order.
        kappa: see `stems.clustering.assign`.
        log_priors: (clusters,), see `stems.clustering.assign`.
        pull: towards the start, see `stems.clustering.update`.
        iterations: of k-means and of the mixture.
        hinted: (clusters, dimensions), see `stems.clustering.update`.
    """

    directions: Tensor
    kappa: float
    log_priors: Tensor | None = None
    pull: float = 0.05
    iterations: int = 10
    hinted: Tensor | None = None


class Clusters(Protocol):
    """What a method found."""

    @property
    def centroids(self) -> Tensor:
        """Where each cluster lies, (clusters, dimensions), of unit length."""

    def shares(self, embeddings: Tensor) -> Tensor:
        """Shares of every cell in every cluster: (..., points, dimensions) -> (..., points, clusters)."""


Method = Callable[[Tensor, Tensor, Start], Clusters]
"""Embeddings of cells (points, dimensions), their weights (points,), and a start -> clusters."""


@dataclass(frozen=True)
class Soft:
    """Clusters that share every cell, by its cosine to their centroids."""

    centroids: Tensor
    kappa: float
    log_priors: Tensor | None = None

    def shares(self, embeddings: Tensor) -> Tensor:
        """See `Clusters.shares`; by `stems.clustering.assign`."""
        return assign(embeddings, self.centroids, self.kappa, self.log_priors)


@dataclass(frozen=True)
class Hard:
    """Clusters of which the nearest has a cell to itself."""

    centroids: Tensor

    def shares(self, embeddings: Tensor) -> Tensor:
        """See `Clusters.shares`; 1 for the nearest cluster, 0 for all others."""
        nearest = (embeddings @ self.centroids.T).argmax(-1)
        return functional.one_hot(nearest, len(self.centroids)).to(embeddings)


@dataclass(frozen=True)
class Mixture:
    """Gaussians of one variance; a cell is shared by the chance that each brought it forth."""

    means: Tensor
    variance: Tensor
    log_weights: Tensor

    @property
    def centroids(self) -> Tensor:
        """See `Clusters.centroids`; the means, at unit length."""
        return functional.normalize(self.means, dim=-1)

    def shares(self, embeddings: Tensor) -> Tensor:
        """See `Clusters.shares`; the chance of each Gaussian, given the cell."""
        offsets = self.log_weights - self.means.square().sum(-1) / (2 * self.variance)
        return assign(embeddings, self.means / self.variance, 1.0, offsets)


@dataclass(frozen=True)
class Neighbours:
    """Clusters that share a cell by its affinity to the sampled cells of each.

    Attributes:
        centroids: see `Clusters`.
        cells: (sampled, dimensions).
        members: (sampled, clusters) of 0 and 1.
        kappa: of the affinity, `exp(kappa * (cosine - 1))`.
    """

    centroids: Tensor
    cells: Tensor
    members: Tensor
    kappa: float

    def shares(self, embeddings: Tensor) -> Tensor:
        """See `Clusters.shares`; affinity to the cells of each cluster, summed and set to add up to 1."""
        cosines = embeddings @ self.cells.T
        nearest = cosines.amax(-1, keepdim=True)  # keeps the exponentials of a far cell from vanishing
        affinities = (self.kappa * (cosines - nearest)).exp() @ self.members
        return affinities / affinities.sum(-1, keepdim=True)


@dataclass(frozen=True)
class Sharpened:
    """Clusters some of which have a sharpness of their own, see `stems.clustering.sharpen`.

    Attributes:
        clusters: as found.
        exponents: (clusters,).
    """

    clusters: Clusters
    exponents: Tensor

    @property
    def centroids(self) -> Tensor:
        """See `Clusters.centroids`; sharpness moves none."""
        return self.clusters.centroids

    def shares(self, embeddings: Tensor) -> Tensor:
        """See `Clusters.shares`."""
        return sharpen(self.clusters.shares(embeddings), self.exponents)


def soft_kmeans(embeddings: Tensor, weights: Tensor, start: Start) -> Clusters:
    """Soft spherical k-means, see `stems.clustering.cluster`."""
    centroids = cluster(
        embeddings,
        weights,
        start.directions,
        start.kappa,
        start.pull,
        start.iterations,
        start.log_priors,
        start.hinted,
    )
    return Soft(centroids, start.kappa, start.log_priors)


def hard_kmeans(embeddings: Tensor, weights: Tensor, start: Start) -> Clusters:
    """Spherical k-means that gives each cell to one cluster (Dhillon & Modha 2001); has no use for kappa."""
    found = Hard(start.directions)
    for _ in range(start.iterations):
        shares = found.shares(embeddings)
        found = Hard(update(embeddings, weights, shares, start.directions, start.pull, start.hinted))
    return found


def gaussian_mixture(embeddings: Tensor, weights: Tensor, start: Start) -> Clusters:
    """A mixture of Gaussians of one common variance in all directions, fitted by expectation and maximisation.

    The song itself gives the variance, and so what kappa is to the other methods.
    """
    weights = (weights / weights.sum().clamp(min=1e-12))[:, None]
    # The start, and what hints add, count as further points of the clusters.
    added = start.pull / len(start.directions) * start.directions
    if start.hinted is not None:
        added = added + start.hinted
    masses = added.norm(dim=-1)
    shares = assign(embeddings, start.directions, start.kappa, start.log_priors)
    found = None
    for _ in range(max(1, start.iterations)):
        weighted = shares * weights
        sizes = weighted.sum(0) + masses
        means = (weighted.T @ embeddings + added) / sizes.clamp(min=1e-12)[:, None]
        # Of points of unit length: the mean of |x - m|^2 is that of 1 - 2 x m + m^2, and the mean of x is m.
        spread = 1 - (sizes / sizes.sum() * means.square().sum(-1)).sum()
        variance = (spread / embeddings.shape[-1]).clamp(min=LEAST_VARIANCE)
        found = Mixture(means, variance, (sizes / sizes.sum()).clamp(min=1e-12).log())
        shares = found.shares(embeddings)
    assert found is not None
    return found


def spectral(embeddings: Tensor, weights: Tensor, start: Start) -> Clusters:
    """Spectral clustering (Ng, Jordan & Weiss 2001) of a sample of the cells, extended to the others by affinity.

    It starts nowhere, and has no use for what hints add: its clusters take the names of the nearest starts.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import SpectralClustering

    count = len(start.directions)
    chances = weights if weights.sum() > 0 else torch.ones_like(weights)
    drawn = chances.multinomial(SPECTRAL_CELLS, True, generator=Generator(weights.device).manual_seed(0))
    cells = embeddings[np.unique(drawn.cpu().numpy())]
    if len(cells) <= count + 1:  # next to no song
        return Hard(start.directions)
    affinities = (start.kappa * (cells @ cells.T - 1)).exp()
    chosen = SpectralClustering(count, affinity="precomputed", assign_labels="cluster_qr", random_state=0)
    labels = torch.from_numpy(chosen.fit_predict(affinities.double().cpu().numpy())).to(cells.device)
    members = functional.one_hot(labels.long(), count).to(cells)
    centroids = functional.normalize(members.T @ cells, dim=-1)
    _, order = linear_sum_assignment(-(start.directions @ centroids.T).cpu().numpy())
    return Neighbours(centroids[order], cells, members[:, order], start.kappa)


METHODS: dict[str, Method] = {
    "soft": soft_kmeans,
    "hard": hard_kmeans,
    "mixture": gaussian_mixture,
    "spectral": spectral,
}


def method_named(name: str) -> Method:
    """A method of clustering.

    Raises:
        OptionError: where there is none of this name, or it needs a package that is not installed.
    """
    if name not in METHODS:
        raise OptionError(f"There is no method of clustering {name!r}: choose from {', '.join(METHODS)}.")
    if name == "spectral" and find_spec("sklearn") is None:
        raise OptionError("Spectral clustering needs scikit-learn: pip install 'openband-stems[cluster]'.")
    return METHODS[name]
