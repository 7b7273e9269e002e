"""`stems plugin`: the real-time plugin, and scripts that run stems from inside a DAW."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from stems.cli.examples import examples_of
from stems.cli.output import say
from stems.cli.words import Command, Commands

SCRIPT_NAME = "Split into stems.lua"

Formats = Annotated[
    str, typer.Option("--format", metavar="FORMATS", help="Formats, such as vst3,clap,lv2; all of them by default.")
]
Dpf = Annotated[
    Path | None,
    typer.Option("--dpf", metavar="FOLDER", help="Folder of DPF, which the plugin is built with, if not Debian's."),
]

app = typer.Typer(
    cls=Commands, help="Build and install the real-time plugin, or write a script for a DAW.", no_args_is_help=True
)


@app.command("build", cls=Command, epilog=examples_of("plugin build"))
def build_plugin(
    formats: Formats = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder to build in; one of the user's cache when left out."
        ),
    ] = None,
    dpf: Dpf = None,
) -> None:
    """Build the plugin, which needs a C++ compiler, CMake and DPF."""
    from stems.daw.plugin import build, cache_folder

    built = build(out or cache_folder(), _formats(formats), dpf)
    for plugin in sorted(path for path in built.iterdir() if path.is_dir()):
        say(f"Built {plugin}")


@app.command("install", cls=Command, epilog=examples_of("plugin install"))
def install_plugin(
    formats: Formats = "",
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Folder to install into; where DAWs look for them when left out."),
    ] = None,
    dpf: Dpf = None,
) -> None:
    """Build the plugin if need be, and put it where DAWs look for plugins."""
    from stems.daw.plugin import build, cache_folder, install

    chosen = _formats(formats)
    for plugin in install(build(cache_folder(), chosen, dpf), chosen, to):
        say(f"Installed {plugin}")


@app.command("reaper", cls=Command, epilog=examples_of("plugin reaper"))
def reaper(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder to write to; REAPER's own for scripts when left out."
        ),
    ] = None,
) -> None:
    """Write a script that splits the selected items from inside REAPER and puts the stems under them."""
    from stems.daw.reaper import script
    from stems.files.destination import whole

    destination = (out or _scripts_of_reaper()) / SCRIPT_NAME
    with whole(destination) as unfinished:
        unfinished.write_text(script(_command()), encoding="utf-8")
    say(f"Wrote {destination}")
    say("In REAPER: Actions > Show action list > New action > Load ReaScript, and choose it.")


def _formats(text: str) -> list[str]:
    from stems.daw.plugin import FORMATS
    from stems.errors import OptionError

    wanted = [name.strip() for name in text.split(",") if name.strip()] or list(FORMATS)
    if unknown := [name for name in wanted if name not in FORMATS]:
        raise OptionError(f"There is no plugin format {unknown[0]!r}: choose from {', '.join(FORMATS)}.")
    return wanted


def _scripts_of_reaper() -> Path:
    home = Path.home()
    places = {
        "darwin": home / "Library" / "Application Support" / "REAPER",
        "win32": Path(os.environ.get("APPDATA", home)) / "REAPER",
    }
    resources = places.get(sys.platform, home / ".config" / "REAPER")
    return resources / "Scripts" if resources.is_dir() else Path()


def _command() -> str:
    """Return the path of the `stems` that is running, since REAPER does not know the shell's PATH."""
    beside_python = shutil.which("stems", path=str(Path(sys.executable).parent))
    return beside_python or shutil.which("stems") or "stems"
