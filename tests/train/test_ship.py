"""Properties of the mean of models that ships."""

import dataclasses
import runpy
from pathlib import Path

import pytest
import torch

from stems.model import Design, Model
from stems.network import NetworkShape
from stems.spectrum import Bands

mean = runpy.run_path(str(Path(__file__).parents[2] / "recipes/ship.py"))["mean"]
SHAPE = NetworkShape(bands=96, layers=1, units=8, groups=8, width=12, channels=4)


def made(**changed: int) -> Model:
    return Model(Design(bands=Bands(96), network=dataclasses.replace(SHAPE, **changed)), {"name": "made"})


def test_a_mean_counts_groups_that_are_alike_as_ones_with_the_same_weights():
    before, last = made(), made(apart=True)
    norm, out = (
        [model.network.recurrent.time_paths[0].get_submodule(name).weight.detach().clone() for model in (before, last)]
        for name in ("norm", "out")
    )
    anchors = [model.raw_anchors.detach().clone() for model in (before, last)]
    found = mean([before, before, last], [0, 0, 7])
    path = found.network.recurrent.time_paths[0]
    torch.testing.assert_close(path.norm.weight, (2 * norm[0] + norm[1]) / 3)
    torch.testing.assert_close(path.out.weight, (2 * out[0].T + out[1]) / 3)
    torch.testing.assert_close(found.raw_anchors, (2 * anchors[0] + anchors[1]) / 3)
    assert found.card["mean_of_steps"] == [0, 0, 7]


@pytest.mark.parametrize(("before", "last"), [({"units": 16}, {}), ({"apart": True}, {}), ({}, {"groups": 0})])
def test_a_mean_of_other_networks_is_refused(before: dict[str, int], last: dict[str, int]):
    with pytest.raises(SystemExit, match="made has another network than the last"):
        mean([made(**before), made(**last)], [0, 1])
