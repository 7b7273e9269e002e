"""Tracks with true stems: MUSDB18, folders of songs, somebody's references beside their estimates.

A track is cheap to list; its audio is read when it is loaded, and freed with the song. Stems of lossy files are rounded
to 16 bits, as `musdb` reads MUSDB18: a codec empties whole bands, and without any noise in them the distortion filters
of BSS Eval are not determined there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stems.errors import AudioError, OptionError
from stems.files.formats import AUDIO_SUFFIXES
from stems.files.musdb_package import load_musdb

Audio = NDArray[np.float32]

STEMS = ("drums", "bass", "other", "vocals")
SUBSETS = ("test", "train", "valid")
MIXTURES = ("mixture", "mix", "linear_mixture")
ACCOMPANIMENTS = ("accompaniment", "no_vocals", "no-vocals", "instrumental")
"""What separators into two stems call all but the vocals, ours the last."""


@dataclass(frozen=True)
class Song:
    """The audio of a track, all arrays of one shape `(channels, samples)`, float32.

    Its mixture is read in blocks as a `stems.files.audio.Song` is.

    sample_rate: Hz.
    stems: the true stems by name; one that the track lacks is silence.
    """

    sample_rate: int
    mixture: Audio
    stems: dict[str, Audio]

    @property
    def samples(self) -> int:
        """Length, in samples of one channel."""
        return len(self.mixture[0])

    def read(self, start: int, count: int) -> Audio:
        """float32 (channels, count)."""
        return self.mixture[:, start : start + count]


@dataclass(frozen=True)
class Track:
    """A track that can be scored: `load()` reads its song, `load_estimates(song)` its estimates, if there are any.

    subset: the folder under which its results are kept, as museval expects it.
    estimates: the files of its estimates.
    """

    name: str
    subset: str
    load: Callable[[], Song]
    load_estimates: Callable[[Song], dict[str, Audio]] | None = None
    estimates: tuple[Path, ...] = ()


def musdb_tracks(root: Path, subset: str = "test") -> list[Track]:
    """Tracks of MUSDB18 (`.stem.mp4`) or MUSDB18-HQ (wav) in this folder.

    subset: `test`, `train` (its validation tracks included) or `valid`.

    Raises OptionError if the folder holds no track of this subset, or musdb or ffmpeg is not installed.
    """
    if subset not in SUBSETS:
        raise OptionError(f"MUSDB18 has no subset '{subset}'; choose one of {', '.join(SUBSETS)}.")
    folder = root / ("train" if subset == "valid" else subset)
    is_wav = not any(folder.glob("*.stem.mp4"))
    database = load_musdb(OptionError).DB(
        root=str(root), is_wav=is_wav, subsets=folder.name, split="valid" if subset == "valid" else None
    )
    if not database.tracks:
        raise OptionError(
            f"{folder} holds neither .stem.mp4 files nor folders of stems; give the folder above 'train' and 'test'."
        )
    return [Track(track.name, folder.name, partial(_load_musdb, track)) for track in database.tracks]


def song_tracks(folder: Path) -> list[Track]:
    """Every song in this folder or below: a folder that holds drums, bass, other or vocals as wav, flac or ogg.

    A `mixture` file beside them is used as it is; without one, the mixture is the sum of the stems.

    Raises OptionError if there is none, or two that would be called alike.
    """
    songs = [song for song in _folders(folder) if set(_audio_files(song)) & set(STEMS)]
    if not songs:
        raise OptionError(f"{folder} holds no song: no folder with {', '.join(STEMS)} as wav, flac or ogg.")
    return _distinct([Track(_name(song, folder), "test", partial(_load_folder, song, STEMS)) for song in songs], folder)


def estimate_tracks(reference: Path, estimates: Path) -> list[Track]:
    """Songs of one folder with estimates of the same names in another.

    Either folder holds the stems of one song, or both hold folders of songs with the same relative paths. Stems may
    have any names; the estimates are the files of the same names, and a stem without one is scored as silence.

    Estimates of `vocals` and `accompaniment` alone (or what else that is called, see `ACCOMPANIMENTS`) are scored as
    these two, the true accompaniment being all stems but the vocals where there is no file of it, as museval does.

    Raises OptionError if no song has both, or two songs would be called alike.
    """
    tracks = []
    for song in _folders(reference):
        beside = estimates / song.relative_to(reference)
        there, guessed = set(_audio_files(song)) - set(MIXTURES), set(_audio_files(beside)) - set(MIXTURES)
        names = tuple(sorted(there - set(ACCOMPANIMENTS)))
        if (
            "vocals" in there
            and len(there) > 1
            and guessed & set(ACCOMPANIMENTS)
            and not guessed & set(names) - {"vocals"}
        ):
            names = ("accompaniment", "vocals")
            guessed = {"accompaniment" if name in ACCOMPANIMENTS else name for name in guessed}
        if guessed & set(names):
            load_estimates = partial(_load_estimates, beside)
            load = partial(_load_folder, song, names)
            files = tuple(_audio_files(beside).values())
            tracks.append(Track(_name(song, reference), "test", load, load_estimates, files))
    if not tracks:
        raise OptionError(f"No stem in {estimates} has the name and the place of one in {reference}.")
    return _distinct(tracks, reference)


def _distinct(tracks: list[Track], folder: Path) -> list[Track]:
    """The tracks, if no two have one name, under which the scores of the one would replace those of the other."""
    names = Counter(track.name for track in tracks)
    if twice := [name for name, count in names.items() if count > 1]:
        raise OptionError(f"{folder} holds two songs that would both be called {twice[0]!r}: rename a folder of one.")
    return tracks


def _folders(folder: Path) -> list[Path]:
    """This folder and all below that hold audio files."""
    below = (
        path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    )
    return sorted({path.parent for path in below})


def _audio_files(folder: Path) -> dict[str, Path]:
    """The audio files of a folder by their names without suffix, which are never taken for patterns."""
    if not folder.is_dir():
        return {}
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    return {path.stem: path for suffix in reversed(AUDIO_SUFFIXES) for path in paths if path.suffix.lower() == suffix}


def _name(song: Path, folder: Path) -> str:
    return " - ".join(song.relative_to(folder).parts) or song.resolve().name


def _load_musdb(track: Any) -> Song:
    try:
        mixture, stems = track.audio, {}
        for name in STEMS:
            target = track.targets.get(name)
            stems[name] = np.zeros_like(mixture) if target is None else target.audio
    except Exception as error:  # of as many kinds as musdb has libraries below it, even Warning
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise AudioError(f"{track.name} cannot be read by musdb ({reason}): download or unpack it again.") from error
    as_planes = {name: np.ascontiguousarray(audio.T, dtype=np.float32) for name, audio in stems.items()}
    return Song(int(track.rate), np.ascontiguousarray(mixture.T, dtype=np.float32), as_planes)


def _load_folder(folder: Path, names: tuple[str, ...]) -> Song:
    files = _audio_files(folder)
    sought = names
    if "accompaniment" in names and not set(files) & set(ACCOMPANIMENTS):
        sought = tuple(name for name in files if name not in MIXTURES)
    found = _read(folder, (*sought, "mixture"))
    rates = {rate for rate, _ in found.values()}
    if len(rates) != 1:
        raise AudioError(f"The stems in {folder} have several sample rates, {sorted(rates)} Hz; resample them to one.")
    channels = max(len(audio) for _, audio in found.values())
    samples = max(audio.shape[1] for _, audio in found.values())
    fitted = {name: _fitted(audio, channels, samples, folder) for name, (_, audio) in found.items()}
    silence = np.zeros((channels, samples), dtype=np.float32)
    if sought != names:
        parts = [audio for name, audio in fitted.items() if name not in ("vocals", "mixture")]
        fitted["accompaniment"] = np.sum(parts, axis=0)
    stems = {name: fitted.get(name, silence) for name in names}
    mixture = fitted["mixture"] if "mixture" in fitted else np.sum(list(stems.values()), axis=0)
    return Song(rates.pop(), mixture, stems)


def _load_estimates(folder: Path, song: Song) -> dict[str, Audio]:
    channels, samples = song.mixture.shape
    estimates = {name: np.zeros((channels, samples), dtype=np.float32) for name in song.stems}
    for name, (rate, audio) in _read(folder, tuple(song.stems)).items():
        if rate != song.sample_rate:
            raise AudioError(
                f"The estimate of '{name}' in {folder} has {rate} Hz, its true stem {song.sample_rate} Hz; "
                "resample the estimate."
            )
        estimates[name] = _fitted(audio, channels, samples, folder)
    return estimates


def _read(folder: Path, names: tuple[str, ...]) -> dict[str, tuple[int, Audio]]:
    """Sample rate in Hz and audio `(channels, samples)` of each file of these names that the folder holds."""
    from stems.files.audio import Reading, open_song

    files, found = _audio_files(folder), {}
    for name in names:
        spelled = ACCOMPANIMENTS if name == "accompaniment" else (name,)
        path = next((files[spelling] for spelling in spelled if spelling in files), None)
        if path is None:
            continue
        with open_song(path, Reading(any_channels=True)) as file:
            audio, form = file.read(0, file.samples), file.format
        found[name] = form.sample_rate, (np.round(audio * 32768) / np.float32(32768) if form.is_lossy else audio)
    return found


def _fitted(audio: Audio, channels: int, samples: int, folder: Path) -> Audio:
    if len(audio) not in (1, channels):
        raise AudioError(f"{folder} has a stem with {len(audio)} channels and one with {channels}; make them alike.")
    spread = np.broadcast_to(audio, (channels, audio.shape[1]))[:, :samples]
    return np.pad(spread, [(0, 0), (0, samples - spread.shape[1])])
