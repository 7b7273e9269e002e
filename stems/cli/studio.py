"""`stems studio`: a page to listen, correct and export."""

from __future__ import annotations

import os
import secrets
import socket
import webbrowser
from pathlib import Path
from threading import Timer
from typing import Annotated

import typer

from stems.cli.extras import require
from stems.cli.options import Device, DeviceName, ModelName, OutFolder
from stems.cli.output import complain, say
from stems.errors import OptionError

OPENS_AFTER_SECONDS = 0.5


def studio(
    songs: Annotated[
        list[str] | None, typer.Argument(metavar="SONGS", help="Songs, folders of songs, or patterns, to begin with.")
    ] = None,
    out: OutFolder = "separated",
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where songs and hints are kept; among your own data when left out."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="PORT", help="0 takes one that is free.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    space: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="GB", help="Disk space for what makes corrections quick; 13 MB a minute of song."
        ),
    ] = 4.0,
    model: ModelName = "openband",
    device: DeviceName = Device.auto,
) -> None:
    """Open a page on this machine to listen to separations, correct them by dragging, and export them."""
    require("The studio", "studio", "starlette", "uvicorn")

    from stems.batch.plan import Settings
    from stems.batch.presets import load_preset
    from stems.batch.split import load_separator
    from stems.card import stem_names
    from stems.files.remote import is_remote

    if is_remote(out):
        raise OptionError(f"The studio exports to this machine, which {out} is not: choose a folder.")
    known = stem_names(model)
    bound = _bound(port)
    separator = load_separator(Settings(load_preset("stems", known=known), model=model, device=device.value))

    import uvicorn

    from stems.studio.server import application
    from stems.studio.studio import Studio

    token, port = secrets.token_urlsafe(24), bound.getsockname()[1]
    made = Studio(folder or usual_folder(), Path(out), separator, round(space * 1e9), model)
    for refusal in made.add_paths(songs or []):
        complain(f"passed over {refusal}")
    address = f"http://127.0.0.1:{port}/{token}/"
    say(f"The studio is at {address}\nStop it with Ctrl-C; songs and hints stay.")
    if browser:
        Timer(OPENS_AFTER_SECONDS, webbrowser.open, [address]).start()
    config = uvicorn.Config(
        application(made, token, port), log_level="warning", access_log=False, timeout_graceful_shutdown=1
    )
    try:
        uvicorn.Server(config).run(sockets=[bound])
    except KeyboardInterrupt:
        say("Stopped.")


def usual_folder() -> Path:
    """Where programs keep the data of their users."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "stems" / "studio"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "stems" / "studio"


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        if os.name != "nt":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        bound.listen()  # whoever opens the address that is printed waits for the server
    except OSError as error:
        raise OptionError(f"Port {port} cannot be used ({error.strerror}): choose another, or 0 for any.") from error
    return bound
