"""`stems watch`: splits what is dropped into a folder."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Annotated, NoReturn

import typer

from stems.errors import StemsError

Split = Callable[[Path, Path], Path]
"""Splits a song into a folder below another one, and returns the folder that holds the stems."""


def watch_command(split: Split) -> Callable[..., None]:
    """Return the command, which splits songs by `split`."""

    def watch(
        folder: Annotated[Path, typer.Argument(help="The folder to watch; folders in it are left alone.")],
        daw: Annotated[str | None, typer.Option("--daw", help="DAW files to write too, as in `stems export`.")] = None,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="Where stems go; FOLDER/separated when left out.")
        ] = None,
        settle: Annotated[
            float, typer.Option("--settle", help="Seconds a file must stay unchanged to count as copied.", min=0)
        ] = 2.0,
    ) -> None:
        """Split every song dropped into a folder, until stopped with Ctrl-C."""
        from stems.daw import formats_named
        from stems.watch import watch_folder

        formats = formats_named(daw) if daw else []

        def action(song: Path) -> None:
            typer.echo(f"Splitting {song.name}")
            stems = split(song, output or folder / "separated")
            if formats:
                from stems.daw import export
                from stems.daw.session import session_of

                export(session_of(stems, song), stems, formats, overwrite=True)
            typer.echo(f"Wrote {stems}")

        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            typer.echo(f"Watching {folder}; stop with Ctrl-C.")
            watch_folder(folder, action, _report, Event(), settle)
        except KeyboardInterrupt:
            typer.echo("Stopped. Songs that are not done will be when you start again.")
        finally:
            signal.signal(signal.SIGTERM, before)

    return watch


def _report(song: Path, error: StemsError) -> None:
    typer.echo(f"{song.name}: {error}", err=True)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
