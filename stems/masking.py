"""Masks over bins, and the stems they cut out of a mixture."""

from __future__ import annotations

import torch
from torch import Tensor

from stems.spectrum import Bands, Grid


def apply_masks(mixture: Tensor, shares: Tensor, bands: Bands, grid: Grid) -> Tensor:
    """Spectra of the stems; they sum to the mixture because the shares sum to one.

    Args:
        mixture: (channels, bins, frames), complex.
        shares: (frames, bands, stems), the assignments of the clustering.

    Returns:
        (stems, channels, bins, frames), complex.
    """
    masks = bands.spread(shares.permute(2, 1, 0), grid)  # (stems, bins, frames)
    return masks[:, None] * mixture


def rest(mixture: Tensor, stems: Tensor) -> Tensor:
    """What the other stems leave of the mixture: (channels, samples) and (stems, channels, samples)."""
    return mixture - torch.sum(stems, dim=0)
