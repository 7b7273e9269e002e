"""`stems cluster`: splits songs into clusters without names."""

from __future__ import annotations

import os
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stems.cli.split import Container, Depth, Device
from stems.errors import OptionError


class MethodName(str, Enum):
    """A method of clustering."""

    soft = "soft"
    hard = "hard"
    mixture = "mixture"
    spectral = "spectral"


def cluster(
    songs: Annotated[list[str], typer.Argument(help="Songs, folders of songs, or patterns such as '*.flac'.")],
    clusters: Annotated[str, typer.Option(help="How many, from 2 to 12, or auto: as many as each song has.")] = "auto",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("separated"),
    name: Annotated[str, typer.Option(help="Where each file goes below it.")] = "{track}/{stem}.{ext}",
    container: Annotated[
        Container | None, typer.Option("--format", help="Format of the files; the song's own when left out.")
    ] = None,
    bit_depth: Annotated[
        Depth | None, typer.Option("--bit-depth", help="Depth of the files; the song's own when left out.")
    ] = None,
    sensitivity: Annotated[
        float,
        typer.Option(min=0.1, max=10.0, help="Low lets clusters bleed softly, high cuts them hard; see --method."),
    ] = 1.0,
    method: Annotated[
        MethodName,
        typer.Option(
            help="Soft or hard spherical k-means, a mixture of Gaussians, or spectral clustering, which needs "
            "scikit-learn. The sensitivity matters to soft and spectral."
        ),
    ] = MethodName.soft,
    model: Annotated[str, typer.Option(help="See `stems models`, or a .safetensors file of your own.")] = "openband",
    device: Annotated[Device, typer.Option(help="What the network runs on.")] = Device.auto,
    overwrite: Annotated[
        bool, typer.Option("--overwrite/--skip-existing", help="Split songs again whose files are there already.")
    ] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One line of JSON for each song, and no more.")] = False,
) -> None:
    """Split songs into clusters without names, and say which stems each resembles."""
    from stems.batch import Settings, check_format, check_name, plan
    from stems.card import find_model, read_card
    from stems.cli.progress import watch_over
    from stems.presets import Preset

    number = _number(clusters)
    two = Preset("clusters", "", {name: (name,) for name in ("cluster-1", "cluster-2")})
    settings = Settings(
        preset=two,
        out=out,
        name=name,
        container=container.value if container else None,
        bit_depth=bit_depth.value if bit_depth else None,
        sensitivity=sensitivity,
        overwrite=overwrite,
    )
    check_name(name, two)
    check_format(settings.container, settings.bit_depth)
    if os.path.exists(out) and not os.path.isdir(out):
        raise OptionError(f"--out {out} is a file: name a folder.")
    tasks = plan(songs, settings)
    read_card(find_model(model))

    from stems.blind import BlindSeparator
    from stems.clusters import cluster_song

    separator = BlindSeparator(number, model, device.value, method.value)
    results = []
    try:
        with watch_over(tasks, json_lines) as watcher:
            for index, task in enumerate(tasks):
                results.append(cluster_song(task, settings, separator, partial(watcher.on_progress, index)))
                watcher.on_result(index, results[-1])
    except KeyboardInterrupt:
        typer.echo("stems: stopped, unfinished files were removed; the same command goes on from here.", err=True)
        raise typer.Exit(130) from None
    watcher.summary(results)
    if any(result.status == "failed" for result in results):
        raise typer.Exit(1)


def _number(clusters: str) -> int | None:
    if clusters == "auto":
        return None
    try:
        return int(clusters)
    except ValueError:
        raise OptionError(f"--clusters {clusters} is no number: give one from 2 to 12, or auto.") from None
