"""Songs and voices to train on, decoded once and kept as memory-mapped files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stems.card import STEMS
from stems.errors import AudioError, RecipeError
from stems.files.audio import Reading, open_song
from stems.files.destination import whole
from stems.files.formats import AUDIO_SUFFIXES
from stems.files.musdb_package import load_musdb
from stems.spectrum import REFERENCE_RATE

ACCOMPANIMENT = "accompaniment"
ALL_BUT_VOCALS = ("drums", "bass")  # what is merged with "other" where only vocals are known apart


@dataclass(frozen=True)
class Recording:
    """One decoded file: int16, (samples, channels), at 44.1 kHz, on disk."""

    path: Path
    cache: Path

    def samples(self) -> np.ndarray:
        """The whole recording as a memory map; decoded at the first call."""
        if not self.cache.exists():
            decode(self.path, self.cache)
        try:
            return _mapped(self.cache)
        except (ValueError, EOFError, OSError):  # damaged: what is decoded can be decoded again
            decode(self.path, self.cache)
            return _mapped(self.cache)

    def excerpt(self, start: int, count: int) -> np.ndarray:
        """Samples as float32 (2, count), with silence where the recording has none."""
        audio = self.samples()[max(start, 0) : start + count]
        out = np.zeros((2, count), np.float32)
        first = max(-start, 0)
        out[:, first : first + len(audio)] = audio.T * np.float32(1 / 32768)
        return out

    def __len__(self) -> int:
        return len(self.samples())


@dataclass(frozen=True)
class Track:
    """A song with stems.

    Attributes:
        stems: recordings by name; a stem that is not there is silent, unless it is named in `merged`.
        merged: stems that cannot be told from "other" in this song.
        estimated: its stems are what separators found, which only together are what was played.
    """

    name: str
    stems: dict[str, Recording]
    merged: tuple[str, ...] = ()
    estimated: bool = False

    def __len__(self) -> int:
        return max(len(recording) for recording in self.stems.values())

    @property
    def is_accompanied(self) -> bool:
        """Whether its "other" is all but the vocals."""
        return self.merged == ALL_BUT_VOCALS

    @property
    def is_whole(self) -> bool:
        """Whether its stems are to be heard as they were in the song, since each may have what another lacks."""
        return self.estimated or self.is_accompanied

    def has_alone(self, stem: str) -> bool:
        """Whether a stem of it may be heard among those of other songs."""
        return stem in self.stems and not self.estimated and not (stem == "other" and self.is_accompanied)


@lru_cache(maxsize=4096)
def _mapped(cache: Path) -> np.ndarray:
    """Reading the header of a file takes longer than an excerpt does, so maps are kept."""
    mapped: np.ndarray = np.load(cache, mmap_mode="r")
    if mapped.dtype != np.int16 or mapped.ndim != 2:
        raise ValueError(f"{cache} is no recording")
    return mapped


def decode(source: Path, cache: Path) -> None:
    """Decodes a file to `cache`, resampled to 44.1 kHz if it has another rate."""
    try:
        with open_song(source, Reading(downmix=True)) as song:
            audio, rate = song.read(0, song.samples).T, song.format.sample_rate
    except AudioError as error:
        raise RecipeError(f"{error} Training data must be whole: replace the file, or remove it.") from error
    save_recording(at_reference_rate(audio, rate), cache)


def at_reference_rate(audio: np.ndarray, rate: int) -> np.ndarray:
    """Audio (samples, channels) at 44.1 kHz."""
    from scipy.signal import resample_poly

    if rate == REFERENCE_RATE:
        return audio
    divisor = np.gcd(rate, REFERENCE_RATE)
    resampled: np.ndarray = resample_poly(audio, REFERENCE_RATE // divisor, rate // divisor, axis=0)
    return resampled


def save_recording(audio: np.ndarray, cache: Path) -> None:
    """Keeps float (samples, channels) as int16."""
    with whole(cache, RecipeError) as unfinished, open(unfinished, "wb") as file:
        np.save(file, np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16))


def recording(path: Path, cache: Path) -> Recording:
    """The recording of a file, cached under a name that changes when the file does."""
    stat = path.stat()
    key = hashlib.sha256(f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}".encode()).hexdigest()[:24]
    return Recording(path, cache / f"{key}.npy")


def audio_files(folder: Path) -> list[Path]:
    """Every audio file below a folder, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)


def find_tracks(folder: Path, cache: Path, names: Sequence[str] = STEMS) -> list[Track]:
    """Songs below a folder: every folder that holds a file named after a stem, or an `accompaniment`.

    A `song.json` beside the stems may say that a stem is part of "other" there
    (`"absent": ["bass"]` with a bass line in `other`'s energy below 150 Hz), or that the stems are estimates of
    separators (`"estimated": true`). An `accompaniment` is all but the vocals:
    where other stems are missing it stands for "other", and drums and bass are part of it.
    """
    tracks = []
    known = (*names, ACCOMPANIMENT) if "other" in names else tuple(names)
    for place in sorted({path.parent for path in audio_files(folder) if path.stem in known}):
        files = {path.stem: path for path in audio_files(place) if path.stem in known and path.parent == place}
        about = place / "song.json"
        song = json.loads(about.read_text()) if about.exists() else {}
        merged = _merged(song)
        if ACCOMPANIMENT in files and not set(names) <= set(files):
            files = {"other": files[ACCOMPANIMENT]} | {name: files[name] for name in ("vocals",) if name in files}
            merged = ALL_BUT_VOCALS
        stems = {name: recording(files[name], cache) for name in names if name in files}
        tracks.append(Track(str(place.relative_to(folder)), stems, merged, bool(song.get("estimated"))))
    if not tracks:
        raise RecipeError(
            f"{folder} holds no song with files named {', '.join(known)} (.wav, .flac or any other audio)."
        )
    return tracks


def _merged(song: dict[str, Any]) -> tuple[str, ...]:
    low = song.get("stems", {}).get("other", {}).get("energy_below_150_hz", 0.0)
    return ("bass",) if "bass" in song.get("absent", []) and low > 0.05 else ()


def find_recordings(folder: Path, cache: Path) -> list[Recording]:
    """Every audio file below a folder as a recording of its own."""
    found = [recording(path, cache) for path in audio_files(folder)]
    if not found:
        raise RecipeError(f"{folder} holds no audio files (.wav, .flac or any other).")
    return found


def musdb_tracks(root: Path, split: str, cache: Path) -> list[Track]:
    """Songs of MUSDB18 (`.stem.mp4`) or MUSDB18-HQ (wav folders), read through the musdb package.

    Args:
        split: "train" or "valid", of the training subset, as musdb divides it.

    Raises:
        RecipeError: if the folder has no training subset, or musdb or ffmpeg is not installed.
    """
    is_wav = not any(root.rglob("*.stem.mp4"))
    if not (root / "train").is_dir():
        raise RecipeError(
            f"{root} holds no MUSDB18: it should have a folder train with .stem.mp4 files or wav folders."
        )
    database = load_musdb(RecipeError).DB(root=str(root), is_wav=is_wav, subsets=["train"], split=split)
    tracks = []
    for song in database.tracks:
        stems = {}
        for name in STEMS:
            if is_wav:
                stems[name] = recording(Path(song.path).parent / f"{name}.wav", cache)
                continue
            entry = recording(Path(song.path), cache)
            stems[name] = Recording(entry.path, entry.cache.with_suffix(f".{name}.npy"))
            if not stems[name].cache.exists():
                save_recording(song.targets[name].audio, stems[name].cache)
        tracks.append(Track(song.name, stems))
    return tracks


Drawn = TypeVar("Drawn")


def draw(rng: np.random.Generator, pools: Sequence[tuple[float, Sequence[Drawn]]]) -> Drawn:
    """One thing from weighted pools."""
    weights = np.array([weight for weight, _ in pools])
    pool = pools[int(rng.choice(len(pools), p=weights / weights.sum()))][1]
    return pool[int(rng.integers(len(pool)))]
