"""Options that several commands have, so that they are spelled and explained alike."""

from __future__ import annotations

from enum import Enum
from math import nan
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import stems.sensitivity
from stems.cli.extras import require
from stems.errors import OptionError
from stems.limits import HIGHEST_BPM, HIGHEST_SENSITIVITY, LOWEST_BPM, LOWEST_SENSITIVITY

if TYPE_CHECKING:
    from stems.files.audio import Reading


class Container(str, Enum):
    """A format that stems can be written in."""

    wav = "wav"
    flac = "flac"
    aiff = "aiff"
    alac = "alac"
    ogg = "ogg"
    mp3 = "mp3"
    m4a = "m4a"
    opus = "opus"


class Depth(str, Enum):
    """A sample format that stems can be written in."""

    int16 = "16"
    int24 = "24"
    int32 = "32"
    floating = "float"


class Clip(str, Enum):
    """What becomes of a song above full scale."""

    clamp = "clamp"
    rescale = "rescale"


class Device(str, Enum):
    """What the network runs on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


Tempo = Annotated[
    str | None,
    typer.Option(
        "--bpm", metavar="TEMPO", help="Of projects, over what the tags say: beats per minute, or auto to estimate it."
    ),
]
Songs = Annotated[
    list[str],
    typer.Argument(
        metavar="SONGS", help="Songs, folders of songs, or patterns such as '*.flac'; - for one from standard input."
    ),
]
SongsIfAny = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SONGS",
        help="Songs, folders of songs, or patterns such as '*.flac', also at s3://, gs://, az://, https:// or sftp://; "
        "- for one from standard input.",
    ),
]
OutPlace = Annotated[
    str,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Folder for the results; may be at s3://, gs://, az:// or sftp://."
    ),
]
Manifest = Annotated[
    str | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="A list of songs: text, .m3u8, .csv, .jsonl or .parquet, with columns song and, if you like, track.",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard", metavar="N/ALL", help="Only this part of the songs, such as 3/64, for one of as many machines."
    ),
]
OutFolder = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Folder for the results.")]
NamePattern = Annotated[str, typer.Option(metavar="PATTERN", help="Where each file goes below it.")]
Format = Annotated[
    Container | None,
    typer.Option(
        "--format", metavar="FORMAT", help="wav, flac, aiff, alac, ogg, mp3, m4a or opus; the song's own when left out."
    ),
]
BitDepth = Annotated[
    Depth | None, typer.Option("--bit-depth", metavar="BITS", help="16, 24, 32 or float; the song's own when left out.")
]


def _sensitivity_of(text: object) -> stems.sensitivity.Sensitivity:
    try:
        return stems.sensitivity.Sensitivity.of(text if isinstance(text, stems.sensitivity.Sensitivity) else str(text))
    except OptionError as error:
        raise OptionError(f"--{error}") from error


Sensitivity = Annotated[
    stems.sensitivity.Sensitivity,
    typer.Option(
        parser=_sensitivity_of,
        metavar="FACTOR",
        help="0.1 to 10: low lets stems bleed softly, high cuts them hard. Also for stems: vocals=2,drums=1.",
    ),
]
USUAL_SENSITIVITY = stems.sensitivity.Sensitivity()
OneSensitivity = Annotated[
    float,
    typer.Option(
        "--sensitivity",
        min=LOWEST_SENSITIVITY,
        max=HIGHEST_SENSITIVITY,
        metavar="FACTOR",
        help="0.1 to 10: low lets stems bleed softly, high cuts them hard.",
    ),
]
ModelName = Annotated[
    str, typer.Option(metavar="MODEL", help="See `stems models`, or a .safetensors file of your own.")
]
DeviceName = Annotated[Device, typer.Option(metavar="DEVICE", help="What the network runs on: auto, cpu, cuda or mps.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Split songs again whose files are there already.")]
JsonOutput = Annotated[bool, typer.Option("--json", help="One line of JSON for each song, and no more.")]
JsonProgress = Annotated[
    bool, typer.Option("--json-progress", help="The same, and a line for each tenth of a song that is done.")
]
CopySong = Annotated[
    bool, typer.Option("--copy-song", help="Copy the song beside a REAPER project, so that its folder can be moved.")
]
Track = Annotated[
    int, typer.Option("--track", metavar="NUMBER", min=1, help="Audio track of a video or other file, from 1.")
]
Downmix = Annotated[bool, typer.Option("--downmix", help="Fold more than two channels to two (ITU-R BS.775).")]
ClipMode = Annotated[
    Clip,
    typer.Option(
        "--clip-mode", metavar="MODE", help="A song above full scale: clamp it there, or rescale it with all stems."
    ),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Where the passage begins that is split, such as 1:02.5.")
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Where it ends.")]


def reading_of(begin: str | None, end: str | None, track: int, downmix: bool) -> Reading:
    """What of each song is read, as the options say.

    Raises:
        OptionError: a time is none, or the passage ends before it begins.
    """
    from stems.clock import seconds_of
    from stems.files.audio import Reading

    first, last = seconds_of(begin or "0", "--from"), seconds_of(end, "--to") if end else None
    if last is not None and last <= first:
        raise OptionError(f"--to {end} is not after --from {begin or 0}: give a later time.")
    return Reading(track, downmix, first, last)


def tempo_of(text: str | None) -> float | Literal["auto"] | None:
    """The tempo of `--bpm`, beats per minute, or that it is to be estimated.

    Raises:
        OptionError: it is no tempo, or what estimates it is missing.
    """
    if text is None:
        return None
    if text == "auto":
        require("--bpm auto", "tempo", "librosa", "soxr")
        return "auto"
    try:
        tempo_bpm = float(text)
    except ValueError:
        tempo_bpm = nan
    if not LOWEST_BPM <= tempo_bpm <= HIGHEST_BPM:
        raise OptionError(f"--bpm {text} is no tempo: give {LOWEST_BPM} to {HIGHEST_BPM} beats per minute, or auto.")
    return tempo_bpm
