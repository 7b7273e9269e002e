"""The recurrent network that gives every band of every frame an embedding of unit length."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stems.network.recurrent import DualPath, Stack
from stems.network.texture import POOLED_BANDS, RunningTexture, Texture

CENTRE_DB, SPREAD_DB = -55.0, 20.0  # where the band levels of music lie when the song is at -20 dBFS
READING = 32  # units of the layer that reads textures by queries


@dataclass(frozen=True)
class NetworkShape:
    """Sizes of an `EmbeddingNetwork`.

    Args:
        bands: see `stems.spectrum.Bands`.
        dimensions: length of an embedding; 20 to 60 do as well as each other (Hershey et al. 2015).
        layers: recurrent layers; with groups, pairs of paths along time and along bands.
        units: of each LSTM and direction.
        bidirectional: False for real time, where the future is not known.
        dropout: between and after recurrent layers, or of what a path adds, in training only.
        groups: of neighbouring bands that share the recurrent layers, see `stems.network.recurrent.DualPath`; 0 has
            whole frames heard at once.
        width: numbers that stand for a group.
        stride: frames that groups hear as one; 1 in real time.
        channels: of the `stems.network.texture.Texture` before the recurrent layers; 0 leaves it out.
        texture: numbers of it that are kept of each cell, beside the hidden vectors.
        queries: numbers of the hidden vectors for each cell, by which its texture is read.
        reach: frames before and after that each convolution of the texture looks at, see there.
        depth: deeper convolutions of the texture, see there.
        overtones: multiples of a band's frequency at which its texture is given the levels as well, see there.
    """

    bands: int = 192
    dimensions: int = 20
    layers: int = 3
    units: int = 256
    bidirectional: bool = True
    dropout: float = 0.0
    channels: int = 0
    texture: int = 4
    queries: int = 8
    reach: int = 2
    depth: int = 0
    overtones: tuple[float, ...] = ()
    groups: int = 0
    width: int = 64
    stride: int = 2


class EmbeddingNetwork(nn.Module):
    """Levels of a mixture -> embeddings (Hershey et al. 2015, arXiv 1508.04306).

    The work falls into two halves, because what is known of a frame after the recurrent layers (`context`) is small
    enough to be kept for a whole song, and the embeddings (`embed`) are not. A context is the hidden vector of the
    frame and, in a network that looks at textures, what its cells look like.

    Args:
        shape: sizes.
        overtones: (multiples, bands), what `stems.spectrum.Bands.at_multiples` says of the shape's overtones.
    """

    def __init__(self, shape: NetworkShape, overtones: Tensor | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.scale = nn.Parameter(torch.ones(2 * shape.bands))
        self.shift = nn.Parameter(torch.zeros(2 * shape.bands))
        self.texture = (
            Texture(
                shape.bands,
                shape.channels,
                shape.texture,
                shape.reach,
                not shape.bidirectional,
                shape.depth,
                overtones if shape.overtones else None,
                1 if shape.groups else POOLED_BANDS,
            )
            if shape.channels
            else None
        )
        self.kept_size = self.texture.kept_size if self.texture else 0
        self.features_size = 2 * shape.bands + (self.texture.pooled_size if self.texture else 0)
        cell_size = shape.queries if self.texture else shape.dimensions
        self.recurrent: Stack | DualPath = (
            DualPath(
                bands=shape.bands,
                features=self.features_size,
                cell_size=cell_size,
                groups=shape.groups,
                width=shape.width,
                units=shape.units,
                layers=shape.layers,
                stride=shape.stride,
                bidirectional=shape.bidirectional,
                dropout=shape.dropout,
            )
            if shape.groups
            else Stack(self.features_size, shape.units, shape.layers, shape.bidirectional, shape.dropout)
        )
        self.context_size = self.recurrent.hidden_size + self.kept_size
        to_cells = nn.Identity() if shape.groups else nn.Linear(self.recurrent.hidden_size, shape.bands * cell_size)
        if self.texture:
            self.queries = to_cells
            self.reading = nn.Linear(shape.queries + shape.texture, READING)
            self.embedding: nn.Module = nn.Linear(READING, shape.dimensions)
        else:
            self.embedding = to_cells

    def context(self, levels: Tensor) -> Tensor:
        """Levels of mid and side in dB, (batch, 2, frames, bands) -> (batch, frames, context_size)."""
        features, kept = self.features(levels)
        hidden = self.recurrent(features)
        return torch.cat([hidden, kept], -1) if self.texture else hidden

    def features(self, levels: Tensor, begins: bool = True, ends: bool = True) -> tuple[Tensor, Tensor]:
        """What the recurrent layers are given of an excerpt, and what is kept of its textures.

        Args:
            levels: of mid and side in dB, (batch, 2, frames, bands).
            begins: see `stems.network.texture.Texture.forward`.
            ends: likewise.

        Returns:
            (batch, frames, features_size) and (batch, frames, kept_size).
        """
        scaled = (levels - CENTRE_DB) / SPREAD_DB
        flattened = self.flatten_levels(scaled)
        if not self.texture:
            return flattened, flattened[..., :0]
        kept, pooled = self.texture(scaled, begins, ends)
        first = 0 if begins else self.texture.surroundings[0]
        return torch.cat([flattened[:, first : first + pooled.shape[1]], pooled], -1), kept

    def flatten_levels(self, scaled: Tensor) -> Tensor:
        """(..., 2, frames, bands) -> (..., frames, 2 * bands), scaled and shifted band by band."""
        return scaled.transpose(-3, -2).flatten(-2) * self.scale + self.shift

    def embed(self, context: Tensor) -> Tensor:
        """(..., frames, context_size) -> (..., frames, bands, dimensions), each of unit length."""
        hidden, kept = context[..., : self.recurrent.hidden_size], context[..., self.recurrent.hidden_size :]
        return self.embed_cells((self.queries if self.texture else self.embedding)(hidden), kept)

    def embed_cells(self, queries: Tensor, kept: Tensor) -> Tensor:
        """Embeddings of all cells of a frame, from their queries and what is kept of their texture.

        Args:
            queries: (..., bands * queries), or (..., bands * dimensions) without texture.
            kept: (..., kept_size).

        Returns:
            (..., bands, dimensions), each of unit length.
        """
        queries = queries.reshape(*queries.shape[:-1], self.shape.bands, -1)
        if not self.texture:
            return functional.normalize(queries, dim=-1)
        cells = torch.cat([queries, kept.reshape(*queries.shape[:-1], self.shape.texture)], -1)
        return functional.normalize(self.embedding(functional.relu(self.reading(cells), inplace=True)), dim=-1)

    def forward(self, levels: Tensor) -> Tensor:
        """(batch, 2, frames, bands) in dB -> (batch, frames, bands, dimensions)."""
        return self.embed(self.context(levels))


class RunningFeatures:
    """What the recurrent layers are given, of levels that come piece by piece; the same as of all at once.

    What it returns comes some frames late in a network that hears the future, unless the piece is the last.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        self.network = network
        self._texture = RunningTexture(network.texture) if network.texture else None
        self._waiting = network.scale.new_zeros(0, len(network.scale))

    def __call__(self, levels: Tensor, last: bool = False) -> tuple[Tensor, Tensor]:
        """(2, frames, bands) in dB -> (frames, features_size), and what is kept of textures, (frames, kept_size)."""
        scaled = (levels - CENTRE_DB) / SPREAD_DB
        flattened = self.network.flatten_levels(scaled)
        if self._texture is None:
            return flattened, flattened[:, :0]
        kept, pooled = self._texture(scaled, last)
        self._waiting = torch.cat([self._waiting, flattened])
        ready, self._waiting = self._waiting[: len(pooled)], self._waiting[len(pooled) :]
        return torch.cat([ready, pooled], 1), kept
