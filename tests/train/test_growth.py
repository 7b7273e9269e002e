import pytest
import torch

from stems.model import Design, Model
from stems.network.embedding import NetworkShape
from stems.spectrum import Bands
from stems.train.growth import take_over


def model(**shape) -> Model:
    sizes = {"bands": 32, "units": 8, "width": 6, "channels": 4, "groups": 4, "layers": 2, "dropout": 0.2} | shape
    return Model(Design(bands=Bands(count=32, single_hz=200.0), network=NetworkShape(**sizes))).eval()


def levels(frames: int = 23) -> torch.Tensor:
    return torch.randn(1, 2, frames, 32) * 20 - 55


def learn(learner: Model) -> None:
    """A few steps towards nothing in particular."""
    optimiser = torch.optim.Adam(learner.parameters(), 1e-3)
    for _ in range(3):
        optimiser.zero_grad()
        learner.network(levels())[..., 0].square().mean().backward()
        optimiser.step()


def test_weights_that_fit_are_taken_over_from_a_model_of_another_design():
    torch.manual_seed(0)
    full = Model(Design(network=NetworkShape(units=16, channels=4)))
    live = Model(Design(network=NetworkShape(units=24, channels=4, bidirectional=False)))
    before = {name: value.clone() for name, value in live.state_dict().items()}
    take_over(live, full)
    for name in ("raw_anchors", "network.texture.first.weight", "network.embedding.weight"):
        assert torch.equal(live.state_dict()[name], full.state_dict()[name])
    assert torch.equal(live.network.recurrent.lstm.weight_ih_l0, before["network.recurrent.lstm.weight_ih_l0"])


@pytest.mark.parametrize(
    "sizes", [{"units": 13}, {"width": 12}, {"units": 16, "width": 18}, {"layers": 4}, {"layers": 3, "units": 13}]
)
@pytest.mark.parametrize("kind", [{"bidirectional": True, "stride": 2}, {"bidirectional": False, "stride": 1}])
def test_a_larger_model_says_at_first_what_the_smaller_one_says(kind, sizes):
    torch.manual_seed(0)
    small, large = model(**kind), model(**kind | sizes)
    heard = levels()
    assert (large.network(heard) - small.network(heard)).abs().max() > 0.1
    take_over(large, small)
    torch.testing.assert_close(large.network(heard), small.network(heard), rtol=0, atol=1e-5)
    torch.testing.assert_close(large.anchors, small.anchors)


def test_further_paths_learn_to_be_heard():
    torch.manual_seed(0)
    shallow, deep = model(), model(layers=3)
    take_over(deep, shallow)
    unlearned = deep.network.recurrent.time_paths[2].recurrent.weight_ih_l0.clone()
    learn(deep)
    path = deep.network.recurrent.time_paths[2]
    assert path.out.weight.abs().min() > 0
    assert not torch.equal(path.recurrent.weight_ih_l0, unlearned)


def test_numbers_that_stand_twice_learn_to_differ_and_new_units_to_be_heard():
    torch.manual_seed(0)
    narrow, wide = model(), model(units=16, width=12)
    take_over(wide, narrow)
    learn(wide)
    path = wide.network.recurrent.time_paths[0]
    twice = path.out.weight.reshape(2, 6, 2, 16)  # copies, numbers, directions, units
    assert not torch.equal(twice[0], twice[1])
    assert twice[..., 8:].abs().min() > 0


@pytest.mark.parametrize("sizes", [{"units": 4}, {"width": 9}, {"units": 16, "layers": 1}, {"units": 16, "stride": 1}])
def test_a_narrower_model_or_one_of_other_paths_takes_no_paths_over(sizes):
    torch.manual_seed(0)
    source, other = model(), model(**sizes)
    before = other.network.recurrent.time_paths[0].recurrent.weight_ih_l0.clone()
    take_over(other, source)
    assert torch.equal(other.network.recurrent.time_paths[0].recurrent.weight_ih_l0, before)
