"""The training loop: data, optimiser, steps, log, checkpoint."""

from __future__ import annotations

import copy
import math
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from stems.errors import OptionError
from stems.model import Model
from stems.network.precision import fastest_precision
from stems.separator import choose_device
from stems.train.batches import batches_from
from stems.train.cells import Cells
from stems.train.checkpoint import Progress, read_checkpoint, write_checkpoint
from stems.train.growth import take_over
from stems.train.log import add_to_log, read_log, score_of
from stems.train.mixes import Mixer
from stems.train.objective import Losses, losses, taught
from stems.train.recipe import Recipe, Schedule, read_recipe
from stems.train.validation import Validation
from stems.train.voices import Duets


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
    run = _Run(recipe, places, *_join(device), start)
    validation = Validation(recipe, places.data, places.cache, places.musdb) if run.rank == 0 else None
    mixer = _mixer(recipe, places)
    if run.rank == 0:
        places.run.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(recipe_path, places.run / "recipe.toml")

    begun = saved = logged = time.monotonic()
    sums, since = torch.zeros(len(fields(Losses))), 0
    last = run.progress.step >= recipe.schedule.steps
    with closing(batches_from(run.progress.step, mixer, run.rank, run.ranks, workers)) as batches:
        while not last:
            sums += run.step(next(batches))
            since += 1
            now = time.monotonic()
            out_of_time = minutes is not None and now - begun >= minutes * 60
            last = run.progress.step == recipe.schedule.steps or _any(out_of_time, run.ranks, run.device)
            if validation and (last or now - saved >= recipe.schedule.checkpoint_minutes * 60):
                run.progress.minutes += (now - saved) / 60
                saved = now
                entry = _entry(recipe, run.progress, sums / since, since * run.ranks, now - logged)
                entry["sdr"] = validation(run.average)
                run.keep(entry)
                report(entry)
                sums, since, logged = torch.zeros(len(fields(Losses))), 0, time.monotonic()
    _leave(run.ranks)
    return places.run / "model.safetensors"


def _mixer(recipe: Recipe, places: Places) -> Mixer | Duets:
    if recipe.data.singers:
        return Duets(recipe, places.data, places.cache)
    return Mixer(recipe, places.data, places.cache, places.musdb)


class _Run:
    """What changes in a run: the network, the running mean of its weights, the optimiser and how far it has come."""

    def __init__(
        self, recipe: Recipe, places: Places, rank: int, ranks: int, device: torch.device, start: str | Path | None
    ) -> None:
        self.recipe, self.places, self.rank, self.ranks, self.device = recipe, places, rank, ranks, device
        torch.manual_seed(recipe.seed)
        card = {"name": recipe.name, "about": recipe.about, "licence": recipe.licence}
        self.model = Model(recipe.design, card).to(device).train()
        self.optimiser = torch.optim.Adam(self.model.parameters(), recipe.schedule.learning_rate)
        if start is not None:
            take_over(self.model, Model.load(start))
        self.average = copy.deepcopy(self.model).eval()
        earlier = read_checkpoint(places.run, recipe, self.model, self.average, self.optimiser)
        self.progress = earlier or Progress()
        wanted = recipe.schedule.precision == "bfloat16"
        self.in_bfloat16 = wanted and (device.type != "cpu" or fastest_precision(device) == torch.bfloat16)

    def step(self, batch: Cells) -> Tensor:
        """Learns from a batch; returns the losses, in the order of the fields of `Losses`."""
        schedule, objective, step = self.recipe.schedule, self.recipe.objective, self.progress.step
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.learning_rate * rate_at(step, schedule)
        cells = batch.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            if objective.teacher and step >= objective.untaught_steps:
                cells = taught(self.average, cells)
            parts = losses(self.model, cells, objective)
        self.optimiser.zero_grad()
        parts.total(objective).backward()  # type: ignore[no-untyped-call]
        _average_gradients(self.model, self.ranks)
        if torch.nn.utils.clip_grad_norm_(self.model.parameters(), schedule.clip).isfinite():  # else: skip a freak mix
            self.optimiser.step()
        follow(self.average, self.model, min(schedule.averaging, (step + 1) / (step + 10)))
        self.progress.step += 1
        return parts.values()

    def keep(self, entry: dict[str, Any]) -> None:
        """Writes the averaged model, the log and its curves, and the checkpoint; `entry` is the log's newest."""
        from stems.train.curves import draw_curves

        run, average = self.places.run, self.average
        average.card["training"] = {"steps": self.progress.step, "hours": round(self.progress.minutes / 60, 2)}
        average.card["validation_sdr_db"] = entry["sdr"]
        average.save(run / "model.safetensors")
        if mean_score(entry) >= max(
            (mean_score(earlier) for earlier in read_log(run / "log.jsonl")), default=-math.inf
        ):
            average.save(run / "best.safetensors")
        entry["kappa"] = round(float(average.kappa.detach()), 3)
        add_to_log(run / "log.jsonl", entry)
        write_checkpoint(run, self.recipe, self.progress, self.model, average, self.optimiser)
        draw_curves(run / "log.jsonl", run / "curves.png")


def rate_at(step: int, schedule: Schedule) -> float:
    """Share of the learning rate at a step: a short rise, then half a cosine down."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    way = (step - schedule.warmup_steps) / max(1, schedule.steps - schedule.warmup_steps)
    return schedule.final_rate + (1 - schedule.final_rate) * 0.5 * (1 + math.cos(math.pi * min(way, 1.0)))


@torch.no_grad()
def follow(average: Model, model: Model, decay: float) -> None:
    """Moves the running mean of the weights a step towards the weights."""
    for mean, value in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(value, 1 - decay)


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


def _leave(ranks: int) -> None:
    if ranks > 1:
        distributed.barrier()  # or the others would take their end of the connections away while the first still writes
        distributed.destroy_process_group()


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
