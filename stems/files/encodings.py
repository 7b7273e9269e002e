"""Which of FFmpeg's codecs keep the samples, and how many bits they hold."""

from __future__ import annotations

import re
from pathlib import Path

_LOSSLESS = ("alac", "als", "ape", "flac", "mlp", "shorten", "tak", "truehd", "tta", "wavpack", "wmalossless")
_FLOATS = {"flt": "float32", "dbl": "float64"}


def encoding_of(codec: str, sample_format: str, extradata: bytes, path: Path) -> str:
    """The encoding of a song as in `stems.files.formats.AudioFormat`, `lossy` where the samples are not kept.

    Args:
        codec: FFmpeg's name of the decoder.
        sample_format: in which it gives samples, such as `s32p`.
        extradata: what the container tells the decoder.
        path: of the song.
    """
    kind = sample_format.removesuffix("p")
    if pcm := re.fullmatch(r"pcm_[suf](\d+).*", codec):
        return _FLOATS.get(kind, _integer(int(pcm[1])))
    if codec not in _LOSSLESS:
        return "lossy"
    if kind in _FLOATS:
        return _FLOATS[kind]
    return "int16" if kind in ("u8", "s16") else _integer(_bits(codec, extradata, path))


def _integer(bits: int) -> str:
    """The smallest encoding that holds so many bits."""
    return next((f"int{whole}" for whole in (8, 16, 24) if bits <= whole), "int32")


def _bits(codec: str, extradata: bytes, path: Path) -> int:
    """Of a codec that gives samples of 32, whose upper bits they are."""
    if codec == "alac" and len(extradata) >= 18:
        return extradata[17]
    if codec == "flac" and len(extradata) >= 14:
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec == "wavpack":
        with open(path, "rb") as file:
            header = file.read(28)
        return 8 * (1 + (header[24] & 3)) if header.startswith(b"wvpk") else 32
    return 24 if codec in ("ape", "mlp", "tak", "truehd", "tta", "wmalossless") else 32
