"""The embedding network as a stream runs it: frame by frame, with a memory of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from stems.network import EmbeddingNetwork, RunningFeatures
from stems.recurrent import DualPath, Stack, State

Layer = Callable[[Tensor], Tensor]


class LiveNetwork:
    """What `EmbeddingNetwork` computes, of frames that come one by one.

    Args:
        network: a unidirectional one, on the CPU.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        self.network = network
        recurrent = network.recurrent
        self._layers = LivePaths(recurrent) if isinstance(recurrent, DualPath) else LiveStack(recurrent)
        if isinstance(recurrent, DualPath):
            self._last: Layer = nn.Identity()
        else:
            last = cast(nn.Linear, network.hints if network.texture else network.embedding)
            self._last = packed(last.weight, last.bias)
        self.reset()

    def reset(self) -> None:
        """Forgets all frames."""
        self._layers.reset()
        self._features = RunningFeatures(self.network)

    def __call__(self, levels: Tensor) -> Tensor:
        """Embeds the next frames: (2, frames, bands) in dB -> (frames, bands, dimensions), of unit length."""
        features, kept = self._features(levels)
        return self.network.place(self._last(self._layers(features)), kept)


class LivePaths:
    """Paths along time that go on where they were, and along the bands of each frame."""

    def __init__(self, paths: DualPath) -> None:
        self.paths = paths
        self.reset()

    def reset(self) -> None:
        """Forgets all frames."""
        self._states: list[State | None] = [None] * len(self.paths.time_paths)

    def __call__(self, features: Tensor) -> Tensor:
        """The next frames: (frames, features) -> (frames, said_size)."""
        frames = self.paths.enter(features)
        for layer, state in enumerate(self._states):
            heard, self._states[layer] = self.paths.hear(layer, 0, frames, state)
            frames = self.paths.join(layer, frames, heard)
        return self.paths.leave(frames)


class LiveStack:
    """Layers that are given whole frames, several times as fast as torch's where frames come one by one.

    torch's LSTM sets itself up anew at each call, which takes longer than a frame, so its equations are written
    out here.
    """

    def __init__(self, stack: Stack) -> None:
        self.units = stack.hidden_size
        self._recurrent = [
            packed(torch.cat([from_below, from_before], 1), bias_below + bias_before)
            for from_below, from_before, bias_below, bias_before in stack.all_weights
        ]
        self.reset()

    def reset(self) -> None:
        """Forgets all frames."""
        silence = torch.zeros(1, self.units)
        self._outputs, self._cells = [silence] * len(self._recurrent), [silence] * len(self._recurrent)

    def __call__(self, features: Tensor) -> Tensor:
        """The next frames: (frames, features) -> (frames, said_size)."""
        return torch.cat([self._step(features[frame : frame + 1]) for frame in range(len(features))])

    def _step(self, below: Tensor) -> Tensor:
        for number, layer in enumerate(self._recurrent):
            gates = layer(torch.cat([below, self._outputs[number]], 1))
            take, keep, new, give = gates.chunk(4, 1)
            cell = torch.addcmul(keep.sigmoid() * self._cells[number], take.sigmoid(), new.tanh())
            below = give.sigmoid() * cell.tanh()
            self._outputs[number], self._cells[number] = below, cell
        return below


def packed(weight: Tensor, bias: Tensor) -> Layer:
    """A linear layer that keeps its weights in half precision, as the files of models do, where the CPU can.

    Every frame reads all weights once, so the size of the weights is what its time depends on.
    """
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return partial(functional.linear, weight=weight.detach(), bias=bias.detach())
    content = torch.ops.quantized.linear_prepack_fp16(weight.detach(), bias.detach())
    return lambda vectors: torch.ops.quantized.linear_dynamic_fp16(vectors, content)
