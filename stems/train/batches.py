"""Mixes as batches of cells: which look at which mix comes at which step."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from stems.train.cells import Cells, cells_of
from stems.train.mixes import Mixer
from stems.train.voices import Duets

SHUFFLED = 32  # mixes whose looks are shuffled


class NumberedMixes(Dataset[Cells]):
    """The cells of excerpt 0, 1, 2 and so on, each a look at some frames of a mix.

    Making a mix takes longer than learning from it, so each is looked at `uses` times, at other frames and through
    another equalizer. The looks at `SHUFFLED` mixes are shuffled among each other.
    """

    def __init__(self, mixer: Mixer | Duets) -> None:
        self.mixer = mixer
        self.data = mixer.recipe.data
        self.bands = mixer.recipe.bands
        self.grid = self.bands.grid(44100)
        self._made: dict[int, Cells] = {}

    def __getitem__(self, number: int) -> Cells:
        data, seed = self.data, self.mixer.recipe.seed
        block, place = divmod(number, SHUFFLED * data.uses)
        order = np.random.default_rng([seed, block, 2]).permutation(SHUFFLED * data.uses)
        cells = self._cells(block * SHUFFLED + int(order[place]) % SHUFFLED)
        rng = np.random.default_rng([seed, number, 1])
        frames = np.sort(rng.choice(data.frames, min(data.scored_frames, data.frames), replace=False))
        knots = rng.normal(0, data.equalizer_db, 6)
        curve = np.interp(np.linspace(0, 5, self.bands.count), np.arange(6), knots)
        return cells.at(frames).equalized(curve)

    def _cells(self, mix: int) -> Cells:
        if mix not in self._made:
            for old in [old for old in self._made if old // SHUFFLED != mix // SHUFFLED]:
                del self._made[old]
            self._made[mix] = cells_of(self.mixer(mix), self.bands, self.grid, self.mixer.recipe.cold_loudness)
        return self._made[mix]


def batches_from(step: int, mixer: Mixer | Duets, rank: int, ranks: int, workers: int) -> Generator[Cells, None, None]:
    """The batches of a recipe from a step on, those of one process of several. To close it ends the workers.

    Args:
        step: of the optimiser; the same step has the same batch in every session.
        mixer: makes the mixes.
        rank: number of this process.
        ranks: how many processes share the work.
        workers: processes that make mixes ahead; 0 makes them here.
    """
    schedule = mixer.recipe.schedule
    per_step = schedule.batch * ranks
    first = step * per_step + rank * schedule.batch
    numbers = [
        [first + later * per_step + place for place in range(schedule.batch)] for later in range(schedule.steps - step)
    ]
    yield from DataLoader(
        NumberedMixes(mixer),
        batch_sampler=numbers,
        collate_fn=Cells.stack,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_begin_worker,
    )


def _begin_worker(_: int) -> None:
    torch.set_num_threads(1)
    # They reach all processes of a terminal or a cluster's job; the process that trains ends its workers itself.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Errors of mixes reach the process that trains; this is only asked when that one stops while it takes a batch.
    sys.excepthook = lambda *_: None
