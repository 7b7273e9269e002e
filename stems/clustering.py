"""Anchored spherical k-means over the embeddings of a song."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def assign(embeddings: Tensor, centroids: Tensor, sensitivity: float | Tensor) -> Tensor:
    """Shares of every embedding in every cluster: `softmax(sensitivity * cosine)`.

    Args:
        embeddings: (..., points, dimensions), of unit length.
        centroids: (..., clusters, dimensions), of unit length.
        sensitivity: low shares softly, high cuts hard (kappa of a von Mises-Fisher mixture).

    Returns:
        (..., points, clusters), which sum to one over the clusters.
    """
    cosines = centroids @ embeddings.transpose(-1, -2)  # with the few clusters first, softmax is ten times as fast
    return torch.softmax(sensitivity * cosines, dim=-2).transpose(-1, -2)


def update(embeddings: Tensor, weights: Tensor, shares: Tensor, anchors: Tensor, pull: float) -> Tensor:
    """New centroids: the weighted mean direction of each cluster's points, pulled towards its anchor.

    The pull is that of `pull` times an even part of all weight, all of it lying on the anchor. A stem that
    is silent has next to no weight of its own, so its centroid rests where it started.

    Args:
        embeddings: (..., points, dimensions).
        weights: (..., points), at least 0.
        shares: (..., points, clusters), see `assign`.
        anchors: (..., clusters, dimensions).

    Returns:
        (..., clusters, dimensions), of unit length.
    """
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    return pulled(weighted_sums(embeddings, weights, shares), anchors, pull)


def weighted_sums(embeddings: Tensor, weights: Tensor, shares: Tensor) -> Tensor:
    """What the points add to each cluster, (..., clusters, dimensions); the arguments are those of `update`."""
    return (shares * weights[..., None]).transpose(-1, -2) @ embeddings


def pulled(sums: Tensor, anchors: Tensor, pull: float) -> Tensor:
    """The directions of sums over points whose weights add up to one, pulled towards the anchors; see `update`."""
    return functional.normalize(sums + pull / anchors.shape[-2] * anchors, dim=-1)


def cluster(
    embeddings: Tensor,
    weights: Tensor,
    anchors: Tensor,
    sensitivity: float | Tensor,
    pull: float = 0.05,
    iterations: int = 10,
) -> Tensor:
    """Centroids of a song, found by soft spherical k-means that starts from the anchors.

    Clusters keep the order of the anchors, so they have names and never swap.

    Args:
        embeddings: (..., points, dimensions), of unit length.
        weights: (..., points); how much each point counts.
        anchors: (..., clusters, dimensions), of unit length.
        sensitivity: see `assign`.
        pull: see `update`; 0 lets the centroids go anywhere.
        iterations: 0 returns the anchors.

    Returns:
        (..., clusters, dimensions), of unit length.
    """
    centroids = anchors
    for _ in range(iterations):
        shares = assign(embeddings, centroids, sensitivity)
        centroids = update(embeddings, weights, shares, anchors, pull)
    return centroids
