"""Properties of textures: where they look, and that pieces do not matter."""

from __future__ import annotations

import pytest
import torch

from stems.network.embedding import EmbeddingNetwork, NetworkShape, RunningFeatures
from stems.network.texture import RunningTexture, Texture

BANDS, FRAMES = 24, 40


OCTAVES = torch.tensor([[min(2 * band, BANDS) for band in range(BANDS)], [band // 2 for band in range(BANDS)]])


def texture(causal: bool, reach: int = 2, depth: int = 0, overtones: torch.Tensor | None = None) -> Texture:
    torch.manual_seed(0)
    made = Texture(BANDS, 6, 3, reach, causal, depth, overtones).eval()
    for layer in made.deeper:
        torch.nn.init.normal_(layer.weight, std=0.3)
    return made


@pytest.fixture
def features() -> torch.Tensor:
    return torch.randn(2, FRAMES, BANDS, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("reach", [0, 1, 2])
@pytest.mark.parametrize(("depth", "overtones"), [(0, None), (2, None), (2, OCTAVES)])
@pytest.mark.parametrize("size", [1, 3, 7, 39, 40])
def test_pieces_of_any_size_give_the_same_as_the_whole(
    features: torch.Tensor, causal: bool, reach: int, depth: int, overtones: torch.Tensor | None, size: int
) -> None:
    looking = texture(causal, reach, depth, overtones)
    running = RunningTexture(looking)
    pieces = features.split(size, 1)
    found = [running(piece, last=number == len(pieces) - 1) for number, piece in enumerate(pieces)]
    for whole, *parts in zip(looking(features[None]), *found, strict=True):
        torch.testing.assert_close(torch.cat(parts), whole[0], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("causal", "depth", "first", "last"), [(False, 0, 16, 24), (True, 0, 20, 28), (False, 2, 14, 26), (True, 2, 20, 32)]
)
def test_a_frame_is_seen_as_far_as_the_convolutions_reach(
    features: torch.Tensor, causal: bool, depth: int, first: int, last: int
) -> None:
    looking, changed = texture(causal, depth=depth), features.clone()
    changed[:, 20] += 1
    for one, other in zip(looking(features[None]), looking(changed[None]), strict=True):
        (differing,) = torch.where((one - other).abs().amax(-1)[0] > 1e-6)
        assert (differing.min(), differing.max()) == (first, last)


@torch.inference_mode()
def test_a_cell_is_seen_from_its_overtones_and_from_nowhere_else_far_away(features: torch.Tensor) -> None:
    looking, changed = texture(False, overtones=OCTAVES), features.clone()
    changed[0, :, 20] += 1
    one, other = (looking(levels[None])[0].unflatten(-1, (BANDS, 3)) for levels in (features, changed))
    (differing,) = torch.where((one - other).abs().amax((0, 1, 3)) > 1e-6)
    assert differing.tolist() == list(range(5, 24))  # from the octave below up to the cell itself
    changed = features.clone()
    changed[1, :, 20] += 1  # of the side, overtones are not looked at
    (differing,) = torch.where((looking(changed[None])[0].unflatten(-1, (BANDS, 3)) - one).abs().amax((0, 1, 3)) > 1e-6)
    assert differing.tolist() == list(range(15, 24))


@torch.inference_mode()
def test_a_new_deeper_texture_begins_as_the_shallower_one(features: torch.Tensor) -> None:
    shallow, deep = texture(False), Texture(BANDS, 6, 3, 2, False, 2).eval()
    deep.load_state_dict(shallow.state_dict(), strict=False)
    for one, other in zip(shallow(features[None]), deep(features[None]), strict=True):
        torch.testing.assert_close(one, other)


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
