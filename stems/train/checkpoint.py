"""The state of a run on disk: safetensors with JSON beside it, so that resuming is exact."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from stems.errors import ModelError
from stems.files.destination import whole
from stems.model import Model
from stems.train.recipe import Recipe


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0
    minutes: float = 0.0


def write_checkpoint(
    run: Path,
    recipe: Recipe,
    progress: Progress,
    model: Model,
    average: Model,
    optimiser: torch.optim.Optimizer,
) -> None:
    """Writes weights, their running mean, Adam's moments and the random state to `run/checkpoint.safetensors`."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors["random"] = torch.get_rng_state()
    if _on_gpu(model):
        tensors["random_on_gpu"] = torch.cuda.get_rng_state()
    metadata = {"progress": json.dumps(asdict(progress)), "recipe": json.dumps(asdict(recipe))}
    with whole(run / "checkpoint.safetensors", ModelError) as unfinished:
        content = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, metadata)
        unfinished.write_bytes(content)


def read_checkpoint(
    run: Path, recipe: Recipe, model: Model, average: Model, optimiser: torch.optim.Optimizer
) -> Progress | None:
    """Fills model, mean and optimiser from a run's checkpoint; None where there is none.

    Raises:
        ModelError: if the checkpoint is damaged, or was made by a recipe of another design.
    """
    path = run / "checkpoint.safetensors"
    if not path.exists():
        return None
    metadata, tensors = _read(path)
    try:
        return _restore(path, metadata, tensors, recipe, model, average, optimiser)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is damaged: remove it to start the run anew, or bring back a copy.") from error


def _restore(
    path: Path,
    metadata: dict[str, str],
    tensors: dict[str, Tensor],
    recipe: Recipe,
    model: Model,
    average: Model,
    optimiser: torch.optim.Optimizer,
) -> Progress:
    progress = _progress(metadata["progress"])
    written: dict[str, Any] = json.loads(metadata["recipe"])
    # As JSON has them, without tuples; keys that were not there yet had what is usual.
    wanted, usual = (json.loads(json.dumps(asdict(each))) for each in (recipe, Recipe("")))
    for key in ("bands", "network"):
        if usual[key] | written[key] != wanted[key]:
            raise ModelError(f"{path} was made with another [{key}]: choose another --run folder or the old recipe.")
    if any(value.is_complex() or not bool(value.isfinite().all()) for value in tensors.values()):
        raise ValueError("weights or moments are no real numbers")
    model.load_state_dict(_under(tensors, "model."))
    average.load_state_dict(_under(tensors, "average."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, "optimiser.").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    parameters = list(model.parameters())
    for number, moments in state.items():
        if any(value.ndim and value.shape != parameters[number].shape for value in moments.values()):
            raise ValueError(f"the moments of parameter {number} are of another shape")
        if set(moments) != {"step", "exp_avg", "exp_avg_sq"}:
            raise ValueError(f"the moments of parameter {number} are not all there")
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random"])
    if _on_gpu(model) and "random_on_gpu" in tensors:
        torch.cuda.set_rng_state(tensors["random_on_gpu"])
    return progress


def _progress(text: str) -> Progress:
    progress = Progress(**json.loads(text))
    if type(progress.step) is not int or progress.step < 0 or not 0 <= float(progress.minutes) < 1e9:
        raise ValueError(f"{text} is no progress")
    return progress


def _on_gpu(model: Model) -> bool:
    return next(model.parameters()).is_cuda


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is damaged or cannot be read: remove it to start the run anew.") from error
    if "progress" not in metadata:
        raise ModelError(f"{path} is not a training checkpoint: choose another --run folder.")
    return metadata, tensors


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
