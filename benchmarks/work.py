"""Multiply-accumulates that networks take for a second of music, theirs and ours.

    python benchmarks/work.py [--demucs-python PYTHON] [--openunmix-python PYTHON]

Counted are the matrix products and convolutions of one forward pass; weights do not matter. See README.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch
from measure import table
from split import INSTALL
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

RATE, HOP = 44_100, 1024  # Hz, and samples from frame to frame in all but HTDemucs
SEGMENT, OVERLAP = Fraction(39, 5), 0.25  # seconds that HTDemucs is given at once, and their part that is heard twice
STEMS = 4


def millions_a_second(forward: Callable[[], Any], seconds: float) -> float:
    """Multiply-accumulates of a forward pass over some seconds of music, 10^6 for each second."""
    recurrent = 0

    def lstm(layers: nn.LSTM, given: Tensor, state: Any = None) -> tuple[Tensor, None]:
        """An LSTM that counts by its shape, since the counter sees into some of them and not into others."""
        nonlocal recurrent
        places = given.shape[:-1].numel()
        recurrent += places * sum(
            weight.numel() for name, weight in layers.named_parameters() if name.startswith("weight")
        )
        directions = 2 if layers.bidirectional else 1
        return given.new_zeros(*given.shape[:-1], directions * layers.hidden_size), None

    torch.backends.mha.set_fastpath_enabled(False)  # whose parts the counter does not see
    counter = FlopCounterMode(display=False)
    with patch.object(nn.LSTM, "forward", lstm), sdpa_kernel(SDPBackend.MATH), torch.no_grad(), counter:
        forward()
    return (counter.get_total_flops() / 2 + recurrent) / seconds / 1e6


def ours(name: str) -> float:
    """The network of a model, and the shares of all cells."""
    from stems.model import Model

    model, frames = Model.load(name), 430
    levels = torch.zeros(1, 2, frames, model.design.bands.count)
    hop = model.grid(RATE).hop
    return millions_a_second(
        lambda: model.shares(model.network(levels).flatten(1, 2), model.anchors), frames * hop / RATE
    )


def openunmix() -> float:
    """The four networks of `umxhq` (Stöter et al. 2019), without the Wiener filter after them."""
    from openunmix.model import OpenUnmix

    network, frames = OpenUnmix(nb_bins=2049, hidden_size=512, max_bin=1487).eval(), 430
    spectrogram = torch.zeros(1, 2, 2049, frames)
    return STEMS * millions_a_second(lambda: network(spectrogram), frames * HOP / RATE)


def htdemucs() -> float:
    """Hybrid Transformer Demucs (Rouard et al. 2023) with the segments and the overlap of its command."""
    from demucs.htdemucs import HTDemucs

    network = HTDemucs(list("dbov"), bottom_channels=512, dconv_mode=3, segment=SEGMENT).eval()
    audio = torch.zeros(1, 2, int(SEGMENT * RATE))
    return millions_a_second(lambda: network(audio), float(SEGMENT) * (1 - OVERLAP))


def spleeter() -> float:
    """The shape of Spleeter's U-Nets for four stems (Hennequin et al. 2020), on 512 frames of 1024 bins."""
    return STEMS * millions_a_second(lambda: UNet()(torch.zeros(1, 2, 512, 1024)), 512 * HOP / RATE)


class UNet(nn.Module):
    """Six strided 5x5 convolutions and their transposes, each given what its counterpart found as well."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [2, 16, 32, 64, 128, 256, 512]
        self.down = nn.ModuleList(nn.Conv2d(size, to, 5, stride=2, padding=2) for size, to in pairwise(sizes))
        found = [512, *(2 * size for size in sizes[5:0:-1])]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(size, to, 5, stride=2, padding=2, output_padding=1)
            for size, to in zip(found, [*sizes[5:0:-1], 1], strict=True)
        )
        self.mask = nn.Conv2d(1, 2, 4, dilation=2, padding="same")

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(batch, 2, frames, bins) -> the same."""
        found = [spectrogram]
        for layer in self.down:
            found.append(layer(found[-1]))
        inner = found.pop()
        for layer in self.up:
            inner = layer(inner)
            skipped = found.pop()
            if found:
                inner = torch.cat([inner, skipped], 1)
        mask: Tensor = self.mask(inner)
        return mask


COUNTS: dict[str, Callable[[], float]] = {
    "stems, openband-live": lambda: ours("openband-live"),
    "stems, openband": lambda: ours("openband"),
    "Spleeter, 4 stems": spleeter,
    "Open-Unmix umxhq": openunmix,
    "HTDemucs": htdemucs,
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demucs-python", default=sys.executable, help="interpreter that has demucs (this one)")
    parser.add_argument("--openunmix-python", default=sys.executable, help="interpreter that has openunmix (this one)")
    parser.add_argument("--count", choices=COUNTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        print(COUNTS[options.count]())
        return
    interpreters = {"HTDemucs": options.demucs_python, "Open-Unmix umxhq": options.openunmix_python}
    found = {}
    for name in COUNTS:
        command = [interpreters.get(name, sys.executable), __file__, "--count", name]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            reason = run.stderr.strip().splitlines()[-1]
            print(f"{name} is left out ({reason}). In a virtual environment of its own: {INSTALL}")
        else:
            found[name] = float(run.stdout.split()[-1])
    full = found["stems, openband"]
    rows = [[name, f"{millions:,.0f}", f"{millions / full:.2f}x"] for name, millions in found.items()]
    print(table(["a second of music", "millions", "of openband's"], rows))


if __name__ == "__main__":
    main()
