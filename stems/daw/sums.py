"""Sums of stems that lie beside the stems themselves, which would be heard twice if all were played at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from stems.errors import StemsError

_AT_ONCE = 2**18  # samples
_ALIKE = 0.5  # most energy of what tells a sum from the stems added up, times its own: effects and codecs change it


def without_sums(files: Mapping[str, Path]) -> dict[str, Path]:
    """Files of a folder by name, without sums of others there, such as "karaoke" beside the four stems.

    A file that only has the name of one, such as a stem of a user's own called "melody", stays.
    """
    from stems.batch.presets import sums_among

    sums = sums_among(files)
    left = {name for name, stems in sums.items() if _is_sum(files[name], [files[stem] for stem in stems])}
    return {name: path for name, path in files.items() if name not in left}


def _is_sum(path: Path, parts: Sequence[Path]) -> bool:
    from stems.files.audio import open_song

    apart = energy = 0.0
    try:
        with ExitStack() as stack:
            whole, *stems = (stack.enter_context(open_song(each)) for each in (path, *parts))
            shapes = {(each.format.sample_rate, each.format.channels, each.samples) for each in (whole, *stems)}
            if len(shapes) > 1:
                return False
            for start in range(0, whole.samples, _AT_ONCE):
                block = whole.read(start, _AT_ONCE)
                apart += float(np.square(block - np.sum([stem.read(start, _AT_ONCE) for stem in stems], 0)).sum())
                energy += float(np.square(block).sum())
    except StemsError:
        return False
    return apart <= _ALIKE * energy
