"""Spherical k-means over the embeddings of a song, from anchors or from seeds that the song itself gives."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional


def assign(embeddings: Tensor, centroids: Tensor, kappa: float | Tensor, log_priors: Tensor | None = None) -> Tensor:
    """Shares of every embedding in every cluster: `softmax(kappa * cosine + log_prior)`.

    Args:
        embeddings: (..., points, dimensions), of unit length.
        centroids: (..., clusters, dimensions), of unit length.
        kappa: sharpness, that of a von Mises-Fisher mixture: low shares softly, high cuts hard.
        log_priors: (clusters,), how likely each cluster is before a point is seen; all alike by default.

    Returns:
        (..., points, clusters), which sum to one over the clusters.
    """
    cosines = centroids @ embeddings.transpose(-1, -2)  # with the few clusters first, softmax is ten times as fast
    logits = kappa * cosines
    if log_priors is not None:
        logits = logits + log_priors[:, None]
    return torch.softmax(logits, dim=-2).transpose(-1, -2)


def sharpen(shares: Tensor, exponents: Tensor) -> Tensor:
    """Shares in which some clusters let go of, or hold on to, what is more another cluster's.

    By how much a cluster's share is below the largest of a cell is raised to the cluster's power, and all are made to
    sum to one again. Equal exponents are what their product with kappa would be in `assign`; with exponents of 1
    nothing changes. Where a cluster has the largest share itself, only the others' exponents matter.

    Args:
        shares: (..., points, clusters), which sum to one.
        exponents: (clusters,), above 0.

    Returns:
        (..., points, clusters), which sum to one.
    """
    below = (shares / shares.amax(-1, keepdim=True)) ** exponents
    return below / below.sum(-1, keepdim=True)


def update(
    embeddings: Tensor, weights: Tensor, shares: Tensor, anchors: Tensor, pull: float, hinted: Tensor | None = None
) -> Tensor:
    """New centroids: the weighted mean direction of each cluster's points, pulled towards its anchor.

    The pull is that of `pull` times an even part of all weight, all of it lying on the anchor. A stem that
    is silent has next to no weight of its own, so its centroid rests where it started.

    Args:
        embeddings: (..., points, dimensions).
        weights: (..., points), at least 0.
        shares: (..., points, clusters), see `assign`.
        anchors: (..., clusters, dimensions).
        hinted: (..., clusters, dimensions), what is added to the sum over each cluster, where all points weigh 1.

    Returns:
        (..., clusters, dimensions), of unit length.
    """
    weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)
    sums = weighted_sums(embeddings, weights, shares)
    return pulled(sums if hinted is None else sums + hinted, anchors, pull)


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
    kappa: float | Tensor,
    pull: float = 0.05,
    iterations: int = 10,
    log_priors: Tensor | None = None,
    hinted: Tensor | None = None,
) -> Tensor:
    """Centroids of a song, found by soft spherical k-means that starts from the anchors.

    Clusters keep the order of the anchors, so they have names and never swap.

    Args:
        embeddings: (..., points, dimensions), of unit length.
        weights: (..., points); how much each point counts.
        anchors: (..., clusters, dimensions), of unit length.
        kappa: see `assign`.
        pull: see `update`; 0 lets the centroids go anywhere.
        iterations: 0 returns the anchors.
        log_priors: see `assign`.
        hinted: see `update`.

    Returns:
        (..., clusters, dimensions), of unit length.
    """
    centroids = anchors
    for _ in range(iterations):
        shares = assign(embeddings, centroids, kappa, log_priors)
        centroids = update(embeddings, weights, shares, anchors, pull, hinted)
    return centroids


@torch.no_grad()
def find_seeds(
    embeddings: Tensor,
    weights: Tensor,
    clusters: int,
    kappa: float | Tensor,
    starts: int = 8,
    iterations: int = 5,
) -> Tensor:
    """Where clusters that have no anchors start: the best of several short runs of k-means.

    Draws are the same at every call, so that a song is always clustered alike.

    Args:
        embeddings: (..., points, dimensions), of unit length.
        weights: (..., points); how much each point counts.
        clusters: how many are wanted.
        kappa: see `assign`.
        starts: runs of k-means, each from seeds of its own.
        iterations: of a run.

    Returns:
        (..., clusters, dimensions), of unit length, the cluster of most weight first.
    """
    random = Generator().manual_seed(0)
    runs = []
    for _ in range(starts):
        seeds = _distant(embeddings, weights, clusters, random)
        runs.append(cluster(embeddings, weights, seeds, kappa, 0.0, iterations))
    found = torch.stack(runs)  # (starts, ..., clusters, dimensions)
    fits = ((found @ embeddings.transpose(-1, -2)).amax(-2) * weights).sum(-1)
    best = found.gather(0, fits.argmax(0)[None, ..., None, None].expand_as(found[:1]))[0]
    sizes = (assign(embeddings, best, kappa) * weights[..., None]).sum(-2)
    return best.gather(-2, sizes.argsort(-1, descending=True)[..., None].expand_as(best))


def _distant(embeddings: Tensor, weights: Tensor, clusters: int, random: Generator) -> Tensor:
    """Points drawn as k-means++ does: the likelier, the more they weigh and the farther they are from those before.

    (Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007.)
    """
    farness = torch.ones_like(weights)
    seeds: list[Tensor] = []
    for _ in range(clusters):
        # Whoever comes first in a race at these rates is drawn with a chance in proportion to its rate.
        times = torch.empty(weights.shape).exponential_(generator=random).to(weights)
        drawn = (weights * farness / times.clamp(min=1e-12)).argmax(-1)[..., None, None]
        seeds.append(embeddings.gather(-2, drawn.expand(*drawn.shape[:-1], embeddings.shape[-1])))
        cosines = (embeddings @ seeds[-1].transpose(-1, -2))[..., 0]
        farness = torch.minimum(farness, (1 - cosines).clamp(min=0))
    return torch.cat(seeds, -2)
