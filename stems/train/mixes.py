"""Mixes to learn from, each made from its number alone, so that a run can be resumed exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stems.card import STEMS
from stems.errors import RecipeError
from stems.train import augment, tone
from stems.train.material import ALL_BUT_VOCALS, Recording, Track, draw, find_recordings, find_tracks, musdb_tracks
from stems.train.recipe import Recipe

DRUMS, BASS, VOCALS, OTHER = range(4)


@dataclass
class Mix:
    """An excerpt of a mixture and what it is made of.

    Attributes:
        mixture: (2, samples).
        parts: (stems, 2, samples); where stems cannot be told apart, their sum stands at the first of them.
        groups: (stems, stems) of 0 and 1: `groups[p, s]` tells that stem `s` is in part `p`.
        top_hz: nothing is to be heard above it, as in songs from low bit rates or sample rates.
        reference: (2, samples), produced music towards whose long-term spectrum the mix is equalized.
        match: how far towards it, from 0 to 1.
    """

    mixture: np.ndarray
    parts: np.ndarray
    groups: np.ndarray
    top_hz: float | None = None
    reference: np.ndarray | None = None
    match: float = 0.0


class Mixer:
    """Draws excerpts from the material of a recipe and mixes them."""

    def __init__(self, recipe: Recipe, folder: Path, cache: Path, musdb_root: Path | None = None) -> None:
        data = recipe.data
        self.recipe, self.how = recipe, recipe.augmentation
        self.songs = [(weight, find_tracks(folder / name, cache)) for name, weight in data.songs.items()]
        if data.musdb:
            if musdb_root is None:
                raise RecipeError(f"The recipe {recipe.name!r} trains on MUSDB18: give its folder with --musdb PATH.")
            songs = musdb_tracks(musdb_root, "train", cache)
            if not songs:
                raise RecipeError(f"{musdb_root} holds no songs of MUSDB18's training subset.")
            self.songs.append((data.musdb, songs))
        if not self.songs:
            raise RecipeError(f"The recipe {recipe.name!r} names no songs: fill [data.songs].")
        self.voices = [(weight, find_recordings(folder / name, cache)) for name, weight in data.voices.items()]
        self.instrumentals = [
            (weight, find_recordings(folder / name, cache)) for name, weight in data.instrumentals.items()
        ]
        self.records = [(weight, find_recordings(folder / name, cache)) for name, weight in data.records.items()]
        if data.toned and not self.records:
            raise RecipeError(f"The recipe {recipe.name!r} tones voices but names no records: fill [data.records].")
        if data.matched and not self.instrumentals:
            raise RecipeError(f"The recipe {recipe.name!r} matches spectra of no music: fill [data.instrumentals].")
        grid = recipe.bands.grid(44100)
        self.samples = recipe.samples(grid)
        self.having = {
            stem: [
                (weight, found)
                for weight, tracks in self.songs
                if (found := [track for track in tracks if track.has_alone(stem)])
            ]
            for stem in STEMS
        }

    def __call__(self, number: int) -> Mix:
        """Mix number `number` of the recipe's seed."""
        rng = np.random.default_rng([self.recipe.seed, number])
        data = self.recipe.data
        parts = np.zeros((4, 2, self.samples), np.float32)
        groups = np.eye(4, dtype=np.float32)
        merged: tuple[str, ...] = ALL_BUT_VOCALS
        is_whole = True
        if rng.random() < data.instrumental and self.instrumentals and self.voices:
            parts[OTHER] = augment.instrument(rng, self._excerpt(rng, draw(rng, self.instrumentals)), self.how)
        elif rng.random() < data.coherent:
            track = draw(rng, self.songs)
            parts, merged, is_whole = self._coherent(rng, track), track.merged, track.is_whole
        else:
            (parts, merged), is_whole = self._incoherent(rng), False
        if not is_whole:
            self._vary(rng, parts)
        if merged:
            together = [index for index, name in enumerate(STEMS) if name in (*merged, "other")]
            parts, groups = merge(parts, together), merge(groups, together)
        # Another separator left some of a song's own voice in the rest, which must not be heard alone.
        kept = is_whole and parts[VOCALS].any()
        if rng.random() >= data.sung and not kept:
            parts[VOCALS] = 0
        elif not parts[VOCALS].any() and self.voices:
            parts[VOCALS] = self._voice(rng, parts.sum(0))
        if rng.random() < self.how.mixing.silenced and not is_whole:
            parts[rng.integers(4)] = 0
        return self._finish(rng, parts, groups)

    def _coherent(self, rng: np.random.Generator, track: Track) -> np.ndarray:
        speed = augment.pick_speed(rng, self.how.speed.changed, self.how.speed.factor)
        count = -(-self.samples * speed[1] // speed[0])
        start = int(rng.integers(max(1, len(track) - count)))
        parts = np.zeros((4, 2, self.samples), np.float32)
        seed = int(rng.integers(2**32)) if track.is_whole else None
        for index, name in enumerate(STEMS):
            if name in track.stems:
                audio = augment.change_speed(track.stems[name].excerpt(start, count), speed)[:, : self.samples]
                if seed is None:
                    parts[index] = augment.instrument(rng, audio, self.how)
                else:  # the same for all, so that they still sum to the song: each has what others lack
                    parts[index] = augment.instrument(np.random.default_rng(seed), audio, self.how, together=True)
        return parts

    def _incoherent(self, rng: np.random.Generator) -> tuple[np.ndarray, tuple[str, ...]]:
        of, parts = self.how.mixing, np.zeros((4, 2, self.samples), np.float32)
        merged: tuple[str, ...] = ()
        for index, name in enumerate(STEMS):
            if not self.having[name] or rng.random() < of.left_out:
                continue
            if index == VOCALS and self.voices and rng.random() < of.voice_apart:
                continue  # a single voice is laid over it later
            track = draw(rng, self.having[name])
            parts[index] = augment.instrument(rng, self._excerpt(rng, track.stems[name]), self.how)
            if index == OTHER:
                merged = track.merged
            if not merged and happens(rng, self.recipe.data.layered):
                other = draw(rng, self.having[name])
                if not other.merged:
                    second = augment.instrument(rng, self._excerpt(rng, other.stems[name]), self.how)
                    parts[index] += augment.at_level(second, rng.uniform(*of.layer_db))
        if rng.random() < of.evened:  # equal loudness, since songs of different makers are of different level
            for part in parts:
                level = augment.loudness(part)
                if level > 1e-3:
                    part *= np.float32(self.recipe.data.loudness / level * 10 ** (rng.uniform(*of.uneven_db) / 20))
        return parts, merged

    def _vary(self, rng: np.random.Generator, parts: np.ndarray) -> None:
        """Adds kicks, makes basses brighter, plays basses and others through driven amplifiers, in place."""
        data = self.recipe.data
        if happens(rng, data.kicks):
            beyond_kicks_db = 20 + 20 * np.log10(max(augment.loudness(parts.sum(0)), 1e-3))
            level_db = beyond_kicks_db + rng.uniform(*self.how.kick.level_db)
            parts[DRUMS] += augment.at_level(augment.kicks(rng, self.samples, self.how), level_db)
        if happens(rng, data.bright):
            parts[BASS] = augment.bright(rng, parts[BASS], self.how)
        for stem in (BASS, OTHER):
            if happens(rng, data.driven):
                parts[stem] = augment.driven(rng, parts[stem], self.how)

    def _voice(self, rng: np.random.Generator, backing: np.ndarray) -> np.ndarray:
        """A voice, or two or a choir, produced, at a level that suits what is sung over."""
        of, data = self.how.voice, self.recipe.data
        out = self._line(rng)
        if rng.random() < of.partly:  # it starts or ends within the excerpt
            edge = int(rng.uniform(*of.edge) * self.samples)
            out[:, edge:] = 0 if rng.random() < 0.5 else out[:, edge:]
            out[:, : edge // 2] *= np.float32(rng.random() < 0.5)
        out = augment.voice(rng, out, self.how)
        if happens(rng, data.toned):
            out = tone.toned(out, self._excerpt(rng, draw(rng, self.records), 0.0), rng.uniform(*of.toned))
        level, backing_level = augment.loudness(out), augment.loudness(backing)
        if level > 1e-4 and backing_level > 1e-4:
            out = out * np.float32(backing_level / level * 10 ** (rng.normal(*of.level_db) / 20))
        return out if rng.random() < 0.5 else out[::-1]

    def _line(self, rng: np.random.Generator) -> np.ndarray:
        """What one, two or a choir sing, dry."""
        of, data = self.how.voice, self.recipe.data
        out = np.zeros((2, self.samples), np.float32)
        for number in range(1 if rng.random() < 1 - of.second else 2):
            audio = self._excerpt(rng, draw(rng, self.voices), data.voices_changed)
            level = augment.loudness(audio)
            if level > 1e-4:
                below_db = rng.uniform(*of.second_below_db) * number
                audio = audio * np.float32(data.loudness / level * 10 ** (-below_db / 20))
                if happens(rng, data.choirs):
                    audio = augment.choir(rng, audio, self.how)
            out += audio
        return out

    def _excerpt(self, rng: np.random.Generator, recording: Recording, changed: float | None = None) -> np.ndarray:
        """A random excerpt that sounds, at another speed with the probability `changed`, or the recipe's."""
        of = self.how.speed
        speed = augment.pick_speed(rng, of.changed if changed is None else changed, of.factor)
        count = -(-self.samples * speed[1] // speed[0])
        for _ in range(4):
            start = int(rng.integers(min(0, len(recording) - count), max(1, len(recording) - count)))
            audio = recording.excerpt(start, count)
            if augment.loudness(audio) > 3e-3:
                break
        return augment.change_speed(audio, speed)[:, : self.samples]

    def _finish(self, rng: np.random.Generator, parts: np.ndarray, groups: np.ndarray) -> Mix:
        of, level = self.how.mixing, augment.loudness(parts.sum(0))
        if level > 1e-4:
            parts = parts * np.float32(self.recipe.data.loudness / level * 10 ** (rng.normal(0, of.level_db) / 20))
        parts = augment.glued(rng, augment.narrower(rng, parts, self.how), self.how)
        top_hz = float(rng.uniform(*of.top_hz)) if rng.random() < of.dull else None
        reference, match = None, 0.0
        if happens(rng, self.recipe.data.matched):
            reference, match = self._excerpt(rng, draw(rng, self.instrumentals), 0.0), float(rng.uniform(*of.matched))
        return Mix(augment.master(rng, parts.sum(0), self.how), parts, groups, top_hz, reference, match)


def happens(rng: np.random.Generator, share: float) -> bool:
    """Whether what a share of mixes gets is drawn; a share of 0 draws nothing, so that other draws stay as they are."""
    return share > 0 and rng.random() < share


def merge(rows: np.ndarray, stems: Sequence[int]) -> np.ndarray:
    """Parts, or groups, in which some stems are one part: rows of theirs are summed at the first of them."""
    rows = rows.copy()
    rows[stems[0]] = rows[list(stems)].sum(0)
    rows[list(stems[1:])] = 0
    return rows
