"""What the surroundings of each cell look like: held or struck, gliding or noisy, between which neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

POOLED_BANDS = 4  # neighbours that the summary takes as one


class Texture(nn.Module):
    """Two convolutions over frames and bands.

    They are the same for all bands, so that what is learned at one pitch is known at all of them.

    Args:
        bands: of a frame.
        channels: of either convolution.
        kept: numbers that are kept of each cell.
        reach: frames before and after that each convolution looks at.
        causal: look at all of these frames before, and at none after.
    """

    def __init__(self, bands: int, channels: int, kept: int, reach: int, causal: bool) -> None:
        super().__init__()
        frames = 2 * reach + 1
        self.first = nn.Conv2d(2, channels, (frames, 7), padding=(0, 3))
        self.second = nn.Conv2d(channels, channels, (frames, 5), padding=(0, 2))
        self.kept = nn.Conv2d(channels, kept, 1)
        self.pooled = nn.Conv2d(channels, 2 * kept, (1, POOLED_BANDS), stride=(1, POOLED_BANDS))
        self.kept_size = bands * kept
        self.pooled_size = 2 * kept * (bands // POOLED_BANDS)
        self.before, self.after = (2 * reach, 0) if causal else (reach, reach)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Looks at all frames of an excerpt, with nothing before and after them.

        Args:
            features: (batch, 2, frames, bands).

        Returns:
            What is kept of each cell, (batch, frames, kept_size), and a summary of each frame,
            (batch, frames, pooled_size).
        """
        surroundings = (0, 0, self.before, self.after)
        inner = functional.relu(self.first(functional.pad(features, surroundings)))
        return self.read(functional.relu(self.second(functional.pad(inner, surroundings))))

    def read(self, outer: Tensor) -> tuple[Tensor, Tensor]:
        """The same, given what the second convolution found: (batch, channels, frames, bands)."""
        kept = self.kept(outer).permute(0, 2, 3, 1).flatten(2)
        pooled = functional.relu(self.pooled(outer)).transpose(1, 2).flatten(2)
        return kept, pooled


class RunningTexture:
    """A texture of frames that come piece by piece, the same as of all at once.

    What it returns comes `2 * after` frames late, unless the piece is the last.
    """

    def __init__(self, texture: Texture) -> None:
        self.texture = texture
        weight = texture.first.weight
        bands = texture.kept_size // texture.kept.out_channels
        self._features = weight.new_zeros(1, weight.shape[1], texture.before, bands)
        self._inner = weight.new_zeros(1, weight.shape[0], texture.before, bands)

    def __call__(self, features: Tensor, last: bool = False) -> tuple[Tensor, Tensor]:
        """(2, frames, bands) -> what is kept, (frames, kept_size), and the summary, (frames, pooled_size)."""
        inner, self._features = self._run(self.texture.first, self._features, features[None], last)
        outer, self._inner = self._run(self.texture.second, self._inner, inner, last)
        if outer.shape[2] == 0:
            return outer.new_zeros(0, self.texture.kept_size), outer.new_zeros(0, self.texture.pooled_size)
        kept, pooled = self.texture.read(outer)
        return kept[0], pooled[0]

    def _run(self, layer: nn.Conv2d, held: Tensor, fresh: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        frames = torch.cat([held, fresh], 2)
        if last:
            frames = functional.pad(frames, (0, 0, 0, self.texture.after))
        reach = layer.kernel_size[0] - 1
        if frames.shape[2] <= reach:
            return frames.new_zeros(1, layer.out_channels, 0, frames.shape[3]), frames
        return functional.relu(layer(frames)), frames[:, :, frames.shape[2] - reach :]
