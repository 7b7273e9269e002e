"""`stems plugin`: writes the script that runs stems from inside a DAW."""

from __future__ import annotations

import os
import shutil
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from stems.cli.output import say

SCRIPT_NAME = "Split into stems.lua"


class Host(str, Enum):
    """A DAW that stems can be run from."""

    reaper = "reaper"


def plugin(
    host: Annotated[Host, typer.Argument(help="The DAW.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to; REAPER's own for scripts when left out.")
    ] = None,
) -> None:
    """Write a script that splits the selected items from inside a DAW and puts the stems under them."""
    from stems.daw.reaper import script
    from stems.files.destination import whole

    destination = (out or _scripts_of_reaper()) / SCRIPT_NAME
    with whole(destination) as unfinished:
        unfinished.write_text(script(_command()), encoding="utf-8")
    say(f"Wrote {destination}")
    say("In REAPER: Actions > Show action list > New action > Load ReaScript, and choose it.")


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
