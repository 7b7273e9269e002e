"""Song files as blocks of samples, whatever their container, rate, depth or number of channels."""

from __future__ import annotations

import errno
import os
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from stems.errors import AudioError
from stems.files.formats import AudioFormat
from stems.files.truncation import is_cut_off, is_cut_off_mp3

LOWEST_RATE = 8_000
HIGHEST_RATE = 192_000
MOST_CHANNELS = 2

READABLE_SUFFIXES = frozenset(
    {".aif", ".aifc", ".aiff", ".caf", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64", ".wav", ".wave"}
)
"""Suffixes, in lower case, by which songs are found in a folder; a file named by the user is read whatever its name."""

_CONTAINERS = {
    "WAV": "wav",
    "WAVEX": "wav",
    "RF64": "wav",
    "W64": "wav",
    "CAF": "wav",
    "AIFF": "aiff",
    "FLAC": "flac",
    "OGG": "ogg",
    "MP3": "mp3",
}
_ENCODINGS = {
    "PCM_S8": "int8",
    "PCM_U8": "int8",
    "PCM_16": "int16",
    "PCM_24": "int24",
    "PCM_32": "int32",
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
_DECODED_AT_ONCE = 65_536
_UNREAD_AT_MOST = 16_384  # bytes: tags, or the last frames of an mp3, which hold nothing but padding
_CONVERT = "convert it to wav, aiff, flac, ogg or mp3"


def open_song(path: str | os.PathLike[str]) -> Song:
    """Opens a song for reading; close it, or use it in a `with` block.

    Raises:
        AudioError: there is no such file, or it is not audio of one or two channels at 8 to 192 kHz.
    """
    return Song(Path(path))


class Song:
    """A song that is read in blocks.

    Uncompressed files are read at any position. Compressed ones are only ever decoded forward, because seeking in mp3
    and Vorbis lands on wrong samples: reading on from the end of the last block, or from within it, costs nothing
    extra; reading from before it decodes the song again from its beginning. One thread at a time.

    Attributes:
        path: the file.
        format: its format.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_file(path)
        self._sound = self._open()
        try:
            self.format = self._read_format()
        except BaseException:
            self.close()
            raise
        self._last_block, self._last_start = self._nothing(), 0

    @cached_property
    def samples(self) -> int:
        """Length, in samples of one channel, that can really be read.

        The header of a compressed file may promise more or fewer, so such a file is decoded once, at 1000 to 2000
        times real time, when this is first asked for; that finds damage before any work is spent on the song.

        Raises:
            AudioError: the file is damaged, or longer than its header lets it be read.
        """
        return self._sound.frames if self._sound.seekable() else self._count_samples()

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.format.sample_rate

    @property
    def is_read_anywhere(self) -> bool:
        """Whether reading at any position costs nothing extra."""
        return self._sound.seekable()

    def read(self, start: int, count: int) -> npt.NDArray[np.float32]:
        """Up to `count` samples from sample `start` on, fewer at the end: `(channels, samples)`, full scale is 1.

        Raises:
            AudioError: the file is damaged there, or a sample is NaN or infinite.
        """
        return self.read_exact(start, count).astype(np.float32)

    def read_exact(self, start: int, count: int) -> npt.NDArray[np.float64]:
        """As `read`, but without loss: 64-bit floats hold the samples of all formats.

        Times `2 ** (bits - 1)`, the samples of an integer file are its integers, exactly.
        """
        stop = min(start + count, self.samples)
        if not 0 <= start <= stop:
            raise ValueError(f"samples {start} to {start + count} are not inside a song of {self.samples} samples")
        if self._sound.seekable():
            self._sound.seek(start)
            block = self._decode(self._sound, stop - start, start)
        else:
            block = self._decode_forward(start, stop)
        if len(block) < stop - start:
            raise self._damaged(start + len(block))
        if not self.format.is_integer and not np.isfinite(block).all():
            second = (start + int(np.argmin(np.isfinite(block).all(axis=1)))) / self.format.sample_rate
            raise AudioError(f"{self.path} holds a NaN or infinite sample at {second:.3f} s: export it again.")
        return np.array(block.T, order="C")  # a copy: the caller may change it

    def close(self) -> None:
        """Closes the file."""
        self._sound.close()

    def __enter__(self) -> Song:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> _Sound:
        try:
            return _Sound(self.path)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self.path} is not audio, is damaged or has an unknown codec: {_CONVERT}.") from error

    def _read_format(self) -> AudioFormat:
        sound = self._sound
        if sound.format not in _CONTAINERS:
            raise AudioError(f"{self.path} is {sound.format} audio: {_CONVERT}.")
        if sound.channels > MOST_CHANNELS:
            raise AudioError(f"{self.path} has {sound.channels} channels: mix it down to mono or stereo.")
        if not LOWEST_RATE <= sound.samplerate <= HIGHEST_RATE:
            raise AudioError(
                f"{self.path} has {sound.samplerate} Hz: convert it to a rate from {LOWEST_RATE} to {HIGHEST_RATE} Hz."
            )
        if sound.frames == 0:
            raise AudioError(f"{self.path} holds no samples: export it again.")
        if is_cut_off(sound.extra_info):
            raise self._cut_off(sound.frames, sound.samplerate)
        encoding = _ENCODINGS.get(sound.subtype, "lossy")
        return AudioFormat(_CONTAINERS[sound.format], encoding, sound.samplerate, sound.channels)

    def _count_samples(self) -> int:
        count = 0
        with open(self.path, "rb") as file, _Sound(file) as sound:
            while decoded := len(self._decode(sound, _DECODED_AT_ONCE, count)):
                count += decoded
            if self.format.container == "ogg" and count < sound.frames:
                raise self._damaged(count)
            unread = os.path.getsize(self.path) - file.tell()
            if self.format.container == "mp3" and unread > _UNREAD_AT_MOST and _is_mpeg_frame(file.read(2)):
                raise AudioError(
                    f"{self.path} goes on after the end that it states, {count / sound.samplerate:.1f} s: "
                    "its length header is missing or wrong, convert it to wav."
                )
            if self.format.container == "mp3" and is_cut_off_mp3(self.path, count, sound.frames):
                raise self._cut_off(count, sound.samplerate)
        if count == 0:
            raise AudioError(f"{self.path} holds no samples: export it again.")
        return count

    def _decode_forward(self, start: int, stop: int) -> npt.NDArray[np.float64]:
        if start < self._last_start:
            self._sound.close()
            self._sound = self._open()
            self._last_block, self._last_start = self._nothing(), 0
        known = self._last_block[start - self._last_start : stop - self._last_start]
        position = self._last_start + len(self._last_block)
        if stop <= position:
            return known
        while position < start:
            skipped = len(self._decode(self._sound, min(start - position, _DECODED_AT_ONCE), position))
            if not skipped:
                raise self._damaged(position)
            position += skipped
        self._last_block = np.concatenate([known, self._decode(self._sound, stop - position, position)])
        self._last_start = start
        return self._last_block

    def _decode(self, sound: _Sound, count: int, position: int) -> npt.NDArray[np.float64]:
        try:
            block: npt.NDArray[np.float64] = sound.read(count, dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise self._damaged(position) from error
        return block

    def _nothing(self) -> npt.NDArray[np.float64]:
        return np.empty((0, self._sound.channels))

    def _damaged(self, position: int) -> AudioError:
        second = position / self.format.sample_rate
        return AudioError(f"{self.path} is damaged after {second:.1f} s: export or download it again.")

    def _cut_off(self, samples: int, sample_rate: int) -> AudioError:
        return AudioError(
            f"{self.path} is cut off after {samples / sample_rate:.1f} s: "
            "export or download it again, or convert it if there is no more of it."
        )


class _Sound(soundfile.SoundFile):  # type: ignore[misc]
    """A file that seeks only where this is exact, which soundfile otherwise also does by itself after every block."""

    def seekable(self) -> bool:
        return self.format not in ("FLAC", "OGG", "MP3") and self.subtype in _ENCODINGS


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise AudioError(f"{path} is a folder, not a song: name a file in it.")
        if path.exists() and not path.is_file():
            raise AudioError(f"{path} is not a regular file: save it as a file first.")
        with open(path, "rb") as file:
            if not file.read(1):
                raise AudioError(f"{path} is empty: export or download it again.")
    except FileNotFoundError as error:
        raise AudioError(f"{path} does not exist: check its name.") from error
    except OSError as error:
        remedy = "give it a shorter name" if error.errno == errno.ENAMETOOLONG else "check its permissions"
        raise AudioError(f"{path} cannot be opened ({error.strerror}): {remedy}.") from error


def _is_mpeg_frame(start: bytes) -> bool:
    return len(start) == 2 and start[0] == 0xFF and start[1] >= 0xE0
