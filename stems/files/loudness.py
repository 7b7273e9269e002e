"""How loud a song is, in LUFS, and which file it is, by its checksum."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from math import nan
from pathlib import Path

import av
import numpy as np
from av.filter import Graph

from stems.files.audio import Song
from stems.files.spool import SpooledSong

_SAMPLES_AT_ONCE = 2**17
_GATED = -70.0  # LUFS, below which nothing counts, and which FFmpeg states for silence


def loudness_lufs(song: Song | SpooledSong) -> float:
    """Integrated loudness of a song, LUFS (EBU R 128, which is ITU-R BS.1770-4), by FFmpeg; NaN for silence."""
    rate = song.format.sample_rate
    layout = "mono" if song.format.channels == 1 else "stereo"
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout=layout, time_base=Fraction(1, rate))
    meter, sink = graph.add("ebur128", "metadata=1:framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    found = nan
    for start in range(0, song.samples, _SAMPLES_AT_ONCE):
        block = song.read(start, min(_SAMPLES_AT_ONCE, song.samples - start))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", layout)
        frame.sample_rate, frame.pts = rate, start
        graph.push(frame)
        found = _last(graph, found)
    graph.push(None)
    found = _last(graph, found)
    return found if found > _GATED else nan


def _last(graph: Graph, found: float) -> float:
    while True:
        try:
            metadata = graph.pull().metadata
        except (av.error.BlockingIOError, av.error.EOFError):
            return found
        found = float(metadata.get("lavfi.r128.I", found))


def checksum(path: Path) -> str:
    """SHA-256 of a file, as `sha256sum` prints it."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()
