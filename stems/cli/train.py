"""`stems train`: trains a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stems.cli.extras import require
from stems.cli.options import Device, DeviceName
from stems.cli.output import complain, say


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe such as recipes/musdb18.toml.")],
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder below which the recipe's folders lie.")] = Path(
        "data"
    ),
    musdb: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Root of MUSDB18 or MUSDB18-HQ.")] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder of the run, which goes on where it stopped; runs/RECIPE when left out."
        ),
    ] = None,
    cache: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for decoded audio.")] = Path("runs/cache"),
    device: DeviceName = Device.auto,
    workers: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Processes that make mixes.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores that the network uses.")] = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Start a new run from the weights of this model, as far as they fit."),
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.0, metavar="MINUTES", help="Stop after this time.")] = None,
) -> None:
    """Train a recipe, or go on with a run that was stopped."""
    require("Training", "train", "scipy", "matplotlib")
    import torch

    from stems.train.loop import Places
    from stems.train.loop import train as train_recipe

    if threads is not None:
        torch.set_num_threads(threads)
    places = Places(run or Path("runs") / recipe.stem, data, cache, musdb)
    try:
        path = train_recipe(recipe, places, device.value, workers, minutes, start, _report)
    except KeyboardInterrupt:
        complain("stems: stopped; the same command goes on from the last checkpoint, if there is one.")
        raise
    say(f"The model is {path}.")


def _report(entry: dict[str, Any]) -> None:
    scores = "  ".join(
        f"{folder} " + " ".join(f"{stem} {value:.2f}" for stem, value in stems.items())
        for folder, stems in entry["sdr"].items()
    )
    say(
        f"step {entry['step']}, {entry['minutes']:.0f} min: affinity {entry['affinity']:.4f}, "
        f"stems {entry['stems']:.4f}, {entry['audio_seconds_per_second']:.0f} s of audio per second, "
        f"{entry['remaining_minutes']:.0f} min left; SDR in dB: {scores}"
    )
