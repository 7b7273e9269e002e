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


Songs = Annotated[
    list[str], typer.Argument(metavar="SONGS", help="Songs, folders of songs, or patterns such as '*.flac'.")
]
OutFolder = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the results.")]
NamePattern = Annotated[str, typer.Option(metavar="PATTERN", help="Where each file goes below it.")]
Format = Annotated[
    Container | None,
    typer.Option("--format", metavar="FORMAT", help="wav, flac, aiff, ogg or mp3; the song's own when left out."),
]
BitDepth = Annotated[
    Depth | None, typer.Option("--bit-depth", metavar="BITS", help="16, 24, 32 or float; the song's own when left out.")
]
Sensitivity = Annotated[
    float,
    typer.Option(
        min=0.1, max=10.0, metavar="FACTOR", help="0.1 to 10: low lets stems bleed softly, high cuts them hard."
    ),
]
ModelName = Annotated[
    str, typer.Option(metavar="MODEL", help="See `stems models`, or a .safetensors file of your own.")
]
DeviceName = Annotated[Device, typer.Option(metavar="DEVICE", help="What the network runs on: auto, cpu, cuda or mps.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Split songs again whose files are there already.")]
JsonOutput = Annotated[bool, typer.Option("--json", help="One line of JSON for each song, and no more.")]
