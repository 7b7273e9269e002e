"""`stems report`: a page that shows and plays what became of a song."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stems.cli.options import USUAL_SENSITIVITY, Device, DeviceName, ModelName, Sensitivity
from stems.cli.output import say
from stems.errors import OptionError


def report(
    song_or_folder: Annotated[
        Path, typer.Argument(metavar="SONG", help="A song, or a folder of stems that a split has made.")
    ],
    song: Annotated[
        Path | None, typer.Option("--song", help="What a folder of stems was made of; their sum when left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; named after the song, in this folder, when left out.")
    ] = None,
    sensitivity: Sensitivity = USUAL_SENSITIVITY,
    hint: Annotated[
        list[str] | None, typer.Option(help="What is heard where, as for `stems split`; shown on the page.")
    ] = None,
    model: ModelName = "openband",
    device: DeviceName = Device.auto,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier page.")] = False,
) -> None:
    """Write a page that plays the stems of a song and shows how they were found; it needs no network."""
    source_path = song or song_or_folder
    usual = Path(f"{source_path.resolve().name if source_path.is_dir() else source_path.stem}.html")
    page = out or usual
    if page.is_dir():
        raise OptionError(f"--out {page} is a folder: name the page, such as {page / usual}.")
    if page.exists() and not overwrite:
        raise OptionError(f"{page} is there already: --overwrite replaces it, --out names another.")

    from stems.files.destination import check_can_be_written
    from stems.report.source import open_source

    check_can_be_written(page, OptionError)
    with open_source(song_or_folder, song) as source:  # before torch is loaded: it may not be a song
        from stems.cli.progress import bar
        from stems.imports import importing_torch
        from stems.report.page import write_page

        with importing_torch():
            from stems.report.song import song_report
            from stems.separator import Separator

        separator = Separator(model, device.value, hints=hint or ())
        with bar(f"Looking into {source.name}") as advance:
            text = song_report(source, separator, sensitivity, advance)
    write_page(page, text)
    say(f"Wrote {page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser.")
