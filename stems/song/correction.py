"""Clusters that are corrected by what a listener knows of some cells, and stay as they were elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
from torch import Generator, Tensor
from torch.nn import functional

from stems.methods import Clusters

SONG_CELLS, TOLD_CELLS = 4000, 2000  # that stand for the song, which is to stay as it is, and for what is told at once
TOLD_WEIGHT = 0.5  # of all cells of which something is known, where those of the song weigh 1
RIDGE = 1e-4  # on the squares of slopes: without it nothing says how far to go along what no cell shows
STEPS, HALVINGS = 12, 8  # of Newton's method, and of a step that does not help, at most
ENOUGH = 1e-6  # by which a step must promise to lessen the loss
LEAST_SHARE = 1e-6  # so that a cell can be won for a cluster that had nothing of it


@dataclass(frozen=True)
class Told:
    """Cells of which it is known how they should be shared.

    Attributes:
        embeddings: (cells, dimensions).
        weights: (cells,), how much each counts; their sum does not matter.
        shares: (cells, clusters), that they should have; each cell's sum to one.
    """

    embeddings: Tensor
    weights: Tensor
    shares: Tensor


@dataclass(frozen=True)
class Corrected:
    """Clusters whose log odds have a correction that is linear in the embedding.

    With `stems.methods.Soft` this is the same as moving the centroids by `slopes / kappa`.

    Attributes:
        clusters: as found.
        slopes: (clusters, dimensions).
        kappa: sharpness of the model.
    """

    clusters: Clusters
    slopes: Tensor
    kappa: float

    @property
    def centroids(self) -> Tensor:
        """See `Clusters.centroids`; moved as the correction moves those of `stems.methods.Soft`."""
        return functional.normalize(self.clusters.centroids + self.slopes / self.kappa, dim=-1)

    def shares(self, embeddings: Tensor) -> Tensor:
        """See `Clusters.shares`."""
        return _corrected(self.clusters.shares(embeddings), embeddings, self.slopes)


def correct(clusters: Clusters, told: Sequence[Told], embeddings: Tensor, weights: Tensor, kappa: float) -> Clusters:
    """Clusters that share the told cells as they should be, as far as the rest of the song can stay as it is.

    The slopes are those of a multinomial logistic regression on the told cells and on cells of the song, whose shares
    should be those that they have. It is convex, so there is one answer: sounds that lie like the told cells in the
    embedding, and unlike what else there is, follow them wherever they are in the song.

    Args:
        told: nothing changes where it is empty.
        embeddings: of cells of the song, (cells, dimensions).
        weights: how much each counts, (cells,).
        kappa: sharpness of the model.
    """
    if not told:
        return clusters
    song = draw(weights, SONG_CELLS)
    chosen = [draw(each.weights, max(1, TOLD_CELLS // len(told))) for each in told]
    points = torch.cat([embeddings[song], *(each.embeddings[some] for each, some in zip(told, chosen, strict=True))])
    before = clusters.shares(points)
    wanted = torch.cat([before[:SONG_CELLS], *(each.shares[some] for each, some in zip(told, chosen, strict=True))])
    counts = before.new_ones(len(before)) / SONG_CELLS
    counts[SONG_CELLS:] = TOLD_WEIGHT / (len(before) - SONG_CELLS)
    slopes = _regress(*(part.cpu().double() for part in (points, counts, before, wanted)))
    return Corrected(clusters, slopes.to(embeddings), kappa)


def draw(weights: Tensor, count: int) -> Tensor:
    """Numbers of cells that stand for all, (count,): drawn by their weights, and the same at every call."""
    chances = weights if weights.sum() > 0 else torch.ones_like(weights)
    return chances.multinomial(count, True, generator=Generator(weights.device).manual_seed(0))


def _corrected(shares: Tensor, embeddings: Tensor, slopes: Tensor) -> Tensor:
    return torch.softmax(shares.clamp(min=LEAST_SHARE).log() + embeddings @ slopes.T, -1)


def _regress(points: Tensor, weights: Tensor, before: Tensor, wanted: Tensor) -> Tensor:
    """The slopes with which the shares come nearest to those wanted, (clusters, dimensions); by Newton's method."""
    clusters, dimensions = before.shape[-1], points.shape[-1]
    slopes = before.new_zeros(clusters, dimensions)

    def loss(slopes: Tensor) -> Tensor:
        return -(weights @ (wanted * _corrected(before, points, slopes).log()).sum(-1)) + RIDGE * slopes.square().sum()

    for _ in range(STEPS):
        shares = _corrected(before, points, slopes)
        gradient = (weights[:, None] * (shares - wanted)).T @ points + 2 * RIDGE * slopes
        curvature = before.new_zeros(clusters, dimensions, clusters, dimensions)
        for one, other in combinations_with_replacement(range(clusters), 2):
            joint = weights * shares[:, one] * (float(one == other) - shares[:, other])
            curvature[one, :, other] = curvature[other, :, one] = (joint[:, None] * points).T @ points
        size = clusters * dimensions
        matrix = curvature.reshape(size, size) + 2 * RIDGE * torch.eye(size, dtype=before.dtype)
        step = torch.linalg.solve(matrix, gradient.reshape(size)).reshape(clusters, dimensions)
        if (gradient * step).sum() < ENOUGH:
            return slopes
        now = loss(slopes)
        for halving in range(HALVINGS):
            after = slopes - step / 2**halving
            if loss(after) < now:
                break
        else:
            return slopes
        slopes = after
    return slopes
