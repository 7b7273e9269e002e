"""How well a model separates songs that it was not trained on, quickly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stems.errors import RecipeError
from stems.model import Model
from stems.train.augment import loudness
from stems.train.cells import Cells, cells_of
from stems.train.material import Track, find_tracks, musdb_tracks
from stems.train.mixes import Mix
from stems.train.objective import audible, embed, followed, framewise_sdr, in_best_order, points
from stems.train.recipe import Recipe

SECONDS = 20.0  # of an excerpt
EXCERPTS = 16  # in a folder, at the most


class Validation:
    """Excerpts of the recipe's validation songs, analysed once; call it with a model for its scores.

    A recipe that trains on MUSDB18 is validated on the songs that musdb keeps for that.

    Raises:
        RecipeError: if a folder holds no songs, or a song has stems that are not apart.
    """

    def __init__(self, recipe: Recipe, folder: Path, cache: Path, musdb_root: Path | None = None) -> None:
        self.grid = recipe.bands.grid(44100)
        self.stems = recipe.design.stems
        self.online = recipe.objective.online
        self.songs: dict[str, list[list[Cells]]] = {}
        found = {name: find_tracks(folder / name, cache, self.stems) for name in recipe.data.validation}
        if recipe.data.musdb and musdb_root is not None and (tracks := musdb_tracks(musdb_root, "valid", cache)):
            found["musdb"] = tracks
        for name, tracks in found.items():
            for track in tracks:
                if track.merged:
                    raise RecipeError(
                        f"{name}/{track.name} has no {' and no '.join(track.merged)} of its own: "
                        "name folders of songs with all stems in the recipe's [data] validation."
                    )
            tracks = tracks[:EXCERPTS]
            self.songs[name] = [
                [
                    cells_of(mix, recipe.bands, self.grid, recipe.cold_loudness)
                    for mix in _excerpts(track, self.stems, max(1, EXCERPTS // len(tracks)), recipe.data.loudness)
                ]
                for track in tracks
            ]

    @torch.no_grad()
    def __call__(self, model: Model, iterations: int | None = None) -> dict[str, dict[str, float]]:
        """Signal-to-distortion ratio in dB, median over a song's seconds, mean over songs, by folder and stem."""
        device = next(model.parameters()).device
        scores = {}
        for name, songs in self.songs.items():
            medians = []
            for song in songs:
                ratios = [self._ratios(model, cells.to(device), iterations) for cells in song]
                medians.append(torch.cat(ratios, -1).nanmedian(-1).values)
            means = torch.stack(medians).nanmean(0).tolist()
            scores[name] = {stem: round(value, 3) for stem, value in zip(self.stems, means, strict=True)}
        return scores

    def _ratios(self, model: Model, cells: Cells, iterations: int | None) -> Tensor:
        embeddings = embed(model, cells)
        if self.online and iterations is None:
            return framewise_sdr(followed(model, embeddings, cells), cells, 1 / self.grid.frame_seconds)[0]
        power = points(cells.power)
        weights = model.weigh(power) * audible(power)
        shares = model.shares(embeddings, model.centroids(embeddings, weights, iterations=iterations))
        if not model.design.clustering.anchored:
            shares = in_best_order(shares, cells)
        return framewise_sdr(shares, cells, 1 / self.grid.frame_seconds)[0]


def _excerpts(track: Track, stems: tuple[str, ...], most: int, known: float) -> list[Mix]:
    """Evenly spread excerpts of a track, all brought to the root mean square `known`."""
    count = min(int(SECONDS * 44100), len(track))
    number = min(most, max(1, len(track) // count))
    mixes = []
    for place in range(number):
        start = (len(track) - count) * (2 * place + 1) // (2 * number)
        parts = np.zeros((len(stems), 2, count), np.float32)
        for index, stem in enumerate(stems):
            if stem in track.stems:
                parts[index] = track.stems[stem].excerpt(start, count)
        level = loudness(parts.sum(0))
        if level > 1e-4:
            parts *= np.float32(known / level)
            mixes.append(Mix(parts.sum(0), parts, np.eye(len(stems), dtype=np.float32)))
    return mixes
