"""Properties of textures: where they look, and that pieces do not matter."""

from __future__ import annotations

import pytest
import torch

from stems.network import EmbeddingNetwork, NetworkShape, RunningFeatures
from stems.texture import RunningTexture, Texture

BANDS, FRAMES = 24, 40


def texture(causal: bool, reach: int = 2) -> Texture:
    torch.manual_seed(0)
    return Texture(BANDS, 6, 3, reach, causal).eval()


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(2, FRAMES, BANDS, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("reach", [0, 1, 2])
@pytest.mark.parametrize("size", [1, 3, 7, 39, 40])
def test_pieces_of_any_size_give_the_same_as_the_whole(
    features: torch.Tensor, causal: bool, reach: int, size: int
) -> None:
    looking = texture(causal, reach)
    running = RunningTexture(looking)
    pieces = features.split(size, 1)
    found = [running(piece, last=number == len(pieces) - 1) for number, piece in enumerate(pieces)]
    for whole, *parts in zip(looking(features[None]), *found, strict=True):
        torch.testing.assert_close(torch.cat(parts), whole[0], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize(("causal", "first", "last"), [(False, 16, 24), (True, 20, 28)])
def test_a_frame_is_seen_as_far_as_the_convolutions_reach(
    features: torch.Tensor, causal: bool, first: int, last: int
) -> None:
    looking, changed = texture(causal), features.clone()
    changed[:, 20] += 1
    for one, other in zip(looking(features[None]), looking(changed[None]), strict=True):
        (differing,) = torch.where((one - other).abs().amax(-1)[0] > 1e-6)
        assert (differing.min(), differing.max()) == (first, last)


@torch.inference_mode()
def test_what_moves_by_some_bands_looks_the_same_there(features: torch.Tensor) -> None:
    looking = texture(False)
    kept = looking(features[None])[0].unflatten(-1, (BANDS, 3))
    moved = looking(features.roll(4, -1)[None])[0].unflatten(-1, (BANDS, 3))
    torch.testing.assert_close(moved[:, :, 9:-5], kept[:, :, 5:-9], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("channels", [0, 4])
@pytest.mark.parametrize("size", [1, 9, 40])
def test_the_recurrent_layers_are_given_the_same_in_pieces(features: torch.Tensor, channels: int, size: int) -> None:
    torch.manual_seed(2)
    network = EmbeddingNetwork(NetworkShape(BANDS, 4, 1, 8, channels=channels)).eval()
    levels = features * 20 - 55

    def run(length: int) -> list[torch.Tensor]:
        running, pieces = RunningFeatures(network), levels.split(length, 1)
        found = [running(piece, last=number == len(pieces) - 1) for number, piece in enumerate(pieces)]
        return [torch.cat(parts) for parts in zip(*found, strict=True)]

    for whole, pieced in zip(run(FRAMES), run(size), strict=True):
        assert len(whole) == FRAMES
        torch.testing.assert_close(pieced, whole, rtol=1e-4, atol=1e-5)
