"""One song through another separator's own network, with random weights.

    python benchmarks/competitors.py htdemucs|openunmix SONG FOLDER

`split.py` runs this with the interpreter that the other separator is installed for. Nothing of `stems` is needed
there, but numpy, soundfile and torch are. It prints the seconds from opening the song to closing the last stem: imports
and the making of the network do not count. Speed does not depend on what the weights are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import soundfile
import torch
from torch import Tensor

STEMS = ("drums", "bass", "other", "vocals")
Separate = Callable[[Tensor], Tensor]


def htdemucs() -> Separate:
    """Hybrid Transformer Demucs as published (Rouard et al. 2023): 41,984,456 parameters, options of its command."""
    from demucs.apply import apply_model
    from demucs.htdemucs import HTDemucs

    network = HTDemucs(list(STEMS), bottom_channels=512, dconv_mode=3, segment=Fraction(39, 5)).eval()
    return lambda audio: apply_model(network, audio, shifts=1, split=True, overlap=0.25)


def openunmix() -> Separate:
    """Open-Unmix `umxhq` (Stöter et al. 2019) with one iteration of its Wiener filter, which is its default."""
    from openunmix import umxhq

    separator: Separate = umxhq(pretrained=False, niter=1).eval()
    return separator


def main(name: str, song: str, folder: str) -> None:
    """Separates the song and prints the seconds it took."""
    separate = {"htdemucs": htdemucs, "openunmix": openunmix}[name]()
    begun = time.perf_counter()
    audio, rate = soundfile.read(song, dtype="float32", always_2d=True)
    with torch.inference_mode():
        stems = separate(torch.from_numpy(audio.T.copy())[None])[0]  # (stems, channels, samples)
    for stem, samples in zip(STEMS, stems, strict=True):
        soundfile.write(Path(folder) / f"{stem}.wav", samples.T.numpy(), rate, subtype="PCM_16")
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
