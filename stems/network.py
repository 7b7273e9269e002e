"""The recurrent network that gives every band of every frame an embedding of unit length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CENTRE_DB, SPREAD_DB = -55.0, 20.0  # where the band levels of music lie when the song is at -20 dBFS
POOLED_BANDS = 4  # neighbours whose texture the recurrent layers see as one


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of an `EmbeddingNetwork`.

    Args:
        bands: see `stems.spectrum.Bands`.
        dimensions: length of an embedding; 20 to 60 do as well as each other (Hershey et al. 2015).
        layers: recurrent layers.
        units: of each layer and direction.
        bidirectional: False for real time, where the future is not known.
        dropout: between recurrent layers, in training only.
        channels: of the `Texture` before the recurrent layers; 0 leaves it out.
        texture: channels of it that are kept for each band and frame, beside what the recurrent layers say.
        hints: numbers that the recurrent layers say of each band and frame, for the texture to be read by.
        reach: frames before and after that each of the texture's two layers looks at; all of them before the
            frame where the network is not bidirectional.
    """

    bands: int = 192
    dimensions: int = 20
    layers: int = 3
    units: int = 256
    bidirectional: bool = True
    dropout: float = 0.0
    channels: int = 0
    texture: int = 4
    hints: int = 8
    reach: int = 2


class Texture(nn.Module):
    """What the surroundings of each cell look like: held or struck, gliding, noisy, between which neighbours.

    Two convolutions over bands and frames, the same for all bands, so that what is learned at one pitch is known
    at all of them.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        frames = 2 * shape.reach + 1
        self.first = nn.Conv2d(2, shape.channels, (frames, 7), padding=(0, 3))
        self.second = nn.Conv2d(shape.channels, shape.channels, (frames, 5), padding=(0, 2))
        self.kept = nn.Conv2d(shape.channels, shape.texture, 1)
        self.pooled = nn.Conv2d(shape.channels, shape.texture * 2, (1, POOLED_BANDS), stride=(1, POOLED_BANDS))
        self.pooled_size = shape.texture * 2 * (shape.bands // POOLED_BANDS)
        self.before = shape.reach if shape.bidirectional else 2 * shape.reach
        self.after = 2 * shape.reach - self.before

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 2, frames, bands) -> what is kept of each cell, (batch, frames, bands * texture), and a summary
        for the recurrent layers, (batch, frames, pooled_size)."""
        surrounded = (0, 0, self.before, self.after)
        inner = functional.relu(self.first(functional.pad(features, surrounded)))
        return self.read(functional.relu(self.second(functional.pad(inner, surrounded))))

    def read(self, around: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the output of the second layer, (batch, channels, frames, bands)."""
        kept = self.kept(around).permute(0, 2, 3, 1).flatten(2)
        pooled = functional.relu(self.pooled(around)).transpose(1, 2).flatten(2)
        return kept, pooled


class EmbeddingNetwork(nn.Module):
    """Levels of a mixture -> embeddings (Hershey et al. 2015, arXiv 1508.04306).

    The work falls into two halves, because what the recurrent layers know of a frame (`context`) is small
    enough to be kept for a whole song, and the embeddings (`embed`) are not.
    """

    def __init__(self, shape: NetworkShape) -> None:
        super().__init__()
        self.shape = shape
        features = 2 * shape.bands
        self.scale = nn.Parameter(torch.ones(features))
        self.shift = nn.Parameter(torch.zeros(features))
        self.texture = Texture(shape) if shape.channels else None
        self.recurrent = nn.LSTM(
            features + (self.texture.pooled_size if self.texture else 0),
            shape.units,
            shape.layers,
            batch_first=True,
            bidirectional=shape.bidirectional,
            dropout=shape.dropout,
        )
        self.dropout = nn.Dropout(shape.dropout)
        self.recurrent_size = shape.units * (2 if shape.bidirectional else 1)
        self.context_size = self.recurrent_size
        if self.texture:
            self.context_size += shape.bands * shape.texture
            self.hints = nn.Linear(self.recurrent_size, shape.bands * shape.hints)
            self.reading = nn.Linear(shape.hints + shape.texture, 32)
            self.embedding = nn.Linear(32, shape.dimensions)
        else:
            self.embedding = nn.Linear(self.recurrent_size, shape.bands * shape.dimensions)

    def context(
        self, levels: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Runs the recurrent layers.

        Args:
            levels: (batch, 2, frames, bands), dB, of mid and side.
            state: the recurrent state that an earlier call returned.

        Returns:
            (batch, frames, context_size), and the state after the last frame.
        """
        features = (levels - CENTRE_DB) / SPREAD_DB
        lined_up = features.transpose(1, 2).flatten(2) * self.scale + self.shift  # (batch, frames, 2 * bands)
        if self.texture is None:
            output, state = self.recurrent(lined_up, state)
            return self.dropout(output), state
        kept, pooled = self.texture(features)
        output, state = self.recurrent(torch.cat([lined_up, pooled], -1), state)
        return torch.cat([self.dropout(output), kept], -1), state

    def embed(self, context: Tensor) -> Tensor:
        """(batch, frames, context_size) -> (batch, frames, bands, dimensions), each of unit length."""
        shape = self.shape
        if self.texture is None:
            embeddings = self.embedding(context).unflatten(-1, (shape.bands, shape.dimensions))
            return functional.normalize(embeddings, dim=-1)
        hints = self.hints(context[..., : self.recurrent_size]).unflatten(-1, (shape.bands, shape.hints))
        return self.place(hints, context[..., self.recurrent_size :])

    def place(self, hints: Tensor, texture: Tensor) -> Tensor:
        """Embeddings from what the recurrent layers say of cells and what these look like.

        Args:
            hints: (..., bands, hints).
            texture: (..., bands * texture).
        """
        cells = torch.cat([hints, texture.reshape(*texture.shape[:-1], self.shape.bands, self.shape.texture)], -1)
        return functional.normalize(self.embedding(functional.relu(self.reading(cells))), dim=-1)

    def forward(self, levels: Tensor) -> Tensor:
        """(batch, 2, frames, bands) in dB -> (batch, frames, bands, dimensions)."""
        return self.embed(self.context(levels)[0])
