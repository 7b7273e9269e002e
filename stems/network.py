"""The recurrent network that gives every band of every frame an embedding of unit length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

State = tuple[Tensor, Tensor]  # what an LSTM knows after a frame: its outputs and its cells

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
        self.directions = 2 if shape.bidirectional else 1
        self.context_size = shape.units * self.directions
        self.embedding = nn.Linear(self.context_size, shape.bands * shape.dimensions)

    def context(self, levels: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Runs the recurrent layers.

        Args:
            levels: (batch, 2, frames, bands), dB, of mid and side.
            state: the recurrent state that an earlier call returned.

        Returns:
            (batch, frames, context_size), and the state after the last frame.
        """
        output, state = self.recurrent(self.features(levels), state)
        return output, state

    def features(self, levels: Tensor) -> Tensor:
        """What the recurrent layers are given: (batch, 2, frames, bands) in dB -> (batch, frames, 2 * bands)."""
        return ((levels - CENTRE_DB) / SPREAD_DB).transpose(1, 2).flatten(2) * self.scale + self.shift

    @torch.inference_mode()
    def hear(self, layer: int, direction: int, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Runs one direction of one recurrent layer over a block of a song.

        Args:
            layer: number of the layer.
            direction: 0 hears the frames forward, 1 backward.
            frames: (frames, size), in order in time: features, or what all directions of the layer below gave.
            state: the state that the block before, in the direction of hearing, returned.

        Returns:
            (frames, units), in order in time, and the state at the end of the block.
        """
        weights: list[Tensor] = [*self.recurrent.all_weights[layer * self.directions + direction]]
        state = state or (frames.new_zeros(1, 1, self.shape.units), frames.new_zeros(1, 1, self.shape.units))
        heard = frames.flip(0) if direction else frames
        # Biases, one layer, no dropout, not in training, one direction, batch first.
        output, hidden, cell = torch.lstm(heard[None], state, weights, True, 1, 0.0, False, False, True)
        return output[0].flip(0) if direction else output[0], (hidden, cell)

    def embed(self, context: Tensor) -> Tensor:
        """(batch, frames, context_size) -> (batch, frames, bands, dimensions), each of unit length."""
        embeddings = self.embedding(context).unflatten(-1, (self.shape.bands, self.shape.dimensions))
        return functional.normalize(embeddings, dim=-1)

    def forward(self, levels: Tensor) -> Tensor:
        """(batch, 2, frames, bands) in dB -> (batch, frames, bands, dimensions)."""
        return self.embed(self.context(levels)[0])
