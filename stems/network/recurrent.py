"""Recurrent layers over the frames of a song: one stack that is given whole frames, or paths along time and bands."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

State = tuple[Tensor, Tensor]  # what an LSTM knows after a frame: its outputs and its cells
MKLDNN_LSTM = 2  # among the kinds of recurrent layers


class Stack(nn.Module):
    """LSTM layers one above the other, each given all bands of a frame at once.

    Args:
        features: numbers that are given of each frame.
        units: of each layer and direction.
        layers: how many.
        bidirectional: False for real time, where the future is not known.
        dropout: between and after layers, in training only.
    """

    stride = 1  # frames that are heard as one

    def __init__(self, features: int, units: int, layers: int, bidirectional: bool, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, layers, batch_first=True, bidirectional=bidirectional, dropout=dropout)
        self.directions = 2 if bidirectional else 1
        self.projected_size, self.direction_size = features, units
        self.size = self.hidden_size = units * self.directions

    def forward(self, features: Tensor) -> Tensor:
        """(batch, frames, features) -> hidden vectors, (batch, frames, hidden_size)."""
        return functional.dropout(self.lstm(features)[0], self.lstm.dropout, self.training)

    def project_in(self, features: Tensor) -> Tensor:
        """What the first layer is given: (frames, features) -> the same."""
        return features

    def run_direction(
        self, layer: int, direction: int, frames: Tensor, state: State | None, precision: torch.dtype = torch.float32
    ) -> tuple[Tensor, State]:
        """Runs one direction of one layer over a block of a song.

        Args:
            layer: number of the layer, from 0.
            direction: 0 goes through the frames forward, 1 backward.
            frames: (frames, size), in order in time: what `project_in` or, of the layer below, `merge` gave.
            state: what the block before, in this direction, returned; None at the first.
            precision: in which matrices are multiplied, see `stems.network.precision`; here it is always single.

        Returns:
            (frames, direction_size), in order in time, and the state at the end of the block.
        """
        number = layer * self.directions + direction
        outputs, state = _run_lstm(self.lstm, number, direction, frames.float()[:, None], state)
        return outputs[:, 0], state

    def merge(self, layer: int, below: Tensor, *outputs: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
        """What a layer gives, of what it was given and what each of its directions found: (frames, size)."""
        return torch.cat(outputs, 1)

    def project_out(self, frames: Tensor) -> Tensor:
        """Hidden vectors of what the last layer gives: (frames, size) -> (frames, hidden_size)."""
        return frames


class DualPath(nn.Module):
    """LSTMs along time over each group of neighbouring bands, then over the groups of each frame, and so on.

    All groups share their weights, so that what is learned of one pitch is known at all of them, and little material
    teaches much (Luo, Chen & Yoshioka 2020, arXiv 1910.06379; Luo & Yu 2023, arXiv 2209.15174). `stride` neighbouring
    frames are heard as one.

    Args:
        bands: of a frame.
        features: numbers that are given of each frame; a multiple of the bands, kind by kind.
        cell_size: numbers of the hidden vector for each band.
        groups: of bands, all of the same number of them.
        width: numbers that stand for a group.
        units: of each LSTM and direction.
        layers: pairs of paths, along time and along bands.
        stride: frames that are heard as one.
        bidirectional: False for real time, where along time only the past is known; along bands all always is.
        dropout: of what a path adds, in training only.
    """

    def __init__(
        self,
        bands: int,
        features: int,
        cell_size: int,
        groups: int,
        width: int,
        units: int,
        layers: int,
        stride: int,
        bidirectional: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.directions = 2 if bidirectional else 1
        self.groups, self.group_bands = groups, bands // groups
        self.stride, self.kinds = stride, features // bands
        self.projected_size = self.size = groups * width
        self.direction_size = groups * units
        self.hidden_size = bands * cell_size
        self.input_projection = GroupedLinear(groups, stride * features // groups, width)
        time = [Path(width, units, self.directions, dropout) for _ in range(layers)]
        band = [Path(width, units, 2, dropout) for _ in range(layers)]
        self.time_paths: Sequence[Path] = nn.ModuleList(time)  # type: ignore[assignment]
        self.band_paths: Sequence[Path] = nn.ModuleList(band)  # type: ignore[assignment]
        self.norm = nn.LayerNorm(width)
        self.output_projection = GroupedLinear(groups, width, stride * cell_size * bands // groups)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, frames, features) -> hidden vectors, (batch, frames, hidden_size)."""
        found = self.of_groups(self.project_in(features)).transpose(0, 1)
        steps, batch, groups, width = found.shape
        for time, band in zip(self.time_paths, self.band_paths, strict=True):
            found = time(found.reshape(steps, batch * groups, width)).reshape(steps * batch, groups, width)
            found = band(found.transpose(0, 1)).transpose(0, 1).reshape(steps, batch, groups, width)
        return self.project_out(found.transpose(0, 1).flatten(-2))[:, : features.shape[1]]

    def project_in(self, features: Tensor) -> Tensor:
        """What the first layer is given: (..., frames, features) -> (..., frames / stride, size)."""
        whole = functional.pad(features, (0, 0, 0, -features.shape[-2] % self.stride))
        cells = whole.reshape(*whole.shape[:-2], -1, self.stride, self.kinds, self.groups, self.group_bands)
        projected: Tensor = self.input_projection(cells.movedim(-2, -4).flatten(-3))
        return projected.flatten(-2)

    def run_direction(
        self, layer: int, direction: int, frames: Tensor, state: State | None, precision: torch.dtype = torch.float32
    ) -> tuple[Tensor, State]:
        """Runs one direction of one path along time over a block of a song; see `Stack.run_direction`."""
        path = self.time_paths[layer]
        lines = path.norm(self.of_groups(frames.float())).to(precision)
        outputs, state = _run_lstm(path.recurrent, direction, direction, lines, state)
        return outputs.flatten(1), state

    def merge(self, layer: int, below: Tensor, *outputs: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
        """What the paths of a layer give, of what they were given and what each direction found along time."""
        both = torch.cat([self.of_groups(part).to(precision) for part in outputs], -1)
        along_time = self.of_groups(below.float()) + self.time_paths[layer].added(both)
        return self.band_paths[layer].run(along_time.transpose(0, 1), precision).transpose(0, 1).flatten(-2)

    def project_out(self, frames: Tensor) -> Tensor:
        """Hidden vectors: (..., frames / stride, size) -> (..., frames, hidden_size)."""
        hidden: Tensor = self.output_projection(self.norm(self.of_groups(frames)))
        by_frame = hidden.reshape(*hidden.shape[:-1], self.stride, -1).movedim(-2, -3)
        return by_frame.reshape(*frames.shape[:-2], -1, self.hidden_size)

    def of_groups(self, vectors: Tensor) -> Tensor:
        """(..., size) -> (..., groups, size / groups)."""
        return vectors.reshape(*vectors.shape[:-1], self.groups, -1)


class Path(nn.Module):
    """An LSTM whose outputs along lines are added to them: (places, lines, width) -> the same shape."""

    def __init__(self, width: int, units: int, directions: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm = nn.LayerNorm(width)
        self.recurrent = nn.LSTM(width, units, bidirectional=directions == 2)
        self.out = nn.Linear(directions * units, width)

    def forward(self, lines: Tensor) -> Tensor:
        """(places, lines, width) -> the same shape; in training, some of what is added is dropped."""
        added = self.added(self.recurrent(self.norm(lines))[0])
        if self.training and self.dropout:  # along whole lines, or neighbours would tell what is missing
            kept = torch.rand(1, *added.shape[1:], device=added.device) >= self.dropout
            added = added * (kept / (1 - self.dropout)).to(added)
        return lines + added

    def run(self, lines: Tensor, precision: torch.dtype) -> Tensor:
        """The same for an LSTM of both directions, outside of training: what it adds is found in this precision."""
        if precision is torch.float32:
            found: Tensor = self(lines)
            return found
        normal = self.norm(lines).to(precision)
        both = [_run_lstm(self.recurrent, direction, direction, normal, None)[0] for direction in (0, 1)]
        return lines + self.added(torch.cat(both, -1))

    def added(self, outputs: Tensor) -> Tensor:
        """What is added to lines of which the LSTM gave this: (places, lines, directions * units) -> (..., width)."""
        return functional.linear(outputs, self.out.weight.to(outputs), self.out.bias.to(outputs))


class GroupedLinear(nn.Module):
    """A linear layer for each group of bands: (..., groups, size) -> (..., groups, to)."""

    def __init__(self, groups: int, size: int, to: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, size, to).uniform_(-1, 1) * size**-0.5)
        self.bias = nn.Parameter(torch.zeros(groups, 1, to))

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., groups, size) -> (..., groups, to)."""
        lines = vectors.reshape(-1, *vectors.shape[-2:]).transpose(0, 1)
        found = torch.baddbmm(self.bias.to(lines), lines, self.weight.to(lines))
        return found.transpose(0, 1).reshape(*vectors.shape[:-1], self.weight.shape[-1])


def _run_lstm(
    recurrent: nn.LSTM, number: int, direction: int, frames: Tensor, state: State | None
) -> tuple[Tensor, State]:
    """Runs the weights `number` of an LSTM over (frames, lines, size), backward if `direction` is 1."""
    weights = [weight.to(frames) for weight in recurrent.all_weights[number]]
    if state is None:
        state = (torch.zeros(1, frames.shape[1], recurrent.hidden_size, device=frames.device),) * 2
    if frames.dtype is torch.bfloat16:
        return _run_bfloat16_lstm(weights, direction, frames, state)
    # Biases, one layer, no dropout, not in training, one direction, frames first.
    outputs, hidden, cell = torch.lstm(
        frames.flip(0) if direction else frames, state, weights, True, 1, 0.0, False, False, False
    )
    return outputs.flip(0) if direction else outputs, (hidden, cell)


def _run_bfloat16_lstm(weights: Sequence[Tensor], direction: int, frames: Tensor, state: State) -> tuple[Tensor, State]:
    """The same in bfloat16, but for the cells, which sum up hundreds of frames and stay in single precision.

    `torch.lstm` calls this function of oneDNN as well, but with cells as coarse as all else: of all that bfloat16 moves
    stems by, that is nine tenths.
    """
    from_below, from_before, bias_below, bias_before = weights
    hidden, cell = state
    outputs, hidden, cell, _ = torch.mkldnn_rnn_layer(
        frames,
        from_below,
        from_before,
        bias_below,
        bias_before,
        hidden[0].to(frames),
        cell[0],
        reverse=direction == 1,
        batch_sizes=[],
        mode=MKLDNN_LSTM,
        hidden_size=hidden.shape[-1],
        num_layers=1,
        has_biases=True,
        bidirectional=False,
        batch_first=False,
        train=False,
    )
    return outputs, (hidden[None], cell[None])
