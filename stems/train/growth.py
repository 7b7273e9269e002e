"""Weights of one network as the first weights of another: the same ones, or ones that say the same in more numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from stems.model import Model
from stems.network.recurrent import DualPath, Path

UNLIKE = 0.1  # noise on weights that stand twice, in parts of their spread, without which both would stay the same


def take_over(model: Model, other: Model) -> None:
    """Gives a model those weights of another that have the same name and shape.

    So a real-time network starts with the textures and the anchors of a full-song network, though not its memory. If
    all that differs is that the model's paths are two or more times as wide, that their LSTMs have more units or that
    there are more of them, the model starts out saying what the other says (Chen, Goodfellow & Shlens 2016, arXiv
    1511.05641).
    """
    own, known = model.state_dict(), other.state_dict()
    fitting = {name: known[name] for name in own if name in known and known[name].shape == own[name].shape}
    model.load_state_dict(own | fitting)
    to, from_ = model.network.recurrent, other.network.recurrent
    if isinstance(to, DualPath) and isinstance(from_, DualPath) and _is_larger(to, from_):
        if to.size > from_.size or to.direction_size > from_.direction_size:
            _widen(to, from_)
        _silence(to, len(from_.time_paths))


def _is_larger(to: DualPath, from_: DualPath) -> bool:
    """Whether one has paths as another has, larger ones or more of them; only multiples of a width keep norms."""
    same = ("directions", "groups", "group_bands", "stride", "kinds")
    if any(getattr(to, name) != getattr(from_, name) for name in same):
        return False
    fits = to.size % from_.size == 0 and to.direction_size >= from_.direction_size
    return fits and len(to.time_paths) >= len(from_.time_paths)


@torch.no_grad()
def _silence(to: DualPath, known: int) -> None:
    """Lets paths behind the known ones add nothing until they have learned what."""
    for path in (*to.time_paths[known:], *to.band_paths[known:]):
        path.out.weight.zero_()
        path.out.bias.zero_()


@torch.no_grad()
def _widen(to: DualPath, from_: DualPath) -> None:
    """Repeats the numbers of a group, so that their mean and spread remain; nothing listens to further units yet."""
    times = to.size // from_.size
    to.input_projection.weight.copy_(from_.input_projection.weight.repeat(1, 1, times))
    to.input_projection.bias.copy_(from_.input_projection.bias.repeat(1, 1, times))
    to.output_projection.weight.copy_(from_.output_projection.weight.repeat(1, times, 1) / times)
    to.output_projection.bias.copy_(from_.output_projection.bias)
    _widen_norm(to.norm, from_.norm, times)
    for paths, others in ((to.time_paths, from_.time_paths), (to.band_paths, from_.band_paths)):
        for path, other in zip(paths, others, strict=False):  # there may be more of them
            _widen_path(path, other, times)


def _widen_path(path: Path, other: Path, times: int) -> None:
    units, before = path.recurrent.hidden_size, other.recurrent.hidden_size
    _widen_norm(path.norm, other.norm, times)
    for mine, known in zip(path.recurrent.all_weights, other.recurrent.all_weights, strict=True):
        from_below, from_before, *biases = (weight.reshape(4, units, -1) for weight in mine)
        below, earlier, *known_biases = (weight.reshape(4, before, -1) for weight in known)
        from_below[:, :before] = (below.repeat(1, 1, times) + _noise(below, times)) / times
        from_before[:, :before] = functional.pad(earlier, (0, units - before))
        for bias, known_bias in zip(biases, known_biases, strict=True):
            bias[:, :before] = known_bias
    heard = other.out.weight.reshape(len(other.out.weight), -1, before).repeat(times, 1, 1)
    path.out.weight.copy_(functional.pad(heard, (0, units - before)).flatten(1))
    path.out.bias.copy_(other.out.bias.repeat(times))


def _widen_norm(norm: nn.LayerNorm, other: nn.LayerNorm, times: int) -> None:
    norm.weight.copy_(other.weight.repeat(times))
    norm.bias.copy_(other.bias.repeat(times))


def _noise(weights: Tensor, times: int) -> Tensor:
    """Noise for weights whose columns stand several times, which adds up to nothing over those of the same place."""
    noise = UNLIKE * weights.std() * torch.randn(*weights.shape[:-1], times, weights.shape[-1])
    return (noise - noise.mean(-2, keepdim=True)).flatten(-2)
