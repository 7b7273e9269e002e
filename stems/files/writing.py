"""Stem files whose samples add up to the mixture."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import soundfile

from stems.errors import AudioError, OptionError
from stems.files.adding_up import Samples, floats_adding_up, integers_adding_up
from stems.files.coded_stem import CODECS, CodedStem
from stems.files.formats import AudioFormat
from stems.files.mp3 import Mp3File
from stems.files.unfinished import Unfinished
from stems.files.wav import WavFile
from stems.layout import interleaved

if TYPE_CHECKING:
    from stems.files.stem_notes import StemNotes

_SUBTYPES = {"int16": "PCM_16", "int24": "PCM_24", "int32": "PCM_32", "float32": "FLOAT", "float64": "DOUBLE"}
_SAMPLES_AT_ONCE = 16_384  # fits a processor's cache; libsndfile's Vorbis encoder crashes on millions at once
_UNENCODED = ("wav", "aiff")  # containers of samples as they are
SUM_TOLERANCE = 1e-3  # times full scale or the peak: what rounding in single precision stays far below
_FOUR_GIB = 2**32 - 2**16  # what 32-bit sizes can state, with room for headers


class StemFiles:
    """The stems of one song while they are written, block by block.

    Files get their names only once all of them are complete, when the `with` block ends. If it ends in any exception,
    nothing of them is left, nor any folder made for them.

    Attributes:
        samples_clipped: how many samples of the song came above the full scale at which the format ends.
        peak: the largest magnitude of the mixture.

    Args:
        paths: where to write each stem; stems without a path are not written.
        format: format of all stems.
        samples_expected: length of the song. A wav file that would pass 4 GiB becomes RF64.
        notes: what each stem's file tells beside its audio.

    Raises:
        AudioError: a folder or file cannot be written, or fewer or more samples came than expected.
        OptionError: the container cannot hold that much.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        format: AudioFormat,
        samples_expected: int,
        notes: StemNotes | None = None,
    ) -> None:
        self.paths = dict(paths)
        self.notes = notes
        self.format = format
        self.samples_expected = samples_expected
        self.samples_written = 0
        self.samples_clipped = 0
        self.peak = 0.0
        self._files: dict[str, soundfile.SoundFile | Mp3File | WavFile | CodedStem] = {}
        self._unfinished: dict[str, Unfinished] = {}
        self._folders_made: list[Path] = []
        # Encoding four stems takes longer than separating them, so that each has a thread of its own.
        encodes = format.container not in _UNENCODED and len(paths) > 1
        self._encoders = ThreadPoolExecutor(len(paths)) if encodes else None
        self._map: Callable[..., Iterator[None]] = self._encoders.map if self._encoders else map

    def __enter__(self) -> StemFiles:
        try:
            for stem, path in self.paths.items():
                self._open(stem, path)
        except BaseException:
            self._discard()
            raise
        return self

    def write(self, mixture: Samples, stems: Mapping[str, Samples]) -> None:
        """Writes the next block; where blocks begin and end makes no difference to lossless files.

        In an integer format the stems are rounded so that they add up to the mixture's own integers. In a float format
        they add up to the mixture to within -120 dBFS, unless it is far above full scale. In a lossy format they are
        clipped to full scale.

        Args:
            mixture: `(channels, samples)` from `Song.read_exact`.
            stems: all stems of the mixture, also those that are not written, `(channels, samples)` each.

        Raises:
            AudioError: the stems hold a NaN, or do not add up to the mixture.
        """
        for start in range(0, mixture.shape[1], _SAMPLES_AT_ONCE):
            piece = slice(start, start + _SAMPLES_AT_ONCE)
            stacked = np.stack([stem[:, piece] for stem in stems.values()])
            self._check_sum(mixture[:, piece], stacked, start)
            samples = self._samples_to_write(mixture[:, piece], stacked)
            written = {stem: part for stem, part in zip(stems, samples, strict=True) if stem in self._files}
            for _ in self._map(self._write, written, written.values()):
                pass
        self.samples_written += mixture.shape[1]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def _open(self, stem: str, path: Path) -> None:
        self._make_folder(path.parent)
        if path.is_dir():
            raise AudioError(f"{path} is a folder, so that the stem cannot have this name: choose another.")
        try:
            self._unfinished[stem] = Unfinished(path, is_shared=False)
        except FileExistsError as error:
            raise AudioError(f"{path} is being written by another run: wait until that has ended.") from error
        except OSError as error:
            raise _cannot_write(path.parent, error) from error
        partial = self._unfinished[stem].path
        with self._disk_errors(stem):
            if self.format.container == "mp3":
                self._files[stem] = Mp3File(partial, self.format.sample_rate, self.format.channels)
            elif self.format.container == "wav":
                chunks = self.notes.chunks(stem) if self.notes else {}
                self._files[stem] = WavFile(partial, self.format, self.samples_expected, chunks)
            elif self.format.container in CODECS:
                self._files[stem] = CodedStem(partial, self.format)
            else:
                self._files[stem] = soundfile.SoundFile(
                    partial, "w", self.format.sample_rate, self.format.channels, **self._encoder()
                )

    def _write(self, stem: str, samples: npt.NDArray[np.generic]) -> None:
        with self._disk_errors(stem):
            self._files[stem].write(interleaved(samples))

    def _encoder(self) -> dict[str, str | float]:
        """What soundfile calls the format; lossy codecs at their best quality."""
        container, size = self.format.container, self.samples_expected * self.format.frame_bytes
        if container == "ogg":
            return {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.0}
        if container == "aiff" and size > _FOUR_GIB:
            raise OptionError(f"A stem of {size / 2**30:.1f} GiB is more than aiff can hold: choose wav or flac.")
        return {"format": container.upper(), "subtype": _SUBTYPES[self.format.encoding]}

    def _make_folder(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        try:
            for parent in reversed(missing):
                self._folders_made.append(parent)
                parent.mkdir(exist_ok=True)
        except OSError as error:
            raise _cannot_write(folder, error) from error

    def _check_sum(self, mixture: Samples, stems: Samples, start: int) -> None:
        missing = np.abs(mixture - stems.sum(axis=0))
        self.peak = max(self.peak, loudest := _loudest(mixture))
        if not missing.max(initial=0.0) <= SUM_TOLERANCE:  # as of NaN
            self._check_each_sum(missing, SUM_TOLERANCE * max(1.0, loudest, _loudest(stems)), start)
        if not self.format.is_float and (loudest > 1.0 or self.format.is_lossy):
            beyond = np.abs(mixture) > 1.0
            if self.format.is_lossy:
                beyond = beyond | (np.abs(stems) > 1.0).any(axis=0)
            self.samples_clipped += int(beyond.any(axis=0).sum())

    def _check_each_sum(self, missing: Samples, tolerance: float, start: int) -> None:
        adds_up = np.isfinite(missing) & (missing <= tolerance)
        if not adds_up.all():
            place = int(np.argmin(adds_up.all(axis=0)))
            second = (self.samples_written + start + place) / self.format.sample_rate
            fault = "do not add up to it" if np.isfinite(missing[:, place]).all() else "hold no number"
            where = next(iter(self.paths.values()), Path()).parent
            raise AudioError(
                f"{where} gets no stems, which at {second:.3f} s {fault}: use another model, or leave the effects out."
            )

    def _samples_to_write(self, mixture: Samples, stems: Samples) -> npt.NDArray[np.generic]:
        if self.format.is_integer:
            integers = integers_adding_up(mixture, stems, self.format.bits)
            if self.format.bits == 16 and self.format.container != "alac":
                return integers
            return integers.astype(np.int32) << (32 - self.format.bits)  # all files take the upper bits of 32
        if self.format.is_lossy:
            return np.clip(stems, -1.0, 1.0)
        return floats_adding_up(mixture, stems).astype(self.format.encoding)

    @contextmanager
    def _disk_errors(self, stem: str) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, AssertionError, OSError) as error:  # soundfile asserts that all was written
            raise AudioError(f"{self.paths[stem]} cannot be written: free some space on its disk.") from error

    def _finish(self) -> None:
        if self.samples_written != self.samples_expected:
            raise AudioError(
                f"{self.samples_written} samples came for stems of {self.samples_expected}: separate the song again."
            )
        for stem, file in self._files.items():
            with self._disk_errors(stem):
                file.close()
                if self.notes:
                    self.notes.tag(stem, self._unfinished[stem].path)
        named: list[Path] = []
        for stem, unfinished in self._unfinished.items():
            try:
                unfinished.finish()
            except OSError as error:
                for path in named:  # some stems of a song would be taken for all of them
                    path.unlink(missing_ok=True)
                raise _cannot_write(self.paths[stem], error) from error
            named.append(self.paths[stem])

    def _discard(self) -> None:
        """Removes what is not finished, which after `_finish` is nothing."""
        if self._encoders is not None:
            self._encoders.shutdown()
        for file in self._files.values():
            with suppress(RuntimeError, OSError):  # the disk is full
                file.close()
        for unfinished in self._unfinished.values():
            unfinished.discard()
        for folder in reversed(self._folders_made):
            with suppress(OSError):  # not empty, or never made
                folder.rmdir()


def _loudest(audio: Samples) -> float:
    """The largest magnitude."""
    return max(-float(audio.min(initial=0.0)), float(audio.max(initial=0.0)))


def _cannot_write(path: Path, error: OSError) -> AudioError:
    if error.errno == errno.ENAMETOOLONG:
        return AudioError(f"{str(path)[:60]}... is too long a path: shorten --name, or choose an --out nearer by.")
    return AudioError(f"{path} cannot be written ({error.strerror}): choose another output folder.")
