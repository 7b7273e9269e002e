"""What the surroundings of each cell look like: held or struck, gliding or noisy, between which neighbours."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

POOLED_BANDS = 4  # that are summarised as one for layers which are given whole frames
ABOVE = -2.0  # the scaled level of overtones above the last band, as if next to nothing were to be heard there
SPREADS = (3, 9, 2, 6)  # bands between the neighbours that deeper convolutions look at: a chord's notes, overtones


class Texture(nn.Module):
    """Two convolutions over frames and bands, and deeper ones that add to what they find in a wider view.

    They are the same for all bands, so that what is learned at one pitch is known at all of them.

    Args:
        bands: of a frame.
        channels: of each convolution.
        kept: numbers that are kept of each cell.
        reach: frames before and after that each of the two convolutions looks at; deeper ones look at one at most.
        causal: look at all of these frames before, and at none after.
        depth: number of deeper convolutions, at most as many as there are `SPREADS`.
        overtones: (multiples, bands), the bands at some multiples of each band's frequency, whose levels each cell is
            given as well; see `stems.spectrum.Bands.at_multiples`. A note's overtones lie far apart from each other
            and, on bands, nearer or farther from note to note, so that no convolution sees them together.
        pooled_bands: neighbours that the summary takes as one.
    """

    overtones: Tensor | None

    def __init__(
        self,
        bands: int,
        channels: int,
        kept: int,
        reach: int,
        causal: bool,
        depth: int = 0,
        overtones: Tensor | None = None,
        pooled_bands: int = POOLED_BANDS,
    ) -> None:
        super().__init__()
        frames = 2 * reach + 1
        self.causal = causal
        self.register_buffer("overtones", overtones, persistent=False)
        given = 2 if overtones is None else 2 + len(overtones)
        self.first = nn.Conv2d(given, channels, (frames, 7), padding=(0, 3))
        self.second = nn.Conv2d(channels, channels, (frames, 5), padding=(0, 2))
        deeper = [
            nn.Conv2d(channels, channels, (min(frames, 3), 5), padding=(0, 2 * spread), dilation=(1, spread))
            for spread in SPREADS[:depth]
        ]
        for parameter in nn.ModuleList(deeper).parameters():  # a deeper network starts as a shallower one
            nn.init.zeros_(parameter)
        self.deeper: Iterable[nn.Conv2d] = nn.ModuleList(deeper)  # type: ignore[assignment]
        self.kept = nn.Conv2d(channels, kept, 1)
        self.pooled = nn.Conv2d(channels, 2 * kept, (1, pooled_bands), stride=(1, pooled_bands))
        # With few channels, convolutions are several times as fast when the channels of a cell lie side by side.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.kept_size = bands * kept
        self.pooled_size = 2 * kept * (bands // pooled_bands)

    def forward(self, features: Tensor, begins: bool = True, ends: bool = True) -> tuple[Tensor, Tensor]:
        """Looks at the frames of an excerpt.

        Args:
            features: (batch, 2, frames, bands).
            begins: there is nothing before the excerpt; if there is, its first frames only surround the others, as many
                as `surroundings` says, and nothing is told of them.
            ends: there is nothing after the excerpt; as with `begins`.

        Returns:
            What is kept of each cell, (batch, frames, kept_size), and a summary of each frame,
            (batch, frames, pooled_size).
        """
        found = self.with_overtones(features).contiguous(memory_format=torch.channels_last)
        for layer in self.layers:
            before, after = self.around(layer)
            found = self.look(layer, functional.pad(found, (0, 0, before * begins, after * ends)))
        return self.read(found)

    @property
    def surroundings(self) -> tuple[int, int]:
        """Frames before and after that all convolutions together look at."""
        before, after = zip(*map(self.around, self.layers), strict=True)
        return sum(before), sum(after)

    def with_overtones(self, features: Tensor) -> Tensor:
        """Adds the levels of mid at the overtones of each cell: (batch, 2, frames, bands) -> (batch, more, ...)."""
        if self.overtones is None:
            return features
        mid = functional.pad(features[:, 0], (0, 1), value=ABOVE)
        found = mid[..., self.overtones.flatten()].reshape(*mid.shape[:2], *self.overtones.shape)
        return torch.cat([features, found.transpose(1, 2)], 1)

    @property
    def layers(self) -> list[nn.Conv2d]:
        """All convolutions, in the order in which they look."""
        return [self.first, self.second, *self.deeper]

    def around(self, layer: nn.Conv2d) -> tuple[int, int]:
        """Frames that a convolution needs before and after the one that it is asked about."""
        reach = layer.kernel_size[0] - 1
        return (reach, 0) if self.causal else (reach // 2, reach // 2)

    def look(self, layer: nn.Conv2d, frames: Tensor) -> Tensor:
        """What a convolution makes of those frames that have others `around` them: (batch, channels, frames, bands)."""
        if layer in (self.first, self.second):
            found: Tensor = functional.relu(layer(frames), inplace=True)
            return found
        before, after = self.around(layer)
        added: Tensor = layer(functional.relu(frames))
        return frames[:, :, before : frames.shape[2] - after] + added

    def read(self, outer: Tensor) -> tuple[Tensor, Tensor]:
        """The same as a call, given what the last convolution found: (batch, channels, frames, bands)."""
        kept = self.kept(outer).permute(0, 2, 3, 1).flatten(2)
        pooled = functional.relu(self.pooled(outer), inplace=True).transpose(1, 2).flatten(2)
        return kept, pooled


class RunningTexture:
    """A texture of frames that come piece by piece, the same as of all at once.

    What it returns comes late by the frames that its convolutions need after, unless the piece is the last.
    """

    def __init__(self, texture: Texture) -> None:
        self.texture = texture
        bands = texture.kept_size // texture.kept.out_channels
        self._held = [
            layer.weight.new_zeros(1, layer.in_channels, texture.around(layer)[0], bands) for layer in texture.layers
        ]

    def __call__(self, features: Tensor, last: bool = False) -> tuple[Tensor, Tensor]:
        """(2, frames, bands) -> what is kept, (frames, kept_size), and the summary, (frames, pooled_size)."""
        found = self.texture.with_overtones(features[None])
        for number, layer in enumerate(self.texture.layers):
            found, self._held[number] = self._run(layer, self._held[number], found, last)
        if found.shape[2] == 0:
            return found.new_zeros(0, self.texture.kept_size), found.new_zeros(0, self.texture.pooled_size)
        kept, pooled = self.texture.read(found)
        return kept[0], pooled[0]

    def _run(self, layer: nn.Conv2d, held: Tensor, fresh: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        frames = torch.cat([held, fresh], 2).contiguous(memory_format=torch.channels_last)
        if last:
            frames = functional.pad(frames, (0, 0, 0, self.texture.around(layer)[1]))
        reach = layer.kernel_size[0] - 1
        if frames.shape[2] <= reach:
            return frames.new_zeros(1, layer.out_channels, 0, frames.shape[3]), frames
        return self.texture.look(layer, frames), frames[:, :, frames.shape[2] - reach :]
