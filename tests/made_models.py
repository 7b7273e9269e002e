"""Models for tests, small and untrained."""

from __future__ import annotations

import torch

from stems.model import Design, Model
from stems.network.embedding import NetworkShape
from stems.spectrum import Bands


def live_model(groups: int = 0) -> Model:
    """A small real-time model; with `groups`, its recurrent layers hear groups of bands."""
    torch.manual_seed(1)
    network = NetworkShape(
        bands=64, dimensions=8, layers=2, units=24, bidirectional=False, channels=4, groups=groups, width=16, stride=1
    )
    model = Model(Design(bands=Bands(count=64, reference_window=2048), network=network), {"name": "small-live"})
    with torch.no_grad():
        for weights in model.network.parameters():
            weights.copy_((3 * weights).half())  # as files of models hold them
    return model.eval()
