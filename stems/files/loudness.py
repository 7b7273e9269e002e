"""How loud a song is, in LUFS, and which file it is, by its checksum."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from fractions import Fraction
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.filter import Graph

from stems.errors import AudioError
from stems.files.audio import Song
from stems.files.spool import SpooledSong

_KEY = "lavfi.r128.I"
_SAMPLES_AT_ONCE = 2**17
_GATED = -70.0  # LUFS, below which nothing counts, and which FFmpeg states for silence


def loudness_lufs(song: Song | SpooledSong) -> float:
    """Integrated loudness of a song, LUFS (EBU R 128, which is ITU-R BS.1770-4), by FFmpeg; NaN for silence."""
    with TemporaryDirectory(prefix="stems-") as folder:
        path = Path(folder) / "loudness.txt"
        _measure(song, path)
        lines = [line for line in path.read_text().splitlines() if line.startswith(_KEY)] if path.exists() else []
    found = float(lines[-1].partition("=")[2]) if lines else nan
    return found if found > _GATED else nan


def _measure(song: Song | SpooledSong, path: Path) -> None:
    """Writes the loudness up to each moment to a file: older PyAV has no other way to what a filter tells."""
    rate = song.format.sample_rate
    layout = "mono" if song.format.channels == 1 else "stereo"
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout=layout, time_base=Fraction(1, rate))
    meter = graph.add("ebur128", metadata="1", framelog="quiet")
    teller = graph.add("ametadata", mode="print", key=_KEY, file=str(path), direct="1")
    sink = graph.add("abuffersink")
    for one, other in ((source, meter), (meter, teller), (teller, sink)):
        one.link_to(other)
    graph.configure()
    for start in range(0, song.samples, _SAMPLES_AT_ONCE):
        block = song.read(start, min(_SAMPLES_AT_ONCE, song.samples - start))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", layout)
        frame.sample_rate, frame.pts = rate, start
        graph.push(frame)
        _drain(graph)
    graph.push(None)
    _drain(graph)


def _drain(graph: Graph) -> None:
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            graph.pull()


def checksum(path: Path) -> str:
    """SHA-256 of a file, as `sha256sum` prints it. Raises AudioError where it cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(2**20):
                found.update(block)
    except OSError as error:
        raise AudioError(f"{path} cannot be read ({error.strerror or error}): check that it is there.") from error
    return found.hexdigest()
