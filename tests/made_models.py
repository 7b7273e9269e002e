"""Models for tests, small and untrained."""

from __future__ import annotations

import torch

from stems.model import Design, Model
from stems.network.embedding import NetworkShape
from stems.spectrum import Bands


def live_model(groups: int = 0, reference_window: int = 2048) -> Model:
    """A small real-time model, 46 ms late; with `groups`, its recurrent layers hear groups of bands."""
    torch.manual_seed(1)
    network = NetworkShape(
        bands=64, dimensions=8, layers=2, units=24, bidirectional=False, channels=4, groups=groups, width=16, stride=1
    )
    bands = Bands(64, 300.0, reference_window=reference_window, reference_synthesis=2048)
    model = Model(Design(bands=bands, network=network), {"name": "small-live"})
    with torch.no_grad():
        for weights in model.network.parameters():
            weights.copy_((3 * weights).half())  # as files of models hold them
    return model.eval()
