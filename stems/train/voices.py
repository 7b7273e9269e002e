"""Mixes of two voices, which no name tells apart: the task of Hershey et al. (2015, arXiv 1508.04306)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stems.errors import RecipeError
from stems.train import augment
from stems.train.material import Recording, draw, find_recordings
from stems.train.mixes import Mix
from stems.train.recipe import VOICES, Recipe

LARGEST_DIFFERENCE_DB = 5.0  # between the levels of the voices
LOOKS = 3  # at a recording, for an excerpt in which the voice sounds
BLOCK = 2205  # samples

Singer = tuple[str, list[Recording]]


class Duets:
    """Draws excerpts of two singers of a recipe and mixes them as they are, in mono."""

    def __init__(self, recipe: Recipe, folder: Path, cache: Path) -> None:
        self.recipe = recipe
        self.singers = [(weight, find_singers(folder / name, cache)) for name, weight in recipe.data.singers.items()]
        if len({name for _, singers in self.singers for name, _ in singers}) < len(VOICES):
            raise RecipeError(f"The recipe {recipe.name!r} has a single singer: [data.singers] needs folders of two.")
        grid = recipe.bands.grid(44100)
        self.samples = recipe.samples(grid)

    def __call__(self, number: int) -> Mix:
        """Mix number `number` of the recipe's seed."""
        rng = np.random.default_rng([self.recipe.seed, number])
        first = draw(rng, self.singers)
        second = draw(rng, self.singers)
        while second[0] == first[0]:
            second = draw(rng, self.singers)
        lines = np.stack([self._line(rng, recordings) for _, recordings in (first, second)])
        lines[1] *= 10 ** (-rng.uniform(0, LARGEST_DIFFERENCE_DB) / 20)
        parts = np.repeat(lines[:, None], 2, 1)
        level = augment.loudness(parts.sum(0))
        if level > 1e-4:
            parts *= np.float32(self.recipe.data.loudness / level * 10 ** (rng.normal(0, 3) / 20))
        return Mix(parts.sum(0), parts, np.eye(len(VOICES), dtype=np.float32))

    def _line(self, rng: np.random.Generator, recordings: list[Recording]) -> np.ndarray:
        """What one voice sings, (samples,), of even loudness."""
        recording = recordings[rng.integers(len(recordings))]
        of = self.recipe.augmentation.speed
        speed = augment.pick_speed(rng, of.changed, of.factor)
        count = -(-self.samples * speed[1] // speed[0])
        starts = rng.integers(max(1, len(recording) - count), size=LOOKS)
        audio = max((recording.excerpt(int(start), count) for start in starts), key=activity).mean(0, keepdims=True)
        audio = augment.change_speed(audio, speed)[:, : self.samples]
        even: np.ndarray = audio[0] * np.float32(self.recipe.data.loudness / max(augment.loudness(audio), 1e-4))
        return even


def activity(audio: np.ndarray) -> float:
    """Share of (channels, samples) that sounds, above -45 dBFS."""
    blocks = audio[:, : audio.shape[1] // BLOCK * BLOCK].reshape(audio.shape[0], -1, BLOCK)
    return float((np.square(blocks).mean((0, 2)) > 10**-4.5).mean())


def find_singers(folder: Path, cache: Path) -> list[Singer]:
    """Every folder below `folder`, as a singer: its name and the recordings in it."""
    places = sorted(place for place in folder.glob("*") if place.is_dir())
    if not places:
        raise RecipeError(f"{folder} holds no singers: each should be a folder of recordings.")
    return [(place.name, find_recordings(place, cache)) for place in places]
