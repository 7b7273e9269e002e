"""A stem as m4a (AAC or ALAC) or opus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stems.files.formats import AudioFormat

CODECS = {"m4a": "aac", "alac": "alac", "opus": "opus"}
_KBPS = 160  # a channel, or the most that the sample rate allows


class CodedStem:
    """A stem while it is written, at a high bit rate.

    Raises:
        OSError: here, on writing and on closing, where the disk is full.
    """

    def __init__(self, path: Path, format: AudioFormat) -> None:
        from stems.files.coded import CodedFile

        self._file = CodedFile(
            path,
            CODECS[format.container],
            format.sample_rate,
            channels=format.channels,
            kbps=_KBPS * format.channels,
            bits=format.bits or 24,
        )

    def write(self, samples: npt.NDArray[Any]) -> None:
        """Takes `(samples, channels)`: floats, or for ALAC the upper bits of int32."""
        self._file.write([np.ascontiguousarray(samples.T)])

    def close(self) -> None:
        """Completes the file."""
        self._file.close()
