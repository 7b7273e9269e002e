"""Stems that add up to the mixture to the last bit, whatever rounding and full scale do to them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.floating]

_LOUD = 8.0  # times full scale, below which single precision holds all bits of 16-bit stems


def integers_adding_up(mixture: Samples, stems: Samples, bits: int) -> npt.NDArray[np.integer]:
    """Stems as integers that add up, sample by sample, to the integers of the mixture.

    Rounded are not the stems but their running sums, from one stem to the next. The differences of the rounded sums
    add up by construction, stay within one integer of the stems, and are 0 where a stem is 0. Where a stem would pass
    full scale, the excess moves to the other stems first.

    Args:
        mixture: `(channels, samples)`, full scale is 1; what passes it is clipped.
        stems: `(stems, channels, samples)`, adding up to the mixture to float precision.
        bits: of the integers, 2 to 32.

    Returns:
        `(stems, channels, samples)`, each from `-2 ** (bits - 1)` to `2 ** (bits - 1) - 1`: int16 where these suffice,
        else int32.
    """
    full_scale = 2.0 ** (bits - 1)
    lowest, highest = -full_scale, full_scale - 1
    is_loud = max(-stems.min(), stems.max()) > _LOUD
    precision = np.float64 if bits > 16 or is_loud else np.float32  # twice as fast, and enough for 16 bits
    reference = np.clip(np.floor(np.multiply(mixture, full_scale, dtype=np.float64) + 0.5), lowest, highest)
    reference = reference.astype(precision)
    levels = np.multiply(stems, full_scale, dtype=precision)
    if bits > 16:  # which are finer than the stems add up
        levels = floats_adding_up(reference, levels, precision)
    integers = _rounded_by_running_sum(levels)
    missed = integers.sum(axis=0) != reference  # by stems that add up to half an integer, or to more than full scale
    if missed.any():
        levels[:, missed] = floats_adding_up(reference[missed], levels[:, missed], precision)
        integers[:, missed] = _rounded_by_running_sum(levels[:, missed])
    if integers.min() < lowest or integers.max() > highest:
        clipping = ((integers < lowest) | (integers > highest)).any(axis=0)
        exact = floats_adding_up(reference[clipping], levels[:, clipping])
        integers[:, clipping] = _rounded_by_running_sum(_within(exact, lowest, highest))
    return integers.astype(np.int16 if bits <= 16 else np.int32)


def floats_adding_up(mixture: Samples, stems: Samples, precision: npt.DTypeLike = np.float64) -> Samples:
    """Stems to which whatever they miss of the mixture is added, shared out by their magnitudes.

    Args:
        mixture: `(channels, samples)`.
        stems: `(stems, channels, samples)`.
        precision: of the sum.

    Returns:
        `(stems, channels, samples)`, adding up to the mixture to this precision. Silence stays silence.
    """
    shares: Samples = np.abs(stems, dtype=precision)
    total = shares.sum(axis=0)
    silent = total == 0
    if silent.any():
        shares[:, silent], total[silent] = 1, len(stems)
    shares /= total
    shares *= mixture - stems.sum(axis=0, dtype=precision)
    shares += stems
    return shares


def _rounded_by_running_sum(levels: Samples) -> Samples:
    integers = np.empty_like(levels)
    running = np.full_like(levels[0], 0.5)  # so that rounding down is rounding
    rounded, before = np.empty_like(running), np.zeros_like(running)
    for level, integer in zip(levels, integers, strict=True):
        running += level
        np.floor(running, out=rounded)
        np.subtract(rounded, before, out=integer)
        rounded, before = before, rounded
    return integers


def _within(levels: Samples, lowest: float, highest: float) -> Samples:
    """Moves what stems have beyond the limits to the sounding stems with room: `(stems, samples)`."""
    within = np.clip(levels, lowest, highest)
    excess = (levels - within).sum(axis=0)
    room = np.where(excess > 0, highest - within, within - lowest) * (levels != 0)
    within += excess * room / np.maximum(room.sum(axis=0), 1)
    # Multiples of a power of two add up without error, so that their sums cannot round to beyond a limit.
    return np.round(within * 1024) / 1024
