"""The session that a DAW opens: stems on tracks, with what is known of the song."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stems.daw.colours import MIXTURE, colour_of, usual_order
from stems.daw.comparison import compare_files
from stems.daw.found_song import found_song
from stems.daw.sums import without_sums
from stems.errors import AudioError, ExportError, OptionError
from stems.files.broadcast_wav import Marker, notes_of_passage
from stems.files.destination import printable
from stems.files.formats import AUDIO_SUFFIXES

if TYPE_CHECKING:
    from stems.files.audio import Reading

_COMPARED_SECONDS = 60.0


@dataclass(frozen=True)
class Track:
    """One audio file on one track, at unity gain."""

    name: str
    path: Path
    colour: str
    """`#RRGGBB`."""
    sample_rate: int
    """Hz."""
    channels: int
    length: int
    """Samples per channel."""
    muted: bool = False
    reading: Reading | None = None
    """What of the file is heard; None for all of it."""

    @property
    def how_read(self) -> Reading:
        """The same for `open_song`, whatever the number of channels."""
        from stems.files.audio import Reading

        return replace(self.reading or Reading(), any_channels=True)

    @property
    def seconds(self) -> float:
        """The track's duration."""
        return self.length / self.sample_rate


@dataclass(frozen=True)
class Session:
    """Everything that a project file says."""

    name: str
    sample_rate: int
    """Hz, that of every track."""
    tracks: tuple[Track, ...]
    """The stems: drums, bass, other, vocals, then the rest by name."""
    mixture: Track | None = None
    """The song that was split, muted."""
    tempo_bpm: float | None = None
    """`None` where nobody said it: a project then claims no tempo."""
    time_signature: tuple[int, int] | None = None
    markers: tuple[Marker, ...] = ()
    start: int = 0
    """Samples between the session's zero and the first sample of every track."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Text under `title`, `artist`, `album`, `year`, `genre`, `comment`."""
    sums: tuple[str, ...] = ()
    """Names of files that lie beside the stems, are sums of them, and therefore no tracks."""
    belongs: bool = True
    """Whether the stems sound in the mixture; others were made of something else."""

    @property
    def start_seconds(self) -> float:
        """Where every track begins."""
        return self.start / self.sample_rate

    @property
    def all_tracks(self) -> tuple[Track, ...]:
        """The stems, then the mixture if there is one."""
        return (*self.tracks, self.mixture) if self.mixture else self.tracks


def session_of(
    stems: Mapping[str, Path],
    name: str,
    mixture: Path | None = None,
    tempo_bpm: float | None = None,
    time_signature: tuple[int, int] | None = None,
    reading: Reading | None = None,
) -> Session:
    """Describe the stems of one song.

    Args:
        stems: the file of each stem, by the stem's name.
        name: the song's.
        mixture: the song that was split. Its notes (position, markers, tempo, tags) become the session's; without
            it the notes that the first stem carries do.
        tempo_bpm: beats per minute, over what the notes say.
        time_signature: such as `(3, 4)`, over what the notes say.
        reading: what of the song was split; None for all of it.

    Raises:
        ExportError: no stems, stems that do not fit together, or a file that cannot be read.
    """
    from stems.files.tags import song_notes

    if not stems:
        raise ExportError(f"{name} has no stems to hand to a DAW.")
    tracks = tuple(track_of(stems[stem], printable(stem), colour_of(stem)) for stem in sorted(stems, key=usual_order))
    whole_song = track_of(mixture, "mixture", MIXTURE, True, reading) if mixture else None
    for track in (*tracks, whole_song):
        if track and track.sample_rate != tracks[0].sample_rate:
            raise ExportError(
                f"{track.path} is at {track.sample_rate} Hz and {tracks[0].path.name} at {tracks[0].sample_rate} Hz; "
                "export stems of one split, with the song they came from."
            )
    notes = song_notes(mixture or tracks[0].path)
    if whole_song and reading:
        notes = notes_of_passage(notes, round(reading.begin * whole_song.sample_rate), whole_song.length)
    return Session(
        name=printable(name),
        sample_rate=tracks[0].sample_rate,
        tracks=tracks,
        mixture=whole_song,
        tempo_bpm=float(tempo_bpm or notes.tempo_bpm or 0) or None,  # projects write it as Python shows a float
        time_signature=time_signature or notes.time_signature,
        markers=tuple(replace(marker, name=printable(marker.name)) for marker in notes.markers),
        start=notes.start,
        tags={key: printable(text) for key, text in notes.tags.items()},
    )


def session_in(
    folder: Path,
    mixture: Path | None = None,
    tempo_bpm: float | None = None,
    time_signature: tuple[int, int] | None = None,
) -> Session:
    """Describe the stems that lie in a folder: its name is the song's, its files' names are the stems'.

    A file called `mixture`, alone or behind the folder's name, is no stem but the song, unless another one is given.
    Without either, the song is looked for, see `stems.daw.found_song`. Sums of stems that lie there too are left out.
    The rest is as in `session_of`.

    Raises:
        ExportError: as `session_of`, or the folder cannot be read or holds no stems.
    """
    every, beside = stems_and_mixture(folder)
    stems = without_sums(every)
    if not stems:
        raise ExportError(f"{folder} holds no stems; point at the folder that `stems split` made for one song.")
    named = mixture or beside
    whole_song = named or found_song(folder.resolve(), stems)
    session = session_of(stems, folder.resolve().name, whole_song, tempo_bpm, time_signature)
    compared = compare_files(named, list(stems.values()), _COMPARED_SECONDS) if named else None
    belongs = compared is None or compared.is_part
    return replace(session, sums=tuple(sorted({*every} - {*stems})), belongs=belongs)


def stems_and_mixture(folder: Path) -> tuple[dict[str, Path], Path | None]:
    """Return the audio files of a folder by name, and the one beside them that is the song itself, if there is one.

    Raises:
        ExportError: the folder cannot be read.
    """
    audio = audio_in(folder)
    names = ("mixture", f"{folder.resolve().name} mixture".lower())  # of which projects refer to the second
    beside = next((path for path in audio if path.stem.lower() in names), None)
    return {path.stem: path for path in audio if path.stem.lower() not in names}, beside


def audio_in(folder: Path) -> list[Path]:
    """Return the audio files directly in a folder, hidden ones left out.

    Raises:
        ExportError: the folder cannot be read.
    """
    try:
        entries: Iterable[Path] = sorted(folder.iterdir())
    except OSError as error:
        raise ExportError(f"Cannot read {folder} ({error.strerror or error}): check its name and rights.") from error
    return [
        path
        for path in entries
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]


def not_taken_in(folder: Path) -> list[Path]:
    """Videos and the like in a folder, whose sound projects do not take."""
    from stems.files.formats import READABLE_SUFFIXES

    suffixes = READABLE_SUFFIXES - set(AUDIO_SUFFIXES)
    paths = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes and path.name[0] != ".")
    return [path for path in paths if not path.name.lower().endswith(".stem.mp4")]


def track_of(path: Path, name: str, colour: str, muted: bool = False, reading: Reading | None = None) -> Track:
    """Describe one audio file as a track.

    Raises:
        ExportError: the file cannot be read as audio.
    """
    from stems.files.audio import Reading, open_song

    try:
        with open_song(path, replace(reading or Reading(), any_channels=True)) as audio:
            form = audio.format
            return Track(name, path, colour, form.sample_rate, form.channels, audio.samples, muted, reading)
    except (AudioError, OptionError) as error:
        raise ExportError(f"No DAW project can be made: {error}") from error
