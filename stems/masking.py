"""Masks over bins, and the stems they cut out of a mixture."""

from __future__ import annotations

from torch import Tensor

from stems.spectrum import Bands, Grid


def apply_masks(mixture: Tensor, shares: Tensor, bands: Bands, grid: Grid) -> Tensor:
    """Spectra of the stems; they sum to the mixture because the shares sum to one.

    Args:
        mixture: (channels, frames, bins), complex.
        shares: (frames, bands, stems), the assignments of the clustering.

    Returns:
        (stems, channels, frames, bins), complex.
    """
    masks = bands.spread(shares.permute(2, 0, 1).contiguous(), grid)  # (stems, frames, bins)
    return masks[:, None] * mixture
