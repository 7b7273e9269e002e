"""The pictures of a report: PNG images of cells, SVG drawings of lines, waveforms or embeddings."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

SHOWN_DB = 60.0  # from the loudest cells to those that are not drawn
OWNERSHIP = 3.0  # power of the shares by which colours are mixed, so that the largest share is seen


def spectrogram(levels: Array, shares: Array, colours: Sequence[str], loudest: float | None = None) -> bytes:
    """A PNG of a song: loud cells are opaque, and each has the colours of the stems that share it.

    Args:
        levels: (frames, bands) in dB.
        shares: (frames, bands, stems), of each cell.
        colours: of the stems, `#RRGGBB`.
        loudest: see `visibility`.
    """
    mixed = shares**OWNERSHIP
    mixed = mixed / mixed.sum(-1, keepdims=True) @ np.array([_rgb(colour) for colour in colours], float)
    return png(np.concatenate([mixed, 255 * visibility(levels, loudest)[..., None]], -1))


def mask(levels: Array, shares: Array, colour: str) -> bytes:
    """A PNG of the mask of one stem, opaque where the stem gets all of a cell: (frames, bands) in dB, (frames, bands).

    Cells in which the song is silent are left out.
    """
    sounding = visibility(levels + SHOWN_DB / 3)
    return png(255 * shares * np.minimum(1, 3 * sounding), _rgb(colour))


def visibility(levels: Array, loudest: float | None = None) -> Array:
    """0 for the quietest cells that are shown, 1 for the loudest; any shape, dB.

    Args:
        loudest: level that is shown as loudest, dB; by default that which hardly any of the cells exceed.
    """
    if loudest is None:
        loudest = float(np.percentile(levels, 99.5)) if levels.size else 0.0
    return np.asarray(np.clip((levels - loudest) / SHOWN_DB + 1, 0, 1))


def png(pixels: Array, colour: tuple[int, int, int] | None = None) -> bytes:
    """A PNG file with the last band at its top.

    Args:
        pixels: 0 to 255; (frames, bands, 4) of red, green, blue and opacity, or (frames, bands) of opacity alone.
        colour: where only opacity is given.
    """
    image = np.round(pixels).astype(np.uint8).swapaxes(0, 1)[::-1]
    height, width = image.shape[:2]
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 6 if colour is None else 3, 0, 0, 0)}
    if colour is not None:  # a palette of one colour at each opacity
        chunks |= {b"PLTE": bytes(colour) * 256, b"tRNS": bytes(range(256))}
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], 1)  # 0: not filtered
    chunks |= {b"IDAT": zlib.compress(rows.tobytes(), 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks.items()
    )


def waveform(peaks: Array) -> str:
    """An SVG path of a waveform, 1000 wide and 2 high: (columns,), from 0 to 1."""
    across = np.linspace(0, 1000, len(peaks))
    upper = [f"{x:.1f},{1 - peak:.3f}" for x, peak in zip(across, peaks, strict=True)]
    lower = [f"{x:.1f},{1 + peak:.3f}" for x, peak in zip(across[::-1], peaks[::-1], strict=True)]
    return f"M{'L'.join([*upper, *lower])}Z"


def line(seconds: Array, figures: Array, duration: float) -> str:
    """An SVG path over a song, 1000 wide and 1 high, with gaps where figures are NaN: (figures,), from 0 to 1."""
    parts, pen = [], "M"
    for second, figure in zip(seconds, figures, strict=True):
        if np.isnan(figure):
            pen = "M"
        else:
            parts.append(f"{pen}{1000 * second / duration:.1f},{1 - np.clip(figure, 0, 1):.3f}")
            pen = "L"
    return "".join(parts)


def plane(points: Array) -> tuple[Array, Array]:
    """The middle of points, and the plane through it in which they are spread most (principal components).

    (points, dimensions) -> (dimensions,), (dimensions, 2).
    """
    middle = points.mean(0)
    spread = (points - middle).T @ (points - middle)
    return middle, np.linalg.eigh(spread)[1][:, :-3:-1]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
