"""Song files as blocks of samples, whatever their container, rate, depth or number of channels."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stems.errors import AudioError, OptionError
from stems.files.decoding import Damaged, Decoder, open_decoder
from stems.files.formats import READABLE_SUFFIXES, AudioFormat
from stems.files.truncation import is_cut_off
from stems.layout import planar
from stems.limits import FAINTEST, LOUDEST

LOWEST_RATE = 8_000
HIGHEST_RATE = 192_000
MOST_CHANNELS = 2

__all__ = ["READABLE_SUFFIXES", "Reading", "Song", "in_single_precision", "is_alike", "open_song"]

_SAME_SECONDS = 0.5  # by which headers of one song may differ
_DECODED_AT_ONCE = 65_536


@dataclass(frozen=True)
class Reading:
    """What of a file is read.

    Attributes:
        track: of the audio tracks in a video or other container, from 1.
        downmix: whether more than two channels are folded to two (ITU-R BS.775); they are refused otherwise.
        begin: where a passage of it begins, seconds.
        end: where that ends, seconds; None for the end of the song.
        any_channels: whether more than two channels are read as they are.
    """

    track: int = 1
    downmix: bool = False
    begin: float = 0.0
    end: float | None = None
    any_channels: bool = False


def open_song(path: str | os.PathLike[str], reading: Reading = Reading()) -> Song:
    """Opens a song for reading; close it, or use it in a `with` block.

    Raises:
        AudioError: there is no such file, it is not audio of one or two channels at 8 to 192 kHz, or it is cut off.
        OptionError: it has no such track.
    """
    return Song(Path(path), reading)


class Song:
    """A song that is read in blocks.

    Uncompressed files are read at any position. Compressed ones are only ever decoded forward, because seeking in them
    lands on wrong samples: reading on from the end of the last block, or from within it, costs nothing extra; reading
    from before it decodes the song again from its beginning. One thread at a time.

    Attributes:
        path: the file.
        reading: what of it is read.
        format: its format.
    """

    def __init__(self, path: Path, reading: Reading = Reading()) -> None:
        self.path, self.reading = path, reading
        _check_file(path)
        self._as_opened = _state(path)
        self._decoder = self._open()
        try:
            with _still_there(path):
                self._check()
        except BaseException:
            self.close()
            raise
        self._last_block, self._last_start = self._nothing(), 0

    @property
    def format(self) -> AudioFormat:
        """Shape of the file: container, encoding, sample rate in Hz and channels."""
        return self._decoder.format

    @cached_property
    def samples(self) -> int:
        """Length, in samples of one channel, that can really be read.

        The header of a compressed file may promise more or fewer, so such a file is decoded once, at 1000 to 2000
        times real time, when this is first asked for; that finds damage before any work is spent on the song.

        Raises:
            AudioError: the file is damaged or cut off.
            OptionError: it ends before the passage that is to be read.
        """
        rate, reading = self.format.sample_rate, self.reading
        end = self._whole if reading.end is None else min(self._whole, round(reading.end * rate))
        if end <= self._first:
            raise OptionError(
                f"{self.path} is {self._whole / rate:.1f} s long and has nothing from {reading.begin:g} s on"
                f"{'' if reading.end is None else f' to {reading.end:g} s'}: choose another passage."
            )
        return end - self._first

    @property
    def stated(self) -> int | None:
        """Length by the headers alone, without decoding anything; None where they do not say."""
        rate, whole = self.format.sample_rate, self._decoder.stated
        if whole is None:
            return None
        end = whole if self.reading.end is None else min(whole, round(self.reading.end * rate))
        return max(0, end - self._first)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / self.format.sample_rate

    @property
    def is_read_anywhere(self) -> bool:
        """Whether reading at any position costs nothing extra."""
        return self._decoder.seekable

    def read(self, start: int, count: int) -> npt.NDArray[np.float32]:
        """Up to `count` samples from sample `start` on, fewer at the end: `(channels, samples)`, full scale is 1.

        What is too small for single precision is 0.

        Raises:
            AudioError: the file is damaged there, or a sample is NaN, infinite or beyond `LOUDEST`.
        """
        return in_single_precision(self.read_exact(start, count), self.format)

    def read_exact(self, start: int, count: int) -> npt.NDArray[np.floating]:
        """As `read`, but without loss: in the precision that holds all samples of the format.

        Times `2 ** (bits - 1)`, the samples of an integer file are its integers, exactly.
        """
        stop = min(start + count, self.samples)
        if not 0 <= start <= stop:
            raise ValueError(f"samples {start} to {start + count} are not inside a song of {self.samples} samples")
        first, last = start + self._first, stop + self._first
        if self._decoder.seekable:
            self._decoder.seek(first)
            block = self._decode(self._decoder, last - first, first)
        else:
            block = self._decode_forward(first, last)
        if len(block) < last - first:
            raise self._damaged(first + len(block))
        if not self.format.is_integer:
            self._check_floats(block, first)
        return planar(block)  # a copy: the caller may change it

    def check_unchanged(self) -> None:
        """Raises AudioError where the file was replaced or written to since it was opened; one that is gone was not."""
        if _state(self.path) not in (self._as_opened, None):
            raise AudioError(f"{self.path} was changed while it was read: do it again.")

    def close(self) -> None:
        """Closes the file."""
        self._decoder.close()

    def __enter__(self) -> Song:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Decoder:
        with _still_there(self.path):
            return open_decoder(self.path, self.reading.track, self.reading.downmix)

    def _check(self) -> None:
        channels, rate = self._decoder.format.channels, self._decoder.format.sample_rate
        if channels > MOST_CHANNELS and not self.reading.any_channels:
            remedy = "mix it down to mono or stereo"
            if not self.reading.downmix:
                remedy += ", as `stems split --downmix` does"
            else:
                remedy += " in a DAW, since it does not tell which speakers they are for"
            raise AudioError(f"{self.path} has {channels} channels: {remedy}.")
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise AudioError(
                f"{self.path} has {rate} Hz: convert it to a rate from {LOWEST_RATE} to {HIGHEST_RATE} Hz."
            )
        if self._decoder.stated == 0:
            raise AudioError(f"{self.path} holds no samples: export it again.")
        if is_cut_off(self.path):
            raise self._cut_off(self._whole)

    @property
    def _first(self) -> int:
        """The first sample that is read."""
        return round(self.reading.begin * self.format.sample_rate)

    @cached_property
    def _whole(self) -> int:
        """Samples of the whole file."""
        if self._decoder.seekable:
            return self._decoder.stated or 0
        decoder, count = self._open(), 0
        try:
            while decoded := len(self._decode(decoder, _DECODED_AT_ONCE, count)):
                count += decoded
        finally:
            decoder.close()
        if count == 0:
            raise AudioError(f"{self.path} holds no samples: export it again.")
        if decoder.stated is not None and count < decoder.stated - decoder.may_lack:
            raise self._cut_off(count) if decoder.may_lack else self._damaged(count)
        return count

    def _decode_forward(self, start: int, stop: int) -> npt.NDArray[np.floating]:
        if start < self._last_start:
            self._decoder.close()
            self._decoder = self._open()
            self._last_block, self._last_start = self._nothing(), 0
        known = self._last_block[start - self._last_start : stop - self._last_start]
        position = self._last_start + len(self._last_block)
        if stop <= position:
            return known
        while position < start:
            skipped = len(self._decode(self._decoder, min(start - position, _DECODED_AT_ONCE), position))
            if not skipped:
                raise self._damaged(position)
            position += skipped
        self._last_block = np.concatenate([known, self._decode(self._decoder, stop - position, position)])
        self._last_start = start
        return self._last_block

    def _decode(self, decoder: Decoder, count: int, position: int) -> npt.NDArray[np.floating]:
        try:
            with _still_there(self.path):
                return decoder.read(count)
        except Damaged as error:
            raise self._damaged(position) from error

    def _nothing(self) -> npt.NDArray[np.floating]:
        return np.empty((0, self.format.channels), self.format.precision)

    def _check_floats(self, block: npt.NDArray[np.floating], start: int) -> None:
        is_sound = np.abs(block) <= LOUDEST  # which no NaN is
        if not is_sound.all():
            place = int(np.argmin(is_sound.all(axis=1)))
            kind = "sample far beyond full scale" if np.isfinite(block[place]).all() else "NaN or infinite sample"
            second = (start + place) / self.format.sample_rate
            raise AudioError(f"{self.path} holds a {kind} at {second:.3f} s: export it again.")

    def _damaged(self, position: int) -> AudioError:
        second = position / self.format.sample_rate
        return AudioError(f"{self.path} is damaged after {second:.1f} s: export or download it again.")

    def _cut_off(self, samples: int) -> AudioError:
        return AudioError(
            f"{self.path} is cut off after {samples / self.format.sample_rate:.1f} s: "
            "export or download it again, or convert it if there is no more of it."
        )


def in_single_precision(block: npt.NDArray[np.floating], form: AudioFormat) -> npt.NDArray[np.float32]:
    """Samples as float32, those of a song of floats that are too small for it being 0; the block may be changed."""
    if not form.is_integer:
        block[np.abs(block) < FAINTEST] = 0
    return block.astype(np.float32, copy=False)


def is_alike(stem: Path, song: Song, encoding: str) -> bool:
    """Whether a stem that is there was made of what is to be split, as far as headers tell: as long, in that encoding.

    A passage was split where it is not, or into other files, or the song has changed.
    """
    try:
        with open_song(stem, Reading(any_channels=True)) as earlier:
            lengths = [each.stated and each.stated / each.format.sample_rate for each in (earlier, song)]
            if earlier.format.encoding != encoding:
                return False
    except AudioError:  # which is to be made again
        return False
    if lengths[0] is None or lengths[1] is None:
        return True
    return abs(lengths[0] - lengths[1]) <= _SAME_SECONDS


def _state(path: Path) -> tuple[int, int] | None:
    """Size in bytes and modification time in nanoseconds, which tell one state of a file from another; None if gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@contextmanager
def _still_there(path: Path) -> Iterator[None]:
    """Says in one sentence what becomes of a file after it was opened, which some formats open again and again."""
    try:
        yield
    except FileNotFoundError as error:
        raise AudioError(f"{path} was moved or deleted while it was read: put it back, or leave it out.") from error
    except OSError as error:
        reason = error.strerror or error
        raise AudioError(f"{path} cannot be read any more ({reason}): check its disk and its permissions.") from error


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
