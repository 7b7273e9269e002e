"""`stems cluster`: splits songs into clusters without names."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from stems.cli.options import (
    BitDepth,
    Device,
    DeviceName,
    Format,
    JsonOutput,
    ModelName,
    NamePattern,
    OneSensitivity,
    OutFolder,
    Overwrite,
    Songs,
)
from stems.cli.standard_streams import with_standard_streams
from stems.errors import OptionError
from stems.files.remote import is_remote


class MethodName(str, Enum):
    """A method of clustering."""

    soft = "soft"
    hard = "hard"
    mixture = "mixture"
    spectral = "spectral"


@with_standard_streams
def cluster(
    songs: Songs,
    clusters: Annotated[
        str, typer.Option(metavar="NUMBER", help="How many, from 2 to 12, or auto: as many as each song has.")
    ] = "auto",
    out: OutFolder = "separated",
    name: NamePattern = "{track}/{stem}.{ext}",
    container: Format = None,
    bit_depth: BitDepth = None,
    sensitivity: OneSensitivity = 1.0,
    method: Annotated[
        MethodName,
        typer.Option(
            help="Soft or hard spherical k-means, a mixture of Gaussians, or spectral clustering, which needs "
            "scikit-learn. The sensitivity matters to soft and spectral."
        ),
    ] = MethodName.soft,
    model: ModelName = "openband",
    device: DeviceName = Device.auto,
    overwrite: Overwrite = False,
    json_lines: JsonOutput = False,
) -> None:
    """Split songs into clusters without names, and say which stems each resembles."""
    from stems.batch.clusters import clusters as preset_of
    from stems.batch.outcome import Result
    from stems.batch.plan import Settings, check_settings, plan
    from stems.card import find_model, read_card
    from stems.cli.progress import stoppable, watch_over
    from stems.sensitivity import Sensitivity

    if far := next(filter(is_remote, (*songs, out)), None):
        raise OptionError(f"stems cluster works on files of this machine, which {far} is not; stems split takes it.")
    number = _number(clusters)
    settings = Settings(
        preset=preset_of("cluster-1", "cluster-2"),
        out=Path(out),
        name=name,
        container=container.value if container else None,
        bit_depth=bit_depth.value if bit_depth else None,
        sensitivity=Sensitivity(sensitivity),
        overwrite=overwrite,
    )
    check_settings(settings)
    passed_over: list[Result] = []
    tasks = plan(songs, settings, lambda path, why: passed_over.append(Result(path, "passed over", error=why)))
    read_card(find_model(model))

    from stems.batch.clusters import cluster_song
    from stems.blind import BlindSeparator

    separator = BlindSeparator(number, model, device.value, method.value)
    counts = Counter(result.status for result in passed_over)
    with stoppable(), watch_over(tasks, json_lines) as watcher:
        for result in passed_over:
            watcher.on_passed_over(result)
        for index, task in enumerate(tasks):
            result = cluster_song(task, settings, separator, partial(watcher.on_progress, index))
            counts[result.status] += 1
            watcher.on_result(index, result)
    watcher.summary(counts)
    if counts["failed"]:
        raise typer.Exit(1)


def _number(clusters: str) -> int | None:
    if clusters == "auto":
        return None
    try:
        return int(clusters)
    except ValueError:
        raise OptionError(f"--clusters {clusters} is no number: give one from 2 to 12, or auto.") from None
