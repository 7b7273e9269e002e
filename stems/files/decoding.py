"""Which library decodes a song: libsndfile what it reads exactly, FFmpeg (by PyAV) everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stems.errors import AudioError
from stems.files.file_part import FilePart
from stems.files.formats import AudioFormat
from stems.files.mp3_frames import frames_of
from stems.files.ogg import links_of

READABLE = "convert it to wav, aiff, flac, mp3 or m4a"
"""The remedy for what nothing decodes."""

_SNDFILE_BEGINS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"fLaC", b"caff", b"riff", b"OggS")


class Damaged(Exception):
    """The next block cannot be decoded."""


class Decoder(Protocol):
    """A song that is decoded from its beginning on, or from anywhere if it is seekable.

    Attributes:
        format: of the song.
        layout_channels: how many channels the file has, of which a downmix makes two.
        seekable: whether every sample can be found at once.
        stated: how many samples the headers promise, None where they do not say.
        may_lack: how many of them may be missing without the song being cut off.
    """

    format: AudioFormat
    layout_channels: int
    seekable: bool
    stated: int | None
    may_lack: int

    def seek(self, sample: int) -> None:
        """Goes to a sample of a seekable song."""

    def read(self, count: int) -> npt.NDArray[np.floating]:
        """The next `count` samples, fewer at the end of the song only: `(samples, channels)`.

        They come in `format.precision`.

        Raises:
            Damaged: they cannot be decoded.
        """

    def close(self) -> None:
        """Closes the file."""


def open_decoder(path: Path, track: int = 1, downmix: bool = False) -> Decoder:
    """Opens a file with what decodes it best.

    libsndfile has wav, aiff, flac, CAF, Wave64, Vorbis, and mp3 that states where it ends. FFmpeg has the rest: other
    mp3 too, because libmpg123 stops early in those whose length it guesses and prints what it thinks of them; Ogg of
    several links, Opus and FLAC in Ogg, which libsndfile reads in part or not at all.

    Args:
        track: of those in a video or other container, from 1.
        downmix: whether more than two channels become two.

    Raises:
        AudioError: neither reads it.
        OptionError: it has no such track.
    """
    from stems.files.sndfile import Sndfile

    with open(path, "rb") as file:
        begin = file.read(12)
    if begin.startswith(b"OggS"):
        links = links_of(path)
        if len(links) > 1 or not links[0].is_vorbis:
            from stems.files.chained_ogg import ChainedOgg

            return ChainedOgg(path, links, track, downmix)
    sound = Sndfile.opened(path) if begin.startswith(_SNDFILE_BEGINS) and track == 1 else None
    first, end = frames_of(path)
    if end is not None and track == 1:
        sound = Sndfile.opened(FilePart(path, first, end), mp3=True)
    if sound is not None and not (downmix and sound.layout_channels > 2):
        return sound
    from stems.files.libav import Libav  # FFmpeg, which most songs need not load

    try:
        return Libav(path, track, downmix)
    except AudioError:
        is_mpeg = begin.startswith(b"ID3") or (begin[:1] == b"\xff" and begin[1:2] >= b"\xe0")
        free_format = Sndfile.opened(path, mp3=True) if is_mpeg else None  # mp3 of any bit rate, which FFmpeg lacks
        if free_format is None:
            raise
        return free_format
