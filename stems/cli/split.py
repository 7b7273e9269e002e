"""`stems split`: splits songs into stems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    ModelName,
    NamePattern,
    OutFolder,
    Overwrite,
    Sensitivity,
    Songs,
    To,
    Track,
    reading_of,
)
from stems.cli.output import say, say_data
from stems.errors import OptionError

if TYPE_CHECKING:
    from stems.batch.plan import Settings, Task
    from stems.batch.presets import Preset
    from stems.batch.split import Result


def split(
    songs: Songs,
    out: OutFolder = Path("separated"),
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    begin: From = None,
    end: To = None,
    track: Track = 1,
    downmix: Downmix = False,
    clip_mode: ClipMode = Clip.clamp,
    copy_song: CopySong = False,
    json_lines: JsonOutput = False,
) -> None:
    """Split songs into stems that line up with them to the sample and add up to them."""
    from stems.batch.plan import Settings, check_settings, plan
    from stems.batch.split import Result, cores
    from stems.card import find_model, read_card
    from stems.daw import formats_named
    from stems.hints import gather, own_stems

    design = read_card(find_model(model))["design"]
    if not design["clustering"].get("anchored", True):
        raise OptionError(
            f"The model {model!r} has no names for what it finds: use `stems cluster SONG --model {model}`."
        )
    known = tuple(design["stems"])
    hints = gather(hint or (), known)
    sensitivity.check_against(known + own_stems(hints, known))
    settings = Settings(
        preset=_preset(preset, stems, two_stems, known, own_stems(hints, known)),
        out=out,
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
    )
    check_settings(settings)
    passed_over: list[Result] = []
    tasks = plan(songs, settings, lambda path, why: passed_over.append(Result(path, "passed over", error=why)))
    if dry_run:
        results = _say_plan(tasks, settings, passed_over, json_lines)
    else:
        results = _split(tasks, settings, passed_over, jobs or cores(), json_lines)
    if any(result.status == "failed" for result in results):
        raise typer.Exit(1)


def _split(
    tasks: list[Task], settings: Settings, passed_over: list[Result], jobs: int, json_lines: bool
) -> list[Result]:
    from stems.batch.workers import split_all
    from stems.cli.progress import stoppable, watch_over

    with stoppable(), watch_over(tasks, json_lines) as watcher:
        for result in passed_over:
            watcher.on_passed_over(result)
        results = split_all(tasks, settings, jobs, watcher.on_progress, watcher.on_result)
    watcher.summary(results + passed_over)
    return results


def _say_plan(tasks: list[Task], settings: Settings, passed_over: list[Result], json_lines: bool) -> list[Result]:
    from stems.batch.split import preview
    from stems.cli.progress import describe

    results = passed_over + [preview(task, settings) for task in tasks]
    for result in results:
        if json_lines:
            say_data(json.dumps(result.as_json()))
        elif result.status == "passed over":
            say(describe(result))
        elif result.error:
            say(f"would fail: {result.error}")
        else:
            say("\n    ".join([f"{result.status} {result.song}", *map(str, result.outputs.values())]))
    return results


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
