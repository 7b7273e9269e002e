"""Properties of the recurrent layers: what they are given, what they say of, and that blocks do not matter."""

from __future__ import annotations

import pytest
import torch

from stems.network.recurrent import DualPath, GroupedLinear, Path, Stack, State

BANDS, KINDS, SAID, FRAMES = 12, 3, 2, 21


def layers_of(kind: str, layers: int = 2, stride: int = 2, bidirectional: bool = True) -> Stack | DualPath:
    torch.manual_seed(0)
    if kind == "stack":
        return Stack(KINDS * BANDS, 5, layers, bidirectional, 0.0).eval()
    return DualPath(BANDS, KINDS * BANDS, SAID, 4, 6, 5, layers, stride, bidirectional, 0.0).eval()


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(FRAMES, KINDS * BANDS, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["stack", "dual path"])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("block", [1, 3, 21])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_layer_by_layer_and_block_by_block_it_is_the_same(
    features: torch.Tensor, kind: str, stride: int, block: int, bidirectional: bool
) -> None:
    recurrent = layers_of(kind, stride=stride, bidirectional=bidirectional)
    frames = recurrent.project_in(features)
    for layer in range(2):
        directions = []
        for direction in range(recurrent.directions):
            state: State | None = None
            parts = []
            for part in frames.split(block)[:: -1 if direction else 1]:
                heard, state = recurrent.run_direction(layer, direction, part, state)
                parts.append(heard)
            directions.append(torch.cat(parts[:: -1 if direction else 1]))
        blocks = zip(*(vectors.split(block) for vectors in (frames, *directions)), strict=True)
        frames = torch.cat([recurrent.merge(layer, *parts) for parts in blocks])
    said = recurrent.project_out(frames)[:FRAMES]
    torch.testing.assert_close(said, recurrent(features[None])[0], rtol=1e-4, atol=1e-5)
    assert said.shape == (FRAMES, recurrent.hidden_size)


@torch.inference_mode()
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("frames", [1, 2, 7, 8])
def test_what_enters_a_group_leaves_at_its_bands_and_frames(stride: int, frames: int) -> None:
    paths = layers_of("dual path", layers=0, stride=stride)
    given = torch.randn(1, frames, KINDS * BANDS)
    for frame, band, kind in ((0, 0, 0), (frames - 1, 4, 2), (frames // 2, 11, 1)):
        changed = given.clone()
        changed[0, frame, kind * BANDS + band] += 1
        moved = (paths(changed) - paths(given)).abs().reshape(frames, BANDS, SAID).amax(-1) > 1e-6
        first, group = frame // stride * stride, band // 3 * 3
        assert moved[first : first + stride, group : group + 3].all()
        assert moved.sum() == min(stride, frames - first) * 3


@torch.inference_mode()
def test_every_cell_hears_every_other(features: torch.Tensor) -> None:
    paths, changed = layers_of("dual path", layers=1), features.clone()
    changed[0, 0] += 1
    moved = (paths(changed[None]) - paths(features[None])).abs().reshape(FRAMES, BANDS, SAID).amax(-1)
    assert (moved > 0).all()


def test_a_grouped_layer_is_a_linear_layer_for_each_group() -> None:
    layer, vectors = GroupedLinear(4, 3, 5), torch.randn(2, 7, 4, 3)
    found = layer(vectors)
    for group in range(4):
        expected = torch.nn.functional.linear(vectors[:, :, group], layer.weight[group].T, layer.bias[group, 0])
        torch.testing.assert_close(found[:, :, group], expected)


@torch.inference_mode()
def test_dropout_leaves_out_whole_lines() -> None:
    path = Path(6, 5, 2, 0.5)
    path.out.weight.zero_()
    path.out.bias.fill_(1)
    added = path(torch.zeros(7, 3, 6))
    assert (added == added[:1]).all()
    assert not (added == added[:, :1]).all()


def test_dropout_is_for_training_only(features: torch.Tensor) -> None:
    paths = DualPath(BANDS, KINDS * BANDS, SAID, 4, 6, 5, 1, 2, True, 0.5)
    assert not torch.equal(paths(features[None]), paths(features[None]))
    paths.eval()
    assert torch.equal(paths(features[None]), paths(features[None]))
