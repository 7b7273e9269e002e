"""The song itself as a file that every DAW reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from stems.daw.session import Session, Track
from stems.errors import AudioError, ExportError
from stems.files.destination import file_name, whole

_PLAIN = {
    "wav": (".wav", ".wave"),
    "aiff": (".aif", ".aiff", ".aifc"),
    "flac": (".flac",),
    "ogg": (".ogg", ".oga"),
    "mp3": (".mp3",),
}
"""Suffixes of files that DAWs read, by the container that is in them."""
_AT_ONCE = 65_536  # samples


@contextmanager
def plain_mixture(session: Session, folder: Path, stays: bool, copy: bool = False) -> Iterator[tuple[Session, bool]]:
    """Yield the session with a mixture that DAWs read, and whether a file was made for it in the folder.

    What they do not read (m4a, opus, videos, Wave64, passages) is copied as wav, sample by sample.

    Args:
        session: to be handed on.
        folder: of the project files.
        stays: whether a project refers to the file, so that it must lie beside it; a temporary file does otherwise.
        copy: whether the song is copied even if DAWs read it, so that the folder can be moved.

    Raises:
        ExportError: the song cannot be read, or the copy not be written.
    """
    mixture = session.mixture
    if mixture is None or (_is_plain(mixture) and not (copy and stays)):
        yield session, False
        return
    suffix = mixture.path.suffix if _is_plain(mixture) else ".wav"
    name = file_name(f"{session.name} mixture", suffix)
    if stays:
        _copy(mixture, folder / name)
        yield _with_mixture(session, folder / name), True
        return
    with TemporaryDirectory(prefix="stems-") as temporary:
        _copy(mixture, Path(temporary, name))
        yield _with_mixture(session, Path(temporary, name)), False


def _with_mixture(session: Session, path: Path) -> Session:
    assert session.mixture is not None
    return replace(session, mixture=replace(session.mixture, path=path, reading=None))


def _is_plain(track: Track) -> bool:
    from stems.files.audio import open_song

    if track.reading is not None:
        return False
    try:
        with open_song(track.path, track.how_read) as song:
            return track.path.suffix.lower() in _PLAIN.get(song.format.container, ())
    except AudioError as error:
        raise ExportError(f"No DAW project can be made: {error}") from error


def _copy(track: Track, destination: Path) -> None:
    from stems.files.audio import open_song
    from stems.files.formats import output_format
    from stems.files.writing import StemFiles

    if _is_plain(track):
        with whole(destination) as unfinished:
            shutil.copyfile(track.path, unfinished)
        return
    try:
        with open_song(track.path, track.how_read) as song:
            form = output_format(song.format, "wav")
            with StemFiles({"mixture": destination}, form, song.samples) as files:
                for start in range(0, song.samples, _AT_ONCE):
                    block = song.read_exact(start, _AT_ONCE)
                    files.write(block, {"mixture": block})
    except AudioError as error:
        raise ExportError(f"The mixture of a project cannot be copied: {error}") from error
