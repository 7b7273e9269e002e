"""`stems report`: a page that shows and plays what became of a song."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from stems.cli.options import USUAL_SENSITIVITY, Device, DeviceName, ModelName, Sensitivity
from stems.cli.output import say
from stems.errors import OptionError

if TYPE_CHECKING:
    from stems.files.remote import Place


def report(
    song_or_folder: Annotated[
        str,
        typer.Argument(
            metavar="SONG", help="A song, or a folder of stems that a split has made; also at s3:// and the like."
        ),
    ],
    song: Annotated[
        str | None,
        typer.Option("--song", metavar="FILE", help="What a folder of stems was made of; their sum when left out."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The page; named after the song, in this folder, when left out."
        ),
    ] = None,
    sensitivity: Sensitivity = USUAL_SENSITIVITY,
    hint: Annotated[
        list[str] | None,
        typer.Option(metavar="HINT", help="What is heard where, as for `stems split`; shown on the page."),
    ] = None,
    model: ModelName = "openband",
    device: DeviceName = Device.auto,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier page.")] = False,
) -> None:
    """Write a page that plays the stems of a song and shows how they were found; it needs no network."""
    from stems.files.remote import on_this_machine, place

    given, original = place(song_or_folder), place(song) if song else None
    page = _page(original or given, out, overwrite)

    from stems.report.source import open_source

    with ExitStack() as stack:  # before torch is loaded: it may not be a song
        here = stack.enter_context(on_this_machine(given))
        song_here = stack.enter_context(on_this_machine(original)) if original else None
        source = stack.enter_context(open_source(here, song_here))
        from stems.cli.progress import bar
        from stems.imports import importing_torch

        with importing_torch():
            from stems.report.song import song_report
            from stems.separator import Separator

        separator = Separator(model, device.value, hints=hint or ())
        with bar(f"Looking into {source.name}") as advance:
            text = song_report(source, separator, sensitivity, advance)
        if not source.belongs:
            say(f"The stems in {given} do not sound in {original or 'the mixture there'}: --song names their song.")
    for name in source.left_out:
        say(f"Without {name}: a sum of other stems there.")
    say(f"Wrote {page} ({_write(page, text) / 1e6:.1f} MB): open it in a browser.")


def _page(source: Place, out: str | None, overwrite: bool) -> Place:
    """Where the page goes.

    Raises:
        OptionError: it cannot be written there.
    """
    from stems.files.destination import check_can_be_written
    from stems.files.remote import RemotePath, check_writable, exists, place

    is_folder = isinstance(source, Path) and source.is_dir()
    usual = Path(f"{source.resolve().name if isinstance(source, Path) and is_folder else source.stem}.html")
    if out == "-":
        raise OptionError(f"--out - is no file: name the page, such as {usual}.")
    page = place(out) if out else usual
    if isinstance(page, RemotePath):
        check_writable(page.parent)
    elif page.is_dir():
        raise OptionError(f"--out {page} is a folder: name the page, such as {page / usual}.")
    if exists(page) and not overwrite:
        raise OptionError(f"{page} is there already: --overwrite replaces it, --out names another.")
    if isinstance(page, Path):
        check_can_be_written(page, OptionError)
    return page


def _write(page: Place, text: str) -> int:
    """Writes the page; returns its bytes."""
    from stems.files.remote import RemotePath, upload
    from stems.report.page import write_page

    if not isinstance(page, RemotePath):
        write_page(page, text)
        return page.stat().st_size
    with TemporaryDirectory(prefix="stems-") as folder:
        file = Path(folder) / "page.html"
        write_page(file, text)
        upload({file: page})
        return file.stat().st_size
