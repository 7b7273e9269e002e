"""Options that several commands have, so that they are spelled and explained alike."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Container(str, Enum):
    """A format that stems can be written in."""

    wav = "wav"
    flac = "flac"
    aiff = "aiff"
    ogg = "ogg"
    mp3 = "mp3"


class Depth(str, Enum):
    """A sample format that stems can be written in."""

    int16 = "16"
    int24 = "24"
    int32 = "32"
    floating = "float"


class Device(str, Enum):
    """What the network runs on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Songs = Annotated[list[str], typer.Argument(help="Songs, folders of songs, or patterns such as '*.flac'.")]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")]
NamePattern = Annotated[str, typer.Option(help="Where each file goes below it.")]
Format = Annotated[
    Container | None, typer.Option("--format", help="Format of the files; the song's own when left out.")
]
BitDepth = Annotated[
    Depth | None, typer.Option("--bit-depth", help="Depth of the files; the song's own when left out.")
]
Sensitivity = Annotated[
    float, typer.Option(min=0.1, max=10.0, help="Low lets stems bleed softly, high cuts them hard.")
]
ModelName = Annotated[str, typer.Option(help="See `stems models`, or a .safetensors file of your own.")]
DeviceName = Annotated[Device, typer.Option(help="What the network runs on.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite/--skip-existing", help="Split songs again whose files are there already.")
]
JsonOutput = Annotated[bool, typer.Option("--json", help="One line of JSON for each song, and no more.")]
