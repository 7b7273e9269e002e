"""The musdb package, through which MUSDB18 is read, to train on and to score."""

from __future__ import annotations

import shutil
from types import ModuleType

from stems.errors import StemsError


def load_musdb(error: type[StemsError]) -> ModuleType:
    """The package; raises `error`, which says what to install, where it or ffmpeg is missing.

    It needs ffmpeg on its path to be imported at all, for wav files too.
    """
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        raise error(
            "musdb, which reads MUSDB18, needs ffmpeg: install it (apt-get install ffmpeg, brew install ffmpeg, or "
            "https://ffmpeg.org)."
        )
    try:
        import musdb
    except ImportError as missing:
        raise error("MUSDB18 is read by musdb: pip install 'openband-stems[train,evaluate]'.") from missing
    package: ModuleType = musdb
    return package
