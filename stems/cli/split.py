"""`stems split`: splits songs into stems."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from enum import Enum
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from stems.cli.extras import require
from stems.cli.options import (
    USUAL_SENSITIVITY,
    BitDepth,
    Clip,
    ClipMode,
    CopySong,
    Device,
    DeviceName,
    Downmix,
    Format,
    From,
    JsonOutput,
    JsonProgress,
    Manifest,
    ModelName,
    NamePattern,
    OutPlace,
    Overwrite,
    Sensitivity,
    Shard,
    SongsIfAny,
    Tempo,
    To,
    Track,
    reading_of,
    tempo_of,
)
from stems.cli.output import say, say_data
from stems.cli.standard_streams import with_standard_streams
from stems.errors import OptionError

if TYPE_CHECKING:
    from stems.batch.outcome import Result
    from stems.batch.plan import Settings
    from stems.batch.presets import Preset
    from stems.batch.tasks import Tasks


class Cluster(str, Enum):
    """What shares songs out over machines."""

    ray = "ray"


@with_standard_streams
def split(
    songs: SongsIfAny = None,
    out: OutPlace = "separated",
    name: NamePattern = "{track}/{stem}.{ext}",
    stems: Annotated[
        str | None,
        typer.Option(metavar="STEMS", help="Write only these, separated by commas: drums, bass, vocals, other."),
    ] = None,
    two_stems: Annotated[
        str | None, typer.Option("--two-stems", metavar="STEM", help="Write this stem and the sum of all others.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET", help="What to make of the stems: see `stems presets`, or a .toml file of your own."
        ),
    ] = None,
    container: Format = None,
    bit_depth: BitDepth = None,
    hint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HINT",
            help="What you know of the song: vocals=0:31-0:35.5, bass=1:10-1:12@40-250Hz, or a .toml file of that. "
            "May be repeated, and may name a stem of your own.",
        ),
    ] = None,
    sensitivity: Sensitivity = USUAL_SENSITIVITY,
    model: ModelName = "openband",
    device: DeviceName = Device.auto,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="NUMBER", help="Songs at a time; one for each core when left out."),
    ] = None,
    overwrite: Overwrite = False,
    daw: Annotated[
        str | None,
        typer.Option(
            metavar="FORMATS", help="Also write projects for DAWs, separated by commas: see `stems export --help`."
        ),
    ] = None,
    bpm: Tempo = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    begin: From = None,
    end: To = None,
    track: Track = 1,
    downmix: Downmix = False,
    clip_mode: ClipMode = Clip.clamp,
    copy_song: CopySong = False,
    json_lines: JsonOutput = False,
    json_progress: JsonProgress = False,
    manifest: Manifest = None,
    shard: Shard = None,
    results: Annotated[
        str | None,
        typer.Option(
            "--results",
            metavar="FILE",
            help="Write there what became of each song, with loudness, confidence and checksum: .jsonl or .parquet.",
        ),
    ] = None,
    cluster: Annotated[
        Cluster | None, typer.Option("--cluster", help="Share the songs out over a cluster of machines.")
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            "--ray-address", metavar="ADDRESS", help="Of a Ray cluster; one on this machine alone when left out."
        ),
    ] = None,
) -> None:
    """Split songs into stems that line up with them to the sample and add up to them."""
    from stems.batch.manifest import entries
    from stems.batch.outcome import Result
    from stems.batch.plan import Settings, check_settings, plan
    from stems.batch.tasks import shard as shard_of
    from stems.card import stem_names
    from stems.daw import formats_named
    from stems.files.remote import place
    from stems.hints import gather, own_stems

    if not songs and manifest is None:
        raise OptionError("Name songs, or a list of them by --manifest.")
    in_memory = any(text.startswith("memory://") for text in (out, *(songs or ())))
    _check_cluster(cluster, ray_address, in_memory)
    known = stem_names(model)
    hints = gather(hint or (), known)
    sensitivity.check_against(known + own_stems(hints, known))
    settings = Settings(
        preset=_preset(preset, stems, two_stems, known, own_stems(hints, known)),
        out=place(out),
        name=name,
        container=container.value if container else None,
        bit_depth=bit_depth.value if bit_depth else None,
        sensitivity=sensitivity,
        model=model,
        device=device.value,
        overwrite=overwrite,
        daw=tuple(form.name for form in formats_named(daw)) if daw else (),
        hints=hints,
        reading=reading_of(begin, end, track, downmix),
        clip_mode=clip_mode.value,
        copy_song=copy_song,
        measures=results is not None,
        bpm=tempo_of(bpm),
    )
    check_settings(settings)
    passed_over: list[Result] = []
    tasks = plan(
        songs or (),
        settings,
        lambda path, why: passed_over.append(Result(path, "passed over", error=why)),
        entries(manifest) if manifest else (),
    )
    tasks = tasks[shard_of(shard)] if shard else tasks
    if dry_run:
        counts = _say_plan(tasks, settings, passed_over, json_lines)
    else:
        ways = _ways(cluster, ray_address, 1 if in_memory else jobs)
        counts = _split(tasks, settings, passed_over, ways, json_lines, results, json_progress)
    if counts["failed"]:
        raise typer.Exit(1)


def _check_cluster(cluster: Cluster | None, ray_address: str | None, in_memory: bool) -> None:
    if cluster is None and ray_address is not None:
        raise OptionError("--ray-address goes with --cluster ray: add that.")
    if cluster is not None:
        require("--cluster ray", "ray", "ray")
        if in_memory:
            raise OptionError("memory:// is of one process alone, which a cluster is not: leave out --cluster.")


def _ways(cluster: Cluster | None, ray_address: str | None, jobs: int | None) -> Callable[..., None]:
    """What shares the songs out: the processes of this machine, or a cluster."""
    if cluster is not None:
        from stems.batch.ray_cluster import split_on_ray

        return partial(split_on_ray, address=ray_address, jobs=jobs)
    from stems.batch.split import cores
    from stems.batch.workers import split_all

    return partial(split_all, jobs=jobs or cores())


def _split(
    tasks: Tasks,
    settings: Settings,
    passed_over: list[Result],
    share_out: Callable[..., None],
    json_lines: bool,
    results: str | None,
    json_progress: bool,
) -> Counter[str]:
    from stems.batch.results import ResultsFile
    from stems.cli.progress import stoppable, watch_over

    counts = Counter(result.status for result in passed_over)
    with stoppable(), watch_over(tasks, json_lines or json_progress, json_progress) as watcher, ExitStack() as stack:
        file = stack.enter_context(ResultsFile(results)) if results else None

        def on_result(number: int, result: Result) -> None:
            counts[result.status] += 1
            watcher.on_result(number, result)
            if file is not None:
                file.add(result)

        for result in passed_over:
            watcher.on_passed_over(result)
        share_out(tasks, settings, on_progress=watcher.on_progress, on_result=on_result)
    watcher.summary(counts)
    return counts


def _say_plan(tasks: Tasks, settings: Settings, passed_over: list[Result], json_lines: bool) -> Counter[str]:
    from stems.batch.split import preview
    from stems.cli.progress import describe

    counts: Counter[str] = Counter()
    for result in chain(passed_over, (preview(task, settings) for task in tasks)):
        counts[result.status] += 1
        if json_lines:
            say_data(json.dumps(result.as_json()))
        elif result.status == "passed over":
            say(describe(result))
        elif result.error:
            say(f"would fail: {result.error}")
        else:
            say("\n    ".join([f"{result.status} {result.song}", *map(str, result.outputs.values())]))
    return counts


def _preset(
    preset: str | None, stems: str | None, two_stems: str | None, known: tuple[str, ...], own: tuple[str, ...]
) -> Preset:
    from stems.batch.presets import load_preset, only
    from stems.batch.presets import two_stems as stem_and_rest

    if sum(option is not None for option in (preset, stems, two_stems)) > 1:
        raise OptionError("--preset, --stems and --two-stems each say what to write: give one of them.")
    if stems is not None:
        return only(tuple(dict.fromkeys(part.strip() for part in stems.split(",") if part.strip())), known + own)
    if two_stems is not None:
        return stem_and_rest(two_stems, known + own)
    return load_preset(preset or "stems", own, known)
