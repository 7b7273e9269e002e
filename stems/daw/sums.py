"""Sums of stems that lie beside the stems themselves, which would be heard twice if all were played at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stems.daw.comparison import compare_files


def without_sums(files: Mapping[str, Path]) -> dict[str, Path]:
    """Files of a folder by name, without sums of others there, such as "karaoke" beside the four stems.

    A file that only has the name of one, such as a stem of a user's own called "melody", stays.
    """
    from stems.batch.presets import sums_among

    sums = sums_among(files)
    left = {name for name, stems in sums.items() if _is_sum(files[name], [files[stem] for stem in stems])}
    return {name: path for name, path in files.items() if name not in left}


def _is_sum(path: Path, parts: Sequence[Path]) -> bool:
    compared = compare_files(path, parts)
    return compared is not None and compared.is_alike
