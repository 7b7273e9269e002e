"""Labels for Audacity, which File > Import > Labels puts under the imported stems."""

from __future__ import annotations

from pathlib import Path

from stems.daw.session import Session
from stems.files.destination import whole


def write(session: Session, destination: Path) -> None:
    """Write a session's markers as an Audacity label file, after one label that spans the song.

    Audacity puts imported audio at zero, so times count from the song's first sample wherever the song sits in
    its session.

    Raises:
        ExportError: the destination cannot be written.
    """
    labels = [(0.0, max(track.seconds for track in session.tracks), session.name)]
    for marker in session.markers:
        start = marker.position / session.sample_rate
        labels.append((start, start + marker.length / session.sample_rate, marker.name))
    lines = (f"{start:.9f}\t{end:.9f}\t{name}\n" for start, end, name in labels)
    with whole(destination) as unfinished:
        unfinished.write_text("".join(lines), encoding="utf-8")
