"""What training minimises: the affinity loss of deep clustering beside the error of the stems."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from stems.clustering import update
from stems.model import Model
from stems.running import RunningCentroids
from stems.spectrum import REFERENCE_RATE
from stems.train.cells import Cells
from stems.train.recipe import Objective

UNHEARD_DB = -35.0  # parts this far below the mixture have no ratio worth a median
INAUDIBLE_DB = -25.0
SILENCE_DB = -60.0  # cells this far below the loudest of their excerpt are left out


@dataclass
class Losses:
    """The losses of a batch: affinity and stems from 0 to about 1, a ratio that falls below 0, and naming from 0 on."""

    affinity: Tensor
    stems: Tensor
    ratio: Tensor
    naming: Tensor

    def total(self, objective: Objective) -> Tensor:
        """The weighted sum that is minimised."""
        whole = objective.affinity * self.affinity + objective.stems * self.stems + objective.ratio * self.ratio
        return whole + objective.naming * self.naming

    def values(self) -> Tensor:
        """All of them for the log, in the order of their names."""
        return torch.stack([getattr(self, part.name) for part in dataclasses.fields(self)]).detach().nan_to_num().cpu()


def losses(model: Model, cells: Cells, objective: Objective) -> Losses:
    """The losses of a batch, all on the same embeddings (Seetharaman et al. 2019 found the two together best)."""
    embeddings = embed(model, cells).float()  # (batch, frames * bands, dimensions)
    power = points(cells.power)
    weights = model.weigh(power) * audible(power)
    affinity = affinity_loss(embeddings, weights, cells)
    none = torch.zeros_like(affinity)
    if not (objective.stems or objective.ratio or objective.naming):  # nothing that the clusters are needed for
        return Losses(affinity, none, none, none)
    if not model.design.clustering.anchored:
        centroids = model.centroids(embeddings, weights, iterations=objective.iterations)
        unrolled = [in_best_order(model.shares(embeddings, centroids), cells)]
    elif objective.online:
        unrolled = [model.shares(embeddings, model.anchors), followed(model, embeddings, cells)]
    else:
        unrolled = list(iterated(model, embeddings, weights, objective.iterations))
    errors = [squared_error(shares, cells) for shares in unrolled]
    amplitudes = torch.stack([stem_error(error, cells) for error in errors])
    ratios = torch.stack([ratio_loss(error, cells) for error in errors])
    naming = naming_loss(unrolled[0], weights, cells) if model.design.clustering.anchored else none
    return Losses(affinity, amplitudes.mean(), ratios.mean(), naming)


@torch.no_grad()
def taught(teacher: Model, cells: Cells) -> Cells:
    """The same cells, with the first part of a mix split where it holds several stems, as a teacher hears it alone.

    Music without singing is easier to split alone than under a voice, so that even the running mean of the weights that
    are being trained teaches them something (mean teacher, Tarvainen & Valpola 2017, arXiv 1703.01780). Mixes in which
    only bass and other are one part stay as they are: real basses are told apart elsewhere.
    """
    mixed = cells.groups[:, 0].sum(-1) > 1
    if not mixed.any():
        return cells
    alone, held, known = cells.alone[mixed], cells.groups[mixed, 0], cells.groups[mixed]
    energy, cross = points(cells.energy[mixed, 0]), points(cells.cross[mixed, 0])
    heard = dataclasses.replace(cells, levels=alone, frames=cells.frames[mixed])
    embeddings = embed(teacher, heard).float()
    weights = teacher.weigh(energy) * audible(energy)
    shares = teacher.shares(embeddings, teacher.centroids(embeddings, weights)) * held[:, None]
    masks = (shares / shares.sum(-1, keepdim=True).clamp(min=1e-6)).transpose(1, 2)  # (mixes, stems, points)
    stems = held[..., None, None] > 0
    shape = cells.energy[mixed].shape
    energies, crosses, groups = cells.energy.clone(), cells.cross.clone(), cells.groups.clone()
    energies[mixed] = torch.where(stems, (masks.square() * energy[:, None]).reshape(shape), cells.energy[mixed])
    crosses[mixed] = torch.where(stems, (masks * cross[:, None]).reshape(shape), cells.cross[mixed])
    groups[mixed] = torch.where(stems[..., 0], torch.diag_embed(held), known)
    return dataclasses.replace(cells, energy=energies, cross=crosses, groups=groups)


def iterated(model: Model, embeddings: Tensor, weights: Tensor, iterations: int) -> Iterator[Tensor]:
    """Shares by the anchors alone, and after each iteration of k-means: (batch, points, stems).

    If only the last were looked at, the anchors would be free to lie where the first iteration goes astray.
    """
    centroids = model.anchors.expand(len(embeddings), -1, -1)
    for iteration in range(iterations + 1):
        shares = model.shares(embeddings, centroids)
        yield shares
        if iteration < iterations:
            centroids = update(embeddings, weights, shares, model.anchors, model.design.clustering.pull)


def followed(model: Model, embeddings: Tensor, cells: Cells) -> Tensor:
    """Shares by the centroids that a stream has at each frame, if it heard those before that count: see `iterated`.

    Args:
        embeddings: (batch, frames * bands, dimensions), of the frames that count.
    """
    bands, grid = model.design.bands, model.grid(REFERENCE_RATE)
    frames = cells.frames[:, None, :, None].expand(-1, 2, -1, bands.count)
    powers = bands.powers(cells.levels.gather(2, frames).transpose(0, 1), grid)
    hops = cells.frames.diff(dim=1, prepend=cells.frames.new_full((len(cells.frames), 1), -1))
    running = RunningCentroids(model, grid, bands.widths(grid).to(powers))
    with torch.autocast(powers.device.type, enabled=False):  # thousands of sums, each of the one before
        shares = running.follow(embeddings.reshape(*powers.shape, -1), powers, model.kappa, hops)
    return shares.transpose(-1, -2).flatten(1, 2)


def embed(model: Model, cells: Cells) -> Tensor:
    """Embeddings of the frames that count, (batch, frames * bands, dimensions)."""
    context = model.network.context(cells.levels)
    counting = context.gather(1, cells.frames[..., None].expand(-1, -1, context.shape[-1]))
    return model.network.embed(counting).flatten(1, 2)


def points(per_cell: Tensor) -> Tensor:
    """Lines up cells as the embeddings are: (batch, ..., frames, bands) -> (batch, ..., frames * bands)."""
    return per_cell.flatten(-2)


def audible(power: Tensor) -> Tensor:
    """1 where a cell of some power can be heard, 0 elsewhere: (batch, points) -> the same."""
    return (power > power.amax(-1, keepdim=True) * 10 ** (SILENCE_DB / 10)).float()


def affinity_loss(embeddings: Tensor, weights: Tensor, cells: Cells) -> Tensor:
    """`|V V' - Y Y'|^2` over all pairs of cells, by its low-rank form (Hershey et al. 2015, equation 3).

    `Y` names the part that dominates each cell. Mixes whose parts hold several stems are left out: their
    cells must not lie together.

    Args:
        embeddings: (batch, points, dimensions).
        weights: (batch, points).
    """
    owners = torch.nn.functional.one_hot(points(cells.energy).argmax(1), cells.energy.shape[1]).float()
    root = (weights / weights.sum(-1, keepdim=True).clamp(min=1e-12)).sqrt()[..., None]
    v, y = embeddings * root, owners * root
    pairs = _gram(v, v) - 2 * _gram(v, y) + _gram(y, y)
    whole = (cells.groups.sum(-1) <= 1).all(-1).float()
    return (pairs * whole).sum() / whole.sum().clamp(min=1)


def _gram(a: Tensor, b: Tensor) -> Tensor:
    return (a.transpose(1, 2) @ b).square().sum((1, 2))


def squared_error(shares: Tensor, cells: Cells) -> Tensor:
    """Squared error of every part in every cell, for the masks that `shares` (batch, points, stems) are.

    Returns:
        (batch, parts, points).
    """
    masks = cells.groups @ shares.transpose(1, 2)
    error = masks.square() * points(cells.power)[:, None] - 2 * masks * points(cells.cross) + points(cells.energy)
    return error.clamp(min=0)


def stem_error(error: Tensor, cells: Cells) -> Tensor:
    """Amplitude of a `squared_error`, summed over cells and parts, relative to the mixture's."""
    return _relative_errors(error, cells).mean()


def in_best_order(shares: Tensor, cells: Cells) -> Tensor:
    """Shares (batch, points, stems) of stems without names, in the order in which each mix has the least error."""
    orders = torch.tensor(list(permutations(range(shares.shape[-1]))), device=shares.device)
    with torch.no_grad():
        best = torch.stack(
            [_relative_errors(squared_error(shares[..., order], cells), cells) for order in orders]
        ).argmin(0)
    return shares.gather(-1, orders[best][:, None].expand_as(shares))


def _relative_errors(error: Tensor, cells: Cells) -> Tensor:
    used = (cells.groups.sum(-1) > 0).to(error)[..., None]
    # Keeps the gradient of the root finite, in silent excerpts too.
    floor = (1e-6 * points(cells.power).mean(-1, keepdim=True)).clamp(min=1e-12)[:, None]
    amplitude = (((error + floor).sqrt() - floor.sqrt()) * used).sum((1, 2))
    return amplitude / points(cells.power).clamp(min=0).sqrt().sum(-1).clamp(min=1e-6)


def ratio_loss(error: Tensor, cells: Cells) -> Tensor:
    """Energy of each part's `squared_error` relative to the part's, in bels: minus a tenth of its ratio in dB.

    Parts fainter than `INAUDIBLE_DB` below the mixture are held to that level, so that silent ones ask for
    silence and nothing else.
    """
    energy = points(cells.energy).sum(-1)
    floor = 10 ** (INAUDIBLE_DB / 10) * points(cells.power).sum(-1, keepdim=True).clamp(min=1e-9)
    used = (cells.groups.sum(-1) > 0).float()
    bels = torch.log10((error.sum(-1) + floor) / (energy + floor))
    return (bels * used).sum() / used.sum()


def naming_loss(shares: Tensor, weights: Tensor, cells: Cells) -> Tensor:
    """Cross entropy between the part that dominates each cell and the shares at the anchors.

    The other losses fade for a stem whose anchor no embedding lies near, so that it would stay without any; this one
    is the greater, the less of its cells such a stem gets.

    Args:
        shares: (batch, points, stems), at the anchors.
        weights: (batch, points).
    """
    masks = cells.groups @ shares.transpose(1, 2)
    owned = masks.gather(1, points(cells.energy).argmax(1, keepdim=True))[:, 0]
    surprise = -owned.clamp(min=1e-12).log() * weights
    return (surprise.sum(-1) / weights.sum(-1).clamp(min=1e-12)).mean()


@torch.no_grad()
def framewise_sdr(shares: Tensor, cells: Cells, frames_per_second: float) -> Tensor:
    """Signal-to-distortion ratio of every part in every second, dB; NaN where the part is next to silent.

    BSS Eval v4 without permutation is exactly this ratio of energies (Stoeter, Liutkus & Ito 2018), up to
    the overlap of frames.

    Returns:
        (batch, parts, seconds).
    """
    bands = cells.power.shape[-1]
    window = max(1, round(frames_per_second))
    seconds = cells.energy.shape[-2] // window

    def per_second(per_frame: Tensor) -> Tensor:
        return per_frame[..., : seconds * window].reshape(*per_frame.shape[:-1], seconds, window).sum(-1)

    error = squared_error(shares, cells)
    error = per_second(error.reshape(*error.shape[:-1], -1, bands).sum(-1))
    energy = per_second(cells.energy.sum(-1))
    ratio = 10 * torch.log10(energy / error.clamp(min=1e-12))
    heard = energy > 10 ** (UNHEARD_DB / 10) * cells.power.sum((1, 2))[:, None, None] / seconds
    return torch.where(heard, ratio, torch.nan)
