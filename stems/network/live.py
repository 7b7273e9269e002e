"""The embedding network as a stream runs it: frame by frame, with a memory of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stems.network.embedding import EmbeddingNetwork, RunningFeatures
from stems.network.recurrent import DualPath, Stack

Layer = Callable[[Tensor], Tensor]


class LiveNetwork:
    """What `EmbeddingNetwork` computes, of frames that come one by one.

    Args:
        network: a unidirectional one of stride 1, on the CPU.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        self.network = network
        self._layers: LivePaths | LiveStack
        self._last: Layer
        if isinstance(network.recurrent, DualPath):
            self._layers, self._last = LivePaths(network.recurrent), nn.Identity()
        else:
            last = cast(nn.Linear, network.queries if network.texture else network.embedding)
            self._layers, self._last = LiveStack(network.recurrent), packed(last.weight, last.bias)
        self.reset()

    def reset(self) -> None:
        """Forgets all frames."""
        self._layers.reset()
        self._features = RunningFeatures(self.network)

    def __call__(self, levels: Tensor) -> Tensor:
        """Embeds the next frames: (2, frames, bands) in dB -> (frames, bands, dimensions), of unit length."""
        features, kept = self._features(levels)
        return self.network.embed_cells(self._last(self._layers(features)), kept)


class LivePaths:
    """Paths along time that go on where they were, and along the bands of each frame."""

    def __init__(self, paths: DualPath) -> None:
        self.paths = paths
        self._along_time = [LiveLSTM(path.recurrent.all_weights[0], paths.groups) for path in paths.time_paths]

    def reset(self) -> None:
        """Forgets all frames."""
        for recurrent in self._along_time:
            recurrent.reset()

    def __call__(self, features: Tensor) -> Tensor:
        """The next frames: (frames, features) -> (frames, hidden_size)."""
        frames = self.paths.project_in(features)
        for layer, (path, recurrent) in enumerate(zip(self.paths.time_paths, self._along_time, strict=True)):
            lines = path.norm(self.paths.of_groups(frames))
            outputs = torch.stack([recurrent(line) for line in lines])
            frames = self.paths.merge(layer, frames, outputs.flatten(1))
        return self.paths.project_out(frames)


class LiveStack:
    """Layers that are given whole frames, and go on where they were."""

    def __init__(self, stack: Stack) -> None:
        self._layers = [LiveLSTM(weights, 1) for weights in stack.lstm.all_weights]

    def reset(self) -> None:
        """Forgets all frames."""
        for recurrent in self._layers:
            recurrent.reset()

    def __call__(self, features: Tensor) -> Tensor:
        """The next frames: (frames, features) -> (frames, hidden_size)."""
        return torch.cat([self._step(frame[None]) for frame in features])

    def _step(self, vectors: Tensor) -> Tensor:
        for recurrent in self._layers:
            vectors = recurrent(vectors)
        return vectors


class LiveLSTM:
    """One layer of an LSTM, which remembers what it heard, several times as fast as torch's for a single frame.

    torch's sets itself up anew at each call, which takes longer than a frame, so its equations are written out here.

    Args:
        weights: from below and from the frame before, each followed by its biases as torch has them.
        lines: that are heard at once.
    """

    def __init__(self, weights: Sequence[Tensor], lines: int) -> None:
        from_below, from_before, bias_below, bias_before = weights
        self._gates = packed(torch.cat([from_below, from_before], 1), bias_below + bias_before)
        self._silence = torch.zeros(lines, from_before.shape[1])
        self.reset()

    def reset(self) -> None:
        """Forgets all frames."""
        self._output = self._cell = self._silence

    def __call__(self, below: Tensor) -> Tensor:
        """What it makes of the next frame: (lines, size) -> (lines, units)."""
        take, keep, new, give = self._gates(torch.cat([below, self._output], 1)).chunk(4, 1)
        self._cell = torch.addcmul(keep.sigmoid() * self._cell, take.sigmoid(), new.tanh())
        self._output = give.sigmoid() * self._cell.tanh()
        return self._output


def packed(weight: Tensor, bias: Tensor) -> Layer:
    """A linear layer that keeps its weights in half precision, as the files of models do, where the CPU can.

    Every frame reads all weights once, so the size of the weights is what its time depends on.
    """
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return partial(functional.linear, weight=weight.detach(), bias=bias.detach())
    content = torch.ops.quantized.linear_prepack_fp16(weight.detach(), bias.detach())
    return lambda vectors: torch.ops.quantized.linear_dynamic_fp16(vectors, content)
