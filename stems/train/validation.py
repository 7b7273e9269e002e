"""How well a model separates songs that it was not trained on, quickly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from stems.model import STEMS, Model
from stems.spectrum import Grid
from stems.train.augment import loudness
from stems.train.cells import Cells, cells_of
from stems.train.material import Track, find_tracks
from stems.train.mixes import Mix
from stems.train.objective import audible, framewise_sdr, points
from stems.train.recipe import Recipe

SECONDS = 20.0  # of an excerpt
EXCERPTS = 16  # in a folder, at the most


class Validation:
    """Excerpts of the recipe's validation songs, analysed once; call it with a model for its scores."""

    def __init__(self, recipe: Recipe, folder: Path, cache: Path) -> None:
        self.grid = Grid(44100, recipe.bands.reference_window)
        self.groups: dict[str, list[Cells]] = {}
        for name in recipe.data.validation:
            mixes = _excerpts(find_tracks(folder / name, cache))
            self.groups[name] = [cells_of(mix, recipe.bands, self.grid) for mix in mixes]

    @torch.no_grad()
    def __call__(self, model: Model, iterations: int | None = None) -> dict[str, dict[str, float]]:
        """Median over seconds, then excerpts, of the signal-to-distortion ratio in dB, by folder and stem."""
        device = next(model.parameters()).device
        scores = {}
        for name, excerpts in self.groups.items():
            ratios = []
            for cells in (excerpt.to(device) for excerpt in excerpts):
                embeddings = model.network(cells.levels).flatten(1, 2)
                weights = model.weigh(points(cells.power)) * audible(cells)
                shares = model.shares(embeddings, model.centroids(embeddings, weights, iterations=iterations))
                seconds = framewise_sdr(shares, cells, 1 / self.grid.frame_seconds)
                ratios.append(seconds[0].nanmedian(-1).values)
            medians = torch.stack(ratios).nanmedian(0).values.tolist()
            scores[name] = {stem: round(value, 3) for stem, value in zip(STEMS, medians, strict=True)}
        return scores


def _excerpts(tracks: list[Track]) -> list[Mix]:
    """Evenly spread excerpts of every track."""
    each = max(1, EXCERPTS // len(tracks))
    count = int(SECONDS * 44100)
    mixes = []
    for track in tracks[:EXCERPTS]:
        room = max(len(track) - count, 0)
        for number in range(min(each, max(1, len(track) // count))):
            start = room * (2 * number + 1) // (2 * each)
            parts = np.zeros((len(STEMS), 2, count), np.float32)
            for index, stem in enumerate(STEMS):
                if stem in track.stems:
                    parts[index] = track.stems[stem].excerpt(start, count)
            level = loudness(parts.sum(0))
            if level > 1e-4:
                parts *= np.float32(0.1 / level)
                mixes.append(Mix(parts.sum(0), parts, np.eye(len(STEMS), dtype=np.float32)))
    return mixes
