"""What hints change in the clustering of a song: where clusters lie, and how many there are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stems.hints import Hint
from stems.methods import Clusters, Start
from stems.model import Model
from stems.song.correction import Told, correct, draw
from stems.song.encoded import EncodedSong
from stems.song.landmarks import Cells, loudest_cells, middles
from stems.spectrum import REFERENCE_RATE, Bands, Grid

HINTED_FRAMES = 256  # of a hint, at most
MOSTLY = 0.5  # share of a span that a hinted stem has at least
HINT_WEIGHT = 2.0  # of a span that is all news, where the whole song weighs 1
REACH_SECONDS = 0.3  # in which the bias of a span falls to a third
NEARNESS = 8.0  # sharpness of the kernel by which cells of one kind are counted
SAMPLED = 1500  # cells that stand for a span, and for the song, when kinds are counted
LEAST_SPECIAL = 1e-3  # share of a span
HIGHEST_BIAS = 50.0  # of log odds
NO_BIAS = 1e-3

Points = tuple[Tensor, Tensor]
"""Embeddings of cells and their weights, (points, dimensions) and (points,)."""


@dataclass(frozen=True)
class Leaning:
    """By how much the assignment leans to a stem in the span and band of a hint, and near it.

    Attributes:
        hint: where.
        index: number of the stem.
        bias: on its log odds.
        bands: (bands,), true inside of the hint's band.
    """

    hint: Hint
    index: int
    bias: float
    bands: Tensor

    def biases(self, seconds: Tensor) -> Tensor:
        """The bias in frames, of which the seconds of the middles are given: all of it in the span, less near it."""
        distance = torch.maximum(self.hint.start - seconds, seconds - self.hint.end).clamp(min=0)
        return self.bias * (-distance / REACH_SECONDS).exp()


def begin(hints: Sequence[tuple[Hint, Cells]], stems: Sequence[str], start: Start, song: Points) -> Start:
    """A start with a further cluster for each stem that is not among the clusters yet, at what is special to its spans.

    Args:
        hints: each with the cells in its span.
        stems: names of the clusters that `start` has, then of those to come.
        song: the cells of the song.
    """
    known = start.directions
    if len(stems) == len(known):
        return start
    added = known.new_zeros(len(stems), known.shape[1])
    log_priors = known.new_zeros(len(stems))
    directions = torch.cat([known, torch.zeros_like(added[len(known) :])])
    for index, stem in enumerate(stems[len(known) :], len(known)):
        cells = [cells.points for hint, cells in hints if hint.stem == stem]
        embeddings = torch.cat([points for points, _ in cells])
        weights = torch.cat([weights / weights.sum().clamp(min=1e-12) / len(cells) for _, weights in cells])
        news = weights * special((embeddings, weights), song)
        around = news if news.sum() > LEAST_SPECIAL else weights
        directions[index] = functional.normalize(around @ embeddings, dim=0)
        log_priors[index] = news.sum().clamp(LEAST_SPECIAL, 1).log()
        added[index] = HINT_WEIGHT * news @ embeddings
    return replace(start, directions=directions, hinted=added, log_priors=log_priors)


def follow(
    hints: Sequence[tuple[Hint, Cells]], stems: Sequence[str], clusters: Clusters, song: Points, kappa: float
) -> Clusters:
    """Clusters that follow hints: a hint says that its span is mostly one stem.

    Where the clusters disagree, the least is done that makes it true: the bias is found that gives the stem half of
    the span, and the clusters are corrected to share its cells so, while the rest of the song keeps its shares as far
    as it can. So a hint that the clusters agree with changes nothing.

    Args:
        hints: each with the cells in its span.
        stems: names of the clusters.
        song: the cells of the song.
        kappa: sharpness of the model.
    """
    told = []
    for hint, cells in hints:
        embeddings, weights = cells.points
        shares, index = clusters.shares(embeddings), list(stems).index(hint.stem)
        bias = least_bias(shares[:, index], weights)
        if bias > 0:
            told.append(Told(embeddings, weights, raised(shares, index, bias)))
    return correct(clusters, told, *song, kappa)


def leanings(
    hints: Sequence[tuple[Hint, Cells]], stems: Sequence[str], clusters: Clusters, bands: Bands
) -> tuple[Leaning, ...]:
    """What is left to do for hints to be true, once the clusters have been found."""
    found = []
    for hint, cells in hints:
        index = list(stems).index(hint.stem)
        embeddings, weights = cells.points
        bias = least_bias(clusters.shares(embeddings)[:, index], weights)
        if bias > 0:
            found.append(Leaning(hint, index, bias, bands_of(hint, bands)))
    return tuple(found)


def lean(shares: Tensor, seconds: Tensor, leanings: Sequence[Leaning]) -> Tensor:
    """Shares of stems in the cells of some frames, (frames, bands, stems), as hints on these seconds want them."""
    for leaning in leanings:
        biases = leaning.biases(seconds)
        near = biases > NO_BIAS
        if near.any():
            shares = raised(shares, leaning.index, torch.where(near[:, None] & leaning.bands, biases[:, None], 0))
    return shares


def least_bias(shares: Tensor, weights: Tensor) -> float:
    """The least bias on the log odds of a cluster with which it has `MOSTLY` of all; 0 where it has that already.

    Args:
        shares: of the cluster in some cells, (points,).
        weights: how much each counts, (points,).
    """
    weights = weights / weights.sum().clamp(min=1e-12)
    if weights @ shares >= MOSTLY or weights @ biased(shares, HIGHEST_BIAS) < MOSTLY:
        return 0.0
    low, high = 0.0, HIGHEST_BIAS
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if weights @ biased(shares, middle) >= MOSTLY else (middle, high)
    return high


def biased(shares: Tensor, bias: float) -> Tensor:
    """Shares of a cluster where its log odds are raised by a bias; any shape."""
    raised = shares * math.exp(bias)
    return raised / (raised + 1 - shares)


def raised(shares: Tensor, index: int, bias: Tensor | float) -> Tensor:
    """Shares of all clusters, (..., clusters), with the log odds of one raised by a bias, (...) or one number."""
    odds = torch.ones_like(shares)
    odds[..., index] = torch.as_tensor(bias).exp()
    shares = shares * odds
    return shares / shares.sum(-1, keepdim=True)


def special(hinted: Points, song: Points) -> Tensor:
    """The share of cells of each cell's kind that are in a span and not explained by the song as a whole, (points,)."""
    there, everywhere = (_density(hinted[0], *points) for points in (hinted, song))
    return (1 - everywhere / there.clamp(min=1e-12)).clamp(min=0)


def _density(places: Tensor, cells: Tensor, weights: Tensor) -> Tensor:
    """How densely cells lie around places, (places, dimensions) -> (places,)."""
    return (NEARNESS * (places @ cells[draw(weights, SAMPLED)].T - 1)).exp().mean(1)


def hinted_cells(
    hints: Sequence[Hint], encoded: EncodedSong, model: Model, grid: Grid, total: int
) -> list[tuple[Hint, Cells]]:
    """Each hint with the loudest cells in its span and band.

    Args:
        hints: all inside of the song.
        encoded: with the frames that `hinted_frames` gave kept.
        total: frames of the song.
    """
    bands = model.design.bands
    return [
        (hint, loudest_cells(encoded, model, grid, hinted_frames([hint], grid, total), bands_of(hint, bands)))
        for hint in hints
    ]


def hinted_frames(hints: Sequence[Hint], grid: Grid, total: int) -> Tensor:
    """Numbers of some frames in the spans of hints, evenly spread over each, in order."""
    seconds = middles(torch.arange(total), grid)
    chosen = [torch.arange(0)]
    for hint in hints:
        inside = ((seconds >= hint.start) & (seconds < hint.end)).nonzero()[:, 0]
        chosen.append(inside[:: max(1, -(-len(inside) // HINTED_FRAMES))])
    return torch.from_numpy(np.unique(torch.cat(chosen).numpy()))


def bands_of(hint: Hint, bands: Bands) -> Tensor:
    """Which bands touch the band of a hint, (bands,)."""
    edges = torch.from_numpy(bands.edges) * (REFERENCE_RATE / bands.reference_window)
    inside = (edges[1:] > hint.low_hz) & (edges[:-1] < hint.high_hz)
    inside[-1] |= hint.high_hz > edges[-1]  # bins above 22.05 kHz belong to the last band
    return inside
