"""The training loop: data, optimiser, steps, log, checkpoint."""

from __future__ import annotations

import copy
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset

from stems.errors import OptionError
from stems.model import Model
from stems.separator import choose_device
from stems.train.cells import Cells, cells_of
from stems.train.checkpoint import Progress, read_checkpoint, write_checkpoint
from stems.train.log import add_to_log, read_log, score_of
from stems.train.mixes import Mixer
from stems.train.objective import Losses, losses, taught
from stems.train.recipe import Recipe, Schedule, read_recipe
from stems.train.validation import Validation
from stems.train.voices import Duets

SHUFFLED = 32  # mixes whose looks are shuffled


@dataclass(frozen=True)
class Places:
    """Where a run finds its data and leaves its results.

    Args:
        run: folder of the run; a run that was stopped goes on from its checkpoint.
        data: folder below which the recipe's folders lie.
        cache: folder for decoded audio.
        musdb: root of MUSDB18 or MUSDB18-HQ.
    """

    run: Path
    data: Path
    cache: Path
    musdb: Path | None = None


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


def train(
    recipe_path: Path,
    places: Places,
    device: str = "cpu",
    workers: int = 1,
    minutes: float | None = None,
    start: str | Path | None = None,
    report: Callable[[dict[str, Any]], None] = lambda entry: None,
) -> Path:
    """Trains a recipe, or goes on with it, and returns the path of the averaged model.

    Beside it lies `best.safetensors`, the one that scored best in validation.

    Several processes started by `torchrun` share the work: each makes its own mixes, and gradients are averaged.

    Args:
        device: "auto", "cpu", "cuda" or "mps"; of several processes each takes a GPU of its own.
        workers: processes that make mixes ahead of the network.
        minutes: stop after this time; the run can be resumed.
        start: a model, by name or path, whose weights a new run starts from, as far as they fit.
        report: called with every entry of the log.
    """
    recipe = read_recipe(recipe_path)
    schedule = recipe.schedule
    rank, ranks, chosen = _join(device)
    torch.manual_seed(recipe.seed)
    model = Model(recipe.design, {"name": recipe.name, "about": recipe.about, "licence": recipe.licence})
    model.to(chosen).train()
    optimiser = torch.optim.Adam(model.parameters(), schedule.learning_rate)
    if start is not None:
        take_over(model, Model.load(start))
    average = copy.deepcopy(model).eval()
    progress = read_checkpoint(places.run, recipe, model, average, optimiser) or Progress()
    mixer = (
        Duets(recipe, places.data, places.cache)
        if recipe.data.singers
        else Mixer(recipe, places.data, places.cache, places.musdb)
    )
    validation = Validation(recipe, places.data, places.cache, places.musdb) if rank == 0 else None
    batches = _batches(mixer, progress.step, schedule, rank, ranks, workers)
    if rank == 0:
        places.run.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(recipe_path, places.run / "recipe.toml")

    begun = saved = logged = time.monotonic()
    sums, since = torch.zeros(len(fields(Losses))), 0
    last = progress.step >= schedule.steps
    while not last:
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate * rate_at(progress.step, schedule)
        cells = next(batches).to(chosen)
        with torch.autocast(chosen.type, torch.bfloat16, enabled=schedule.precision == "bfloat16"):
            if recipe.objective.teacher and progress.step >= recipe.objective.untaught_steps:
                cells = taught(average, cells)
            parts = losses(model, cells, recipe.objective)
        optimiser.zero_grad()
        parts.total(recipe.objective).backward()  # type: ignore[no-untyped-call]
        _average_gradients(model, ranks)
        if torch.nn.utils.clip_grad_norm_(model.parameters(), schedule.clip).isfinite():  # else: skip a freak mix
            optimiser.step()
        follow(average, model, min(schedule.averaging, (progress.step + 1) / (progress.step + 10)))
        progress.step += 1
        sums += parts.values()
        since += 1

        now = time.monotonic()
        out_of_time = minutes is not None and now - begun >= minutes * 60
        last = progress.step == schedule.steps or _any(out_of_time, ranks, chosen)
        if rank == 0 and (last or now - saved >= schedule.checkpoint_minutes * 60):
            progress.minutes += (now - saved) / 60
            saved = now
            entry = _entry(recipe, progress, sums / since, since * ranks, now - logged)
            assert validation is not None
            entry["sdr"] = validation(average)
            _keep(places.run, recipe, entry, progress, model, average, optimiser)
            report(entry)
            sums, since, logged = torch.zeros(len(fields(Losses))), 0, time.monotonic()
    if ranks > 1:
        distributed.barrier()  # or the others would take their end of the connections away while the first still writes
        distributed.destroy_process_group()
    return places.run / "model.safetensors"


def rate_at(step: int, schedule: Schedule) -> float:
    """Share of the learning rate at a step: a short rise, then half a cosine down."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    way = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
    return schedule.final_rate + (1 - schedule.final_rate) * 0.5 * (1 + math.cos(math.pi * min(way, 1.0)))


def take_over(model: Model, other: Model) -> None:
    """Gives a model those weights of another that have the same name and shape.

    So a real-time network starts with the textures and the anchors of a full-song network, though not its memory.
    """
    own, known = model.state_dict(), other.state_dict()
    fitting = {name: known[name] for name in own if name in known and known[name].shape == own[name].shape}
    model.load_state_dict(own | fitting)


@torch.no_grad()
def follow(average: Model, model: Model, decay: float) -> None:
    """Moves the running mean of the weights a step towards the weights."""
    for mean, value in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)


def _batches(
    mixer: Mixer | Duets, step: int, schedule: Schedule, rank: int, ranks: int, workers: int
) -> Iterator[Cells]:
    per_step = schedule.batch * ranks
    first = step * per_step + rank * schedule.batch
    numbers = [
        [first + later * per_step + place for place in range(schedule.batch)] for later in range(schedule.steps - step)
    ]
    return iter(
        DataLoader(
            NumberedMixes(mixer),
            batch_sampler=numbers,
            collate_fn=Cells.stack,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_one_thread,
        )
    )


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def _join(device: str) -> tuple[int, int, torch.device]:
    """Number of this process, how many there are, and the device that this one uses."""
    chosen, ranks = choose_device(device), int(os.environ.get("WORLD_SIZE", "1"))
    if ranks > 1 and chosen.type == "mps":
        raise OptionError("Processes cannot share an mps device: train with one process, or with --device cpu.")
    if ranks > 1 and chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if chosen.index >= torch.cuda.device_count():
            raise OptionError(
                f"There is no GPU for process {chosen.index + 1} of this machine: start {torch.cuda.device_count()} "
                "processes, or train with --device cpu."
            )
        torch.cuda.set_device(chosen)
    if ranks > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return int(os.environ.get("RANK", "0")), ranks, chosen


def _average_gradients(model: Model, ranks: int) -> None:
    if ranks > 1:
        for parameter in model.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= ranks


def _any(here: bool, ranks: int, device: torch.device) -> bool:
    """Whether it is so in any process; all must stop at the same step."""
    if ranks == 1:
        return here
    flag = torch.tensor(float(here), device=device)
    distributed.all_reduce(flag)
    return bool(flag > 0)


def _entry(recipe: Recipe, progress: Progress, means: Tensor, steps: int, seconds: float) -> dict[str, Any]:
    grid = recipe.bands.grid(44100)
    audio = steps * recipe.schedule.batch * recipe.data.frames * grid.frame_seconds
    pace = progress.minutes / progress.step
    return {
        "step": progress.step,
        "minutes": round(progress.minutes, 2),
        **{part.name: round(float(mean), 5) for part, mean in zip(fields(Losses), means, strict=True)},
        "audio_seconds_per_second": round(audio / seconds, 1),
        "remaining_minutes": round((recipe.schedule.steps - progress.step) * pace, 1),
    }


def mean_score(entry: dict[str, Any]) -> float:
    """Mean over validation folders and stems of an entry's scores, dB; minus infinity where there are none."""
    found = (score_of(entry, folder, stem) for folder, stems in entry["sdr"].items() for stem in stems)
    scores = [score for score in found if not math.isnan(score)]
    return sum(scores) / len(scores) if scores else -math.inf


def _keep(
    run: Path,
    recipe: Recipe,
    entry: dict[str, Any],
    progress: Progress,
    model: Model,
    average: Model,
    optimiser: torch.optim.Optimizer,
) -> None:
    from stems.train.curves import draw_curves

    average.card["training"] = {"steps": progress.step, "hours": round(progress.minutes / 60, 2)}
    average.card["validation_sdr_db"] = entry["sdr"]
    average.save(run / "model.safetensors")
    if mean_score(entry) >= max((mean_score(earlier) for earlier in read_log(run / "log.jsonl")), default=-math.inf):
        average.save(run / "best.safetensors")
    entry["kappa"] = round(float(average.kappa.detach()), 3)
    add_to_log(run / "log.jsonl", entry)
    write_checkpoint(run, recipe, progress, model, average, optimiser)
    draw_curves(run / "log.jsonl", run / "curves.png")
