"""Loudness and centroids of a stream, from what has been heard so far."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stems.clustering import assign, pulled, weighted_sums
from stems.model import Model
from stems.network.embedding import CENTRE_DB
from stems.spectrum import Grid

LOUDNESS_SECONDS = 5.0  # that the running loudness covers, as long as the excerpts of training
FAINTEST = 1e-8  # power; hops below -80 dBFS are pauses, which say nothing about the loudness of the music
GATE = 1e-4  # of the loudest power; quieter hops do not count, as in the loudness of whole songs
FOLLOW_SECONDS = 3.0  # time constant with which the centroids follow the music, once as much has been heard
PRIOR_SECONDS = 0.1  # of music, as much as which the anchors weigh in the clusters at the start
ANCHORED_SECONDS = 1.0  # of music, after which the centroids lie half-way between anchors and clusters
ANCHORED = 0.4  # share of the way from the clusters to the anchors at which the centroids stay


class RunningLoudness:
    """Root mean square of the last seconds that sound, in place of a whole song's, which a stream cannot know.

    Args:
        hops: that are remembered.
        known: root mean square to which the hops are brought.
    """

    def __init__(self, hops: int, known: float) -> None:
        self._known = known
        self._powers = np.zeros(hops, np.float32)
        self._next = 0

    def gains(self, audio: Tensor, hop: int) -> Tensor:
        """Power gains that bring each hop to the level that the network knows: (channels, samples) -> (hops, 1)."""
        powers = audio.square().mean(0).reshape(-1, hop).mean(1)
        return torch.tensor([[self._gain(power)] for power in powers.tolist()])

    def _gain(self, power: float) -> float:
        if power > FAINTEST:
            self._powers[self._next] = power
            self._next = (self._next + 1) % len(self._powers)
        loudest = self._powers.max()
        if loudest == 0:
            return 1.0
        return self._known**2 / float(self._powers[self._powers >= loudest * GATE].mean())


class RunningCentroids:
    """Online k-means: the centroids that `stems.clustering.cluster` would find, with the past fading away.

    At first all weight lies on the anchors, as much as `PRIOR_SECONDS` of music of usual loudness would bring. All
    that sounds counts alike until `FOLLOW_SECONDS` of it were heard; from then on the past fades with that time
    constant. The centroids are not the clusters' means, but lie between these and the anchors, at first by the
    anchors: anchors lie farther apart than means of cells that are shared, so that those stems which have sounded
    first would take cells from the others. Several streams can be followed at once, in training.
    """

    def __init__(self, model: Model, grid: Grid, widths: Tensor) -> None:
        self.model = model
        self.anchors = self.now = model.anchors
        self._frame_seconds = grid.frame_seconds
        self._points = round(model.design.clustering.share * len(widths))
        self._weight = model.weigh(2 * 10 ** (CENTRE_DB / 10) * widths).topk(self._points).values.sum()
        self._sums = self.anchors * (self._weight / len(self.anchors))
        self._heard = torch.zeros_like(self._weight)  # seconds that sounded

    def follow(self, embeddings: Tensor, powers: Tensor, kappa: float | Tensor, hops: Tensor | None = None) -> Tensor:
        """Shares of the stems in the next frames, each by the centroids that the frames before it left.

        Args:
            embeddings: (..., frames, bands, dimensions).
            powers: (..., frames, bands).
            kappa: sharpness of the assignment.
            hops: (..., frames), from the frame before to each, where not all frames are given.

        Returns:
            (..., frames, stems, bands).
        """
        loudest, bands = powers.topk(self._points)
        weights = self.model.weigh(loudest)
        totals = weights.sum(-1)
        seconds = (totals > 0) * self._frame_seconds  # in digital silence everything rests
        if hops is not None:
            seconds = seconds * hops
        some = bands[..., None]
        counting = embeddings.gather(-2, some.expand(*some.shape[:-1], embeddings.shape[-1]))
        found = []
        # Taken apart at once: the gradient of each frame that is indexed by itself would be as large as all of them.
        for cells, bands_of_frame, *clustered in zip(
            embeddings.unbind(-3),
            some.unbind(-3),
            counting.unbind(-3),
            weights.unbind(-2),
            totals.unbind(-1),
            seconds.unbind(-1),
            strict=True,
        ):
            shares = assign(cells, self.now, kappa)
            found.append(shares.transpose(-1, -2))
            vectors, weight, total, lasting = clustered
            counted = shares.gather(-2, bands_of_frame.expand(*bands_of_frame.shape[:-1], shares.shape[-1]))
            self._move(weighted_sums(vectors, weight, counted), total, lasting)
        return torch.stack(found, -3)

    def _move(self, sums: Tensor, weight: Tensor, seconds: Tensor) -> None:
        self._heard = self._heard + seconds
        fade = 1 - torch.exp(-seconds / (PRIOR_SECONDS + self._heard).clamp(max=FOLLOW_SECONDS))
        self._sums = torch.lerp(self._sums, sums, fade[..., None, None])
        self._weight = torch.lerp(self._weight, weight, fade)
        means = self._sums / self._weight[..., None, None]
        clusters = pulled(means, self.anchors, self.model.design.clustering.pull)
        anchored = (ANCHORED_SECONDS / (ANCHORED_SECONDS + self._heard)).clamp(min=ANCHORED)[..., None, None]
        self.now = functional.normalize(torch.lerp(clusters, self.anchors.expand_as(clusters), anchored), dim=-1)


def loudness_hops(grid: Grid) -> int:
    """Hops that the running loudness covers."""
    return math.ceil(LOUDNESS_SECONDS / grid.frame_seconds)
