"""The recurrent network that gives every band of every frame an embedding of unit length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

CENTRE_DB, SPREAD_DB = -55.0, 20.0  # where the band levels of music lie when the song is at -20 dBFS


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
    """

    bands: int = 192
    dimensions: int = 20
    layers: int = 3
    units: int = 256
    bidirectional: bool = True
    dropout: float = 0.0


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
        self.recurrent = nn.LSTM(
            features,
            shape.units,
            shape.layers,
            batch_first=True,
            bidirectional=shape.bidirectional,
            dropout=shape.dropout,
        )
        self.context_size = shape.units * (2 if shape.bidirectional else 1)
        self.embedding = nn.Linear(self.context_size, shape.bands * shape.dimensions)

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
        features = features.transpose(1, 2).flatten(2)  # (batch, frames, 2 * bands)
        output, state = self.recurrent(features * self.scale + self.shift, state)
        return output, state

    def embed(self, context: Tensor) -> Tensor:
        """(batch, frames, context_size) -> (batch, frames, bands, dimensions), each of unit length."""
        embeddings = self.embedding(context).unflatten(-1, (self.shape.bands, self.shape.dimensions))
        return functional.normalize(embeddings, dim=-1)

    def forward(self, levels: Tensor) -> Tensor:
        """(batch, 2, frames, bands) in dB -> (batch, frames, bands, dimensions)."""
        return self.embed(self.context(levels)[0])
