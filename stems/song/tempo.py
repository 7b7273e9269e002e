"""Tempo and key of a song as estimates, which a listener may know better; librosa, the extra `tempo`, listens."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stems.files.formats import AudioFormat
from stems.song.level import Readable

RATE = 22_050  # Hz, at which songs are listened to
LONGEST_SECONDS = 240  # that are listened to, from the beginning
HOP = 256  # samples between two looks for a beat, 12 ms
WINDOW = 1024  # samples, for attacks
CHROMA_WINDOW, CHROMA_HOP = 8192, 4096  # samples; semitones are told apart from 110 Hz on
AT_ONCE = 2**18  # samples, a multiple of the hops
QUIETEST = 1e-4  # RMS below which a song counts as silent, -80 dB
LEAST_ATTACK_DB = 0.5  # standard deviation below which nothing begins anywhere
LEAST_PULSE = 0.1  # of 1, how alike the attacks of a song are to those a beat later where there are beats
STRAYING = 0.03  # of a first guess of the tempo
FEWEST_BEATS = 4
LONGEST_PERIOD = 8.0  # seconds, of what comes again
STEPS = 2001  # between which the tempo is sought
LEAST_KEY = 0.5  # correlation with the profile of the best key, where there is one; noise and drums stay below

NOTES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
"""How well each semitone above the tonic fits into a key, as listeners rated it (Krumhansl and Kessler, 1982)."""

Signal = NDArray[np.floating]


class ReadableFile(Readable, Protocol):
    """Audio that is read in blocks and tells its rate, as `stems.files.audio.Song` does."""

    @property
    def format(self) -> AudioFormat:
        """Its format."""


@dataclass(frozen=True)
class Estimate:
    """What a song seems to be in.

    Attributes:
        tempo_bpm: beats per minute; may be half or twice of what others count. None where no beat was found.
        first_beat: where the first beat of the grid lies, seconds, less than a beat from the beginning.
        key: such as "A minor"; None where none was found.
    """

    tempo_bpm: float | None = None
    first_beat: float | None = None
    key: str | None = None

    @classmethod
    def of(cls, data: Any) -> Estimate:
        """From plain data, as `vars` gives it; nothing where that is something else."""
        return cls(**data) if isinstance(data, dict) and data.keys() == vars(cls()).keys() else cls()

    def as_json(self) -> dict[str, Any]:
        """Plain data, with null for what was not found."""
        return {"tempo_bpm": self.tempo_bpm, "key": self.key}

    @property
    def sentence(self) -> str:
        """What a listener is told of it."""
        key = f"key {self.key}" if self.key else "no key"
        if self.tempo_bpm is None:
            return f"Estimated: no beat was found, so that projects keep what the song's tags say, and {key}."
        return f"Estimated: {self.tempo_bpm:g} bpm, {key}."


def is_installed() -> bool:
    """Whether what estimates is there."""
    return find_spec("librosa") is not None


def estimate(*parts: ReadableFile) -> Estimate:
    """The tempo and key of a song of steady tempo, by its first minutes.

    It takes some 100 MB, however long the song is.

    Args:
        parts: the song, or stems that add up to it, whose lengths, rates and channels may differ.

    Raises:
        AudioError: a file is damaged.
    """
    audio = np.zeros(0, np.float32)
    for part in parts:
        audio = _sum(audio, _mono(part))
    if not len(audio) or np.sqrt(np.square(audio).mean()) < QUIETEST:
        return Estimate()
    tempo_bpm, first_beat = _beats(_attacks(audio))
    return Estimate(tempo_bpm, first_beat, _key(audio))


def _mono(song: ReadableFile) -> Signal:
    """The first minutes of a song as one channel at `RATE`, (samples,)."""
    import soxr

    rate, count = song.format.sample_rate, min(song.samples, LONGEST_SECONDS * song.format.sample_rate)
    resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="MQ")
    found = [np.zeros(0, np.float32)]
    for start in range(0, count, AT_ONCE):
        block = song.read(start, min(AT_ONCE, count - start)).mean(0)
        found.append(resampler.resample_chunk(block, last=start + AT_ONCE >= count))
    mono: Signal = np.concatenate(found)
    return mono


def _sum(one: Signal, other: Signal) -> Signal:
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    total: Signal = longer.copy()
    total[: len(shorter)] += shorter
    return total


def _attacks(audio: Signal) -> Signal:
    """How much louder bands become with each hop, in dB on average, (hops,)."""
    import librosa

    padded = np.pad(audio, WINDOW // 2)
    parts = [
        librosa.feature.melspectrogram(
            y=padded[start : start + AT_ONCE + WINDOW - HOP], sr=RATE, n_fft=WINDOW, hop_length=HOP, center=False
        )
        for start in range(0, len(padded) - WINDOW + 1, AT_ONCE)
    ]
    levels = librosa.power_to_db(np.concatenate(parts, 1), ref=np.max)
    return np.asarray(librosa.onset.onset_strength(S=levels, sr=RATE, hop_length=HOP, center=False))


def _beats(attacks: Signal) -> tuple[float | None, float | None]:
    """Beats per minute and the second of the first beat, of how strong the attack of each hop is, (hops,)."""
    import librosa

    longest = min(round(LONGEST_PERIOD * RATE / HOP), len(attacks))
    likeness = librosa.autocorrelate(attacks - attacks.mean(), max_size=longest)
    if attacks.std() < LEAST_ATTACK_DB or len(likeness) < 3:
        return None, None
    likeness = np.maximum(likeness / likeness[0], 0)
    (tempo_bpm,) = librosa.feature.tempo(tg=likeness[:, None], sr=RATE, hop_length=HOP)
    period, first = _grid(attacks, 60 * RATE / HOP / tempo_bpm)
    nearest = round(period)
    if len(attacks) < FEWEST_BEATS * period or likeness[nearest - 1 : nearest + 2].max(initial=0.0) < LEAST_PULSE:
        return None, None
    heard_ahead = WINDOW / HOP / 2 - 0.5  # hops by which a window, or a difference of two, tells of an attack too early
    return round(60 * RATE / HOP / period, 2), round((first + heard_ahead) % period * HOP / RATE, 4)


def _grid(attacks: Signal, period: float) -> tuple[float, float]:
    """Distance of evenly spaced beats and where one of them lies, of a distance that is right to some percent; hops.

    What comes again in the same distance throughout a song stands out in its spectrum, more sharply the longer it is.
    """
    from scipy.signal import zoom_fft

    distances = 1 / np.linspace((1 - STRAYING) / period, (1 + STRAYING) / period, STEPS)
    strength = np.zeros(STEPS)
    for part in (1, 2, 4):  # beats, and what lies evenly between them
        strength += np.abs(zoom_fft(attacks, [part / distances[0], part / distances[-1]], STEPS, fs=1, endpoint=True))
    period = float(distances[strength.argmax()])
    starts = np.arange(0, period, 0.1)
    beats = np.arange(int(len(attacks) / period - 1)) * period
    sums = [np.interp(start + beats, np.arange(len(attacks)), attacks).sum() for start in starts]
    return period, float(starts[np.argmax(sums)])


def _key(audio: Signal) -> str | None:
    """The key whose profile is most like how much of each semitone sounds (Krumhansl and Schmuckler, 1990)."""
    import librosa

    sounding = np.zeros(12)
    for start in range(0, len(audio), AT_ONCE):
        part = audio[start : start + AT_ONCE]
        if len(part) < CHROMA_WINDOW or np.sqrt(np.square(part).mean()) < QUIETEST:
            continue
        spectra = np.abs(librosa.stft(part, n_fft=CHROMA_WINDOW, hop_length=CHROMA_HOP)) ** 2
        with warnings.catch_warnings():  # that drums have none
            warnings.simplefilter("ignore")
            tuning = librosa.estimate_tuning(S=spectra, sr=RATE, n_fft=CHROMA_WINDOW)
        sounding += librosa.feature.chroma_stft(S=spectra, sr=RATE, n_fft=CHROMA_WINDOW, tuning=tuning).sum(1)
    if not np.ptp(sounding) > 0:
        return None
    likeness = {
        f"{NOTES[tonic]} {mode}": float(np.corrcoef(np.roll(profile, tonic), sounding)[0, 1])
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    best = max(likeness, key=lambda key: likeness[key])
    return best if likeness[best] >= LEAST_KEY else None
