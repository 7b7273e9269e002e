"""What became of a song."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stems.errors import Cancelled, StemsError
from stems.files.remote import Place

if TYPE_CHECKING:
    from stems.song.confidence import Confidence
    from stems.song.tempo import Estimate


@dataclass
class Result:
    """What became of a song."""

    song: Place
    status: str = "done"
    """Or "skipped", "failed", "cancelled"; of a preview "would split", "would skip", "failed"; of what a folder holds
    and is not taken "passed over"."""
    outputs: Mapping[str, Place] = field(default_factory=dict)
    exports: list[Path] = field(default_factory=list)
    seconds: float = 0.0  # of audio
    elapsed: float = 0.0  # seconds of work
    error: str = ""
    note: str = ""  # what the user should know of it though it is done
    confidence: Confidence | None = None
    resembles: dict[str, dict[str, float]] = field(default_factory=dict)  # see `stems.blind.BlindClusters`
    loudness: float | None = None  # LUFS, NaN of silence; both where `Settings.measures` asks for it
    checksum: str = ""  # SHA-256 of the song's file
    estimate: Estimate | None = None  # of tempo and key, where `Settings.bpm` asks for it

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "song": str(self.song),
            "status": self.status,
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            **({"exports": [str(path) for path in self.exports]} if self.exports else {}),
            "seconds": round(self.seconds, 3),
            "elapsed": round(self.elapsed, 3),
            **(self.confidence.as_json() if self.confidence else {}),
            **({"resembles": self.resembles} if self.resembles else {}),
            **self._measured(),
            **(self.estimate.as_json() if self.estimate else {}),
            **({"note": self.note} if self.note else {}),
            **({"error": self.error} if self.error else {}),
        }

    def _measured(self) -> dict[str, float | str | None]:
        if not self.checksum or self.loudness is None:
            return {}
        return {"loudness": None if isnan(self.loudness) else round(self.loudness, 2), "checksum": self.checksum}


@contextmanager
def failures_in(result: Result) -> Iterator[None]:
    """Turns whatever goes wrong with a song into a result, so that the rest of the batch is done."""
    try:
        yield
    except Cancelled as error:
        result.status, result.error, result.outputs = "cancelled", str(error), {}
    except StemsError as error:
        result.status, result.error, result.outputs = "failed", str(error), {}
    except Exception as error:  # a full disk or memory, mostly
        reason = _in_words(error)
        result.status, result.error, result.outputs = "failed", f"{result.song} could not be split: {reason}", {}


def _in_words(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "its name or that of a folder is no text of this system. Rename it."
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return "its stems would get too long a path. Shorten --name, or choose an --out nearer by."
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = tempfile.gettempdir()
        return f"the disk of temporary files ({folder}) is full. Free some space, or set TMPDIR to another folder."
    if isinstance(error, OSError) and error.filename and error.strerror:
        file = os.fsdecode(error.filename)
        return f"{file} cannot be used ({error.strerror}). Check that it is there and may be used."
    reason = " ".join(str(error).split())
    if isinstance(error, (OSError, RuntimeError)) and reason:
        return reason
    return f"{type(error).__name__} {reason}".rstrip()
