"""Separation without stems that are known: a song falls into as many clusters as asked for, or as it has."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from stems.clustering import cluster, find_seeds
from stems.errors import OptionError
from stems.methods import Clusters, Start
from stems.model import Model
from stems.sensitivity import Sensitivity
from stems.separator import Separator
from stems.song.clustered import ClusteredSong
from stems.song.confidence import silhouette
from stems.song.encoded import EncodedSong
from stems.spectrum import Grid

MOST_CLUSTERS = 12
COUNTED = range(2, 9)  # numbers of clusters that are tried where none is given
ITERATIONS = 10  # more than a model may want that starts at its anchors
SEEDING_POINTS = 8192  # that stand for a song while seeds are sought
MOST_ALIKE = 0.8  # correlation of two clusters in the loudest cells, of which faint ones keep it below 0.9 in all
SHARPER, ATTEMPTS = 1.5, 12  # factor on kappa, and how often, where clusters fall together


@dataclass(frozen=True)
class BlindClusters(ClusteredSong):
    """Clusters without names, that of most energy first.

    Attributes:
        resembles: how the energy of each would be shared among the model's stems, by the names of both; empty where
            the model does not know its stems by name.
    """

    resembles: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Ordered:
    """The clusters that a method found, in another order.

    Attributes:
        clusters: as found.
        order: number of the cluster that comes first, second and so on, (clusters,).
    """

    clusters: Clusters
    order: Tensor

    @property
    def centroids(self) -> Tensor:
        """Where each cluster lies in the new order, (clusters, dimensions), of unit length."""
        return self.clusters.centroids[self.order]

    def shares(self, embeddings: Tensor) -> Tensor:
        """Shares in the new order: (..., points, dimensions) -> (..., points, clusters)."""
        return self.clusters.shares(embeddings)[..., self.order]


class BlindSeparator(Separator):
    """Splits songs into clusters that have no names but `cluster-1`, `cluster-2` and so on, that of most energy first.

    Args:
        clusters: how many, from 2 to 12; None finds out for each song, see `count_clusters`.
        model: see `Separator`; one without anchors will do.
        device: see `Separator`.
        method: see `Separator`.

    Raises:
        ModelError: if the model cannot be loaded.
        OptionError: if the number of clusters is out of range, or there is no such device or method.
    """

    def __init__(
        self,
        clusters: int | None = None,
        model: str | os.PathLike[str] | Model = "openband",
        device: str = "auto",
        method: str = "soft",
    ) -> None:
        if clusters is not None and not 2 <= clusters <= MOST_CLUSTERS:
            raise OptionError(f"A song is split into 2 to {MOST_CLUSTERS} clusters, not {clusters}.")
        super().__init__(model, device, method=method)
        self.clusters = clusters

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the clusters; none where their number is found out for each song."""
        return cluster_names(self.clusters or 0)

    def find_clusters(self, encoded: EncodedSong, grid: Grid, sensitivity: Sensitivity) -> BlindClusters:
        """The clusters of a song, from the loudest cells of its landmarks."""
        named = super().find_clusters(encoded, grid, sensitivity)
        kappa = float(self.model.kappa) * sensitivity.song
        points = named.embeddings.flatten(0, 1)
        powers = named.powers.gather(1, named.loudest).flatten()
        weights = self.model.weigh(powers)
        thin = slice(None, None, -(-len(points) // SEEDING_POINTS))
        count = self.clusters or count_clusters(points[thin], weights[thin], kappa)
        for _ in range(ATTEMPTS):
            seeds = find_seeds(points[thin], weights[thin], count, kappa)
            clusters = self.method(points, weights, Start(seeds, kappa, None, 0.0, ITERATIONS))
            if likeness(clusters, points, powers) <= MOST_ALIKE:
                break
            kappa *= SHARPER  # soft clusters fall together where they are more than the song has, sharp ones do not
        ordered = by_energy(clusters, points, powers)
        values = {part.name: getattr(named, part.name) for part in fields(named)}
        values |= {"stems": cluster_names(count), "anchors": seeds[ordered.order], "clusters": ordered}
        alike = resemblance(ordered, named, powers) if self.model.design.clustering.anchored else {}
        return BlindClusters(**values, resembles=alike)


def cluster_names(count: int) -> tuple[str, ...]:
    """`cluster-1`, `cluster-2` and so on."""
    return tuple(f"cluster-{number}" for number in range(1, count + 1))


def by_energy(clusters: Clusters, points: Tensor, powers: Tensor) -> Ordered:
    """The same clusters, that of most energy first."""
    return Ordered(clusters, (powers @ clusters.shares(points)).argsort(descending=True))


def likeness(clusters: Clusters, points: Tensor, powers: Tensor) -> float:
    """The highest correlation between what two clusters cut out of some cells, from 0 to 1.

    Args:
        clusters: two or more.
        points: embeddings of the cells, (points, dimensions).
        powers: of the cells, (points,).
    """
    shares = clusters.shares(points)
    products = (shares * powers[:, None]).T @ shares
    norms = products.diagonal().sqrt()
    # A cluster that has no energy is like any other.
    correlations = torch.where(norms > 0, products / (norms * norms[:, None]), 1.0).fill_diagonal_(0)
    return float(correlations.max())


def count_clusters(points: Tensor, weights: Tensor, kappa: float) -> int:
    """How many clusters a song has: as many as give its cells the best silhouette (Rousseeuw 1987).

    Args:
        points: embeddings of cells, (points, dimensions).
        weights: how much each counts, (points,).
        kappa: see `stems.clustering.assign`.
    """
    fits = {}
    for count in COUNTED:
        seeds = find_seeds(points, weights, count, kappa)
        centroids = cluster(points, weights, seeds, kappa, 0.0, ITERATIONS)
        fits[count] = float(silhouette(points, centroids).amax(-1) @ weights)
    return max(fits, key=lambda count: fits[count])


def resemblance(clusters: Clusters, named: ClusteredSong, powers: Tensor) -> dict[str, dict[str, float]]:
    """What clusters would be to clusters that have names: the share of each of those in the energy of each of these.

    Args:
        powers: of the cells of `named`, (points,).
    """
    points = named.embeddings.flatten(0, 1)
    energies = (clusters.shares(points) * powers[:, None]).T @ named.clusters.shares(points)
    rows = (energies / energies.sum(1, keepdim=True).clamp(min=torch.finfo(energies.dtype).tiny)).tolist()
    return {
        name: dict(zip(named.stems, row, strict=True)) for name, row in zip(cluster_names(len(rows)), rows, strict=True)
    }
