"""The precision in which a processor multiplies matrices fastest, as far as stems do not suffer from it."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def fastest_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the CPU multiplies it by instructions of its own, at twice the speed or more; else float32.

    Stems of bfloat16 differ from those of single precision by less than -60 dB of the song: recurrent layers are given
    normalised vectors, for which its 8 bits are enough. Convolutions, which are given levels in dB, are left as they
    are.
    """
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return torch.float32
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions tell nothing
    return torch.bfloat16 if capabilities.get("avx512_bf16") else torch.float32
