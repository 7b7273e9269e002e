"""`stems report`: a page that shows and plays what became of a song."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stems.cli.split import Device
from stems.errors import OptionError


def report(
    song_or_folder: Annotated[
        Path, typer.Argument(metavar="SONG", help="A song, or a folder of stems that a split has made.")
    ],
    song: Annotated[Path | None, typer.Option("--song", help="The song that a folder of stems was made of.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page; named after the song, in this folder, when left out.")
    ] = None,
    sensitivity: Annotated[
        float, typer.Option(min=0.1, max=10.0, help="Low lets stems bleed softly, high cuts them hard.")
    ] = 1.0,
    model: Annotated[str, typer.Option(help="See `stems models`, or a .safetensors file of your own.")] = "openband",
    device: Annotated[Device, typer.Option(help="What the network runs on.")] = Device.auto,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier page.")] = False,
) -> None:
    """Write a page that plays the stems of a song and shows how they were found; it needs no network."""
    if song_or_folder.is_dir() and song is None:
        raise OptionError(f"{song_or_folder} is a folder: say by --song which song its stems were made of.")
    if song is not None and not song_or_folder.is_dir():
        raise OptionError(f"--song goes with a folder of stems, and {song_or_folder} is none: leave it out.")
    source = song or song_or_folder
    page = out or Path(f"{source.stem}.html")
    if page.is_dir():
        raise OptionError(f"--out {page} is a folder: name the page, such as {page / source.stem}.html.")
    if page.exists() and not overwrite:
        raise OptionError(f"{page} is there already: --overwrite replaces it, --out names another.")

    from stems.audio import open_song
    from stems.daw.session import audio_in

    stem_files = None
    if song is not None:
        stem_files = {path.stem: path for path in audio_in(song_or_folder) if not _same_file(path, song)}
        if not stem_files:
            raise OptionError(f"{song_or_folder} holds no stems: name the folder of one song.")
    open_song(source).close()  # before torch is loaded: it may not be a song

    from stems.report.page import write_page
    from stems.report.song import song_report
    from stems.separator import Separator

    separator = Separator(model, device.value)
    with typer.progressbar(length=100, label=f"Looking into {source.name}") as bar:
        text = song_report(
            source, separator, sensitivity, stem_files, lambda done: bar.update(int(100 * done) - bar.pos)
        )
    write_page(page, text)
    typer.echo(f"Wrote {page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser.")


def _same_file(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)
