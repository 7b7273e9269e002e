"""Signs that a file ends before its song does, which libsndfile reads as far as it goes."""

from __future__ import annotations

import re
from pathlib import Path

MISSING_AT_MOST = 4096  # bytes: what sloppy headers count besides the samples
UNKNOWN_SIZE = 0x7FFF0000  # bytes: what headers state at least where the end was not known when they were written
MISSING_SAMPLES = 20 * 1152  # twenty frames of an mp3, whose headers are not always exact


def is_cut_off(log: str) -> bool:
    """Whether a wav, aiff or ogg file ends early.

    Args:
        log: what libsndfile noted on opening the file, `soundfile.SoundFile.extra_info`.
    """
    if "Last page lacks an end-of-stream bit" in log:
        return True
    sizes = re.search(r"^ *(?:data|SSND) : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    return sizes is not None and int(sizes[2]) + MISSING_AT_MOST < int(sizes[1]) < UNKNOWN_SIZE


def is_cut_off_mp3(path: Path, samples: int, stated: int) -> bool:
    """Whether an mp3 ends early.

    Args:
        samples: that could be decoded.
        stated: samples that libsndfile expected, which is only an estimate where the file does not state its length.
    """
    from mutagen import MutagenError
    from mutagen.mp3 import BitrateMode, MPEGInfo

    if samples > stated - MISSING_SAMPLES:
        return False
    try:
        with open(path, "rb") as file:
            return bool(MPEGInfo(file).bitrate_mode != BitrateMode.UNKNOWN)
    except MutagenError:
        return False
