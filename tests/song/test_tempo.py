"""Tempo and key: of clicks and chords that are known, and of what has neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("librosa")

from stems.files.audio import open_song
from stems.song import tempo
from stems.song.tempo import Estimate, estimate

SONG = Path(__file__).parents[2] / "examples" / "song.ogg"
FIRST = 0.3  # second of the first click
CHORDS = {  # semitones above C of the roots, with the thirds, of four chords that stay within a key
    "C major": [(0, 4), (5, 4), (7, 4), (0, 4)],
    "A minor": [(9, 3), (2, 3), (4, 3), (9, 3)],
    "F# minor": [(6, 3), (11, 3), (1, 3), (6, 3)],
    "Eb major": [(3, 4), (8, 4), (10, 4), (3, 4)],
}


def estimate_of(audio: np.ndarray, rate: int, folder: Path) -> Estimate:
    soundfile.write(folder / "song.wav", audio, rate)
    with open_song(folder / "song.wav") as song:
        return estimate(song)


def clicks(bpm: float, rate: int, seconds: float = 20.0) -> np.ndarray:
    audio, size = np.zeros(round(seconds * rate)), round(0.03 * rate)
    click = 0.5 * np.exp(-np.arange(size) / (0.005 * rate)) * np.random.default_rng(0).uniform(-1, 1, size)
    for second in np.arange(FIRST, seconds - 0.1, 60 / bpm):
        audio[round(second * rate) :][:size] += click
    return audio


def chord(root: int, third: int, rate: int, seconds: float = 1.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    notes = [root, root + third, root + 7]
    tones = [np.sin(2 * np.pi * 261.63 * 2 ** (note / 12) * k * time) / k for note in notes for k in (1, 2, 3)]
    return 0.05 * np.sum(tones, 0) * np.exp(-time)


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("bpm", [60, 75, 90, 100, 120, 133.3, 150, 174, 180])
def test_clicks_have_the_tempo_or_an_octave_of_it_and_their_first_beat(bpm: float, rate: int, tmp_path: Path) -> None:
    found = estimate_of(clicks(bpm, rate), rate, tmp_path)
    assert found.tempo_bpm is not None and found.first_beat is not None
    octave = found.tempo_bpm / bpm
    assert min(abs(octave / whole - 1) for whole in (0.5, 1, 2)) < 0.002
    beats = (FIRST - found.first_beat) / (60 / bpm)  # from the first of the grid to the first click
    assert abs(beats - round(2 * beats) / 2) * 60 / bpm < 0.015
    assert 0 <= found.first_beat < 60 / found.tempo_bpm


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("key", CHORDS)
def test_chords_have_their_key(key: str, rate: int, tmp_path: Path) -> None:
    audio = np.concatenate([chord(*each, rate) for each in CHORDS[key] * 4])
    assert estimate_of(np.stack([audio, audio], 1), rate, tmp_path).key == key


def test_a_real_song_has_the_tempo_that_it_was_made_at() -> None:
    with open_song(SONG) as song:
        found = estimate(song)
    assert found.tempo_bpm == pytest.approx(108, abs=0.1)
    assert found.key is not None


def test_stems_give_what_their_song_gives(tmp_path: Path) -> None:
    audio, rate = soundfile.read(SONG)
    soundfile.write(tmp_path / "short.wav", audio[: 5 * rate, :1], rate, subtype="FLOAT")
    rest = audio.mean(1)
    rest[: 5 * rate] -= audio[: 5 * rate, 0]
    soundfile.write(tmp_path / "rest.wav", rest, rate, subtype="FLOAT")
    with open_song(SONG) as song, open_song(tmp_path / "short.wav") as one, open_song(tmp_path / "rest.wav") as other:
        assert estimate(one, other) == estimate(song)


def test_what_has_no_beat_gives_none(tmp_path: Path) -> None:
    rate = 22_050
    noise, time = np.random.default_rng(0).uniform(-0.3, 0.3, 20 * rate), np.arange(20 * rate) / rate
    assert estimate_of(np.zeros((5 * rate, 2)), rate, tmp_path) == Estimate(None, None, None)
    assert estimate_of(noise, rate, tmp_path) == Estimate(None, None, None)
    assert estimate_of(0.3 * np.sin(2 * np.pi * 440 * time), rate, tmp_path).tempo_bpm is None
    for samples in (1, 100, 3_000):
        assert estimate_of(noise[:samples], rate, tmp_path) == Estimate(None, None, None)


def test_a_long_song_is_read_no_further_than_its_first_minutes() -> None:
    class Endless:
        samples = 10**9

        def __init__(self) -> None:
            with open_song(SONG) as song:
                self.format, self.audio = song.format, song.read(0, song.samples)
            self.furthest, self.most = 0, 0

        def read(self, start: int, count: int) -> np.ndarray:
            self.furthest, self.most = start + count, max(self.most, count)
            return np.take(self.audio, np.arange(start, start + count), 1, mode="wrap")

    song = Endless()
    estimate(song)
    assert song.furthest == tempo.LONGEST_SECONDS * song.format.sample_rate
    assert song.most <= 2**18
