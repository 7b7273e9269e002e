"""Writing compressed audio by PyAV: AAC and ALAC in MP4, Opus in Ogg."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from stems.files.formats import OPUS_RATE

_KINDS = {"aac": ("aac", "mp4", "fltp"), "alac": ("alac", "mp4", "s32p"), "opus": ("libopus", "ogg", "flt")}


class CodedFile:
    """A file of one or more streams of audio while it is written.

    The time scale of an MP4 is one tick a sample, which lets the edit list cut the encoder's delay and padding off
    exactly.

    Args:
        path: is replaced.
        codec: `aac`, `alac` or `opus`.
        sample_rate: of what is written, Hz.
        played_rate: to which that is converted, Hz; as it is when left out, and 48 kHz for Opus.
        names: of the streams, of which the first is what ordinary players play.
        tags: under FFmpeg's names, such as `title` and `date`.
        channels: of each stream, 1 or 2.
        kbps: of each stream, thousands of bits a second; ALAC takes what it needs.
        bits: of ALAC, 16 or 24.
        effort: of Opus, 0 to 10, for the best sound.

    Raises:
        OSError: here, on writing and on closing, where the disk is full.
    """

    def __init__(
        self,
        path: Path,
        codec: str,
        sample_rate: int,
        played_rate: int | None = None,
        names: Sequence[str] = ("",),
        tags: Mapping[str, str] | None = None,
        channels: int = 2,
        kbps: int = 256,
        bits: int = 24,
        effort: int = 10,
    ) -> None:
        self.codec, self.sample_rate, self.kbps, self.effort = codec, sample_rate, kbps, effort
        self.sample_format = "s16p" if codec == "alac" and bits == 16 else _KINDS[codec][2]
        self.played_rate = played_rate or (OPUS_RATE if codec == "opus" else sample_rate)
        self.layout = "mono" if channels == 1 else "stereo"
        options = {"fflags": "+bitexact"}
        if codec != "opus":
            options |= {"movie_timescale": str(self.played_rate), "brand": "M4A "}
        self._file = open(path, "wb")  # noqa: SIM115
        try:
            self._container = av.open(self._file, "w", format=_KINDS[codec][1], options=options)
            self._container.metadata.update(tags or {})
            self._streams = [self._add_stream(name, number == 0) for number, name in enumerate(names)]
        except BaseException:
            self._file.close()
            raise

    def write(self, streams: Sequence[npt.NDArray[Any]]) -> None:
        """Takes the next samples of each stream, `(channels, samples)`: floats, or for ALAC the upper bits of int32."""
        for stream, samples in zip(self._streams, streams, strict=True):
            for resampled in stream.convert(samples):
                self._encode(stream, resampled)

    def close(self) -> None:
        """Completes the file."""
        if self._file.closed:
            return
        try:
            for stream in self._streams:
                for resampled in stream.convert(None):
                    self._encode(stream, resampled)
                with _disk_errors():
                    self._container.mux(stream.stream.encode(None))
            with _disk_errors():
                self._container.close()
        finally:
            self._file.close()

    def __enter__(self) -> CodedFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def _add_stream(self, name: str, is_default: bool) -> _Stream:
        encoder = _KINDS[self.codec][0]
        stream: Any = self._container.add_stream(encoder, rate=self.played_rate, layout=self.layout)
        stream.codec_context.format = self.sample_format
        if self.codec != "alac":
            stream.codec_context.bit_rate = 1000 * self.kbps
        if self.codec == "opus":
            stream.codec_context.options = {"compression_level": str(self.effort)}
        if name:
            stream.metadata["handler_name"] = name
        stream.disposition = av.stream.Disposition.default.value if is_default else 0
        return _Stream(stream, self.layout, self.sample_rate, self.played_rate)

    def _encode(self, stream: _Stream, samples: npt.NDArray[Any]) -> None:
        if self.codec == "alac" and samples.dtype.kind == "f":
            samples = np.clip(np.floor(samples * 2.0**23 + 0.5), -(2**23), 2**23 - 1).astype(np.int32) << 8
        if self.sample_format == "s16p":
            samples = samples >> 16
        dtype = {"s16p": np.int16, "s32p": np.int32}.get(self.sample_format, np.float32)
        count = samples.shape[1]
        if self.sample_format == "flt":  # interleaved
            samples = samples.T.reshape(1, -1)
        array: Any = np.ascontiguousarray(samples, dtype)
        frame = av.AudioFrame.from_ndarray(array, self.sample_format, self.layout)
        frame.sample_rate, frame.pts = self.played_rate, stream.given  # without which AAC would begin 1024 late
        stream.given += count
        with _disk_errors():
            self._container.mux(stream.stream.encode(frame))


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


class _Stream:
    """One stream, and what converts its sample rate."""

    def __init__(self, stream: Any, layout: str, sample_rate: int, played_rate: int) -> None:
        self.stream, self.layout, self.sample_rate = stream, layout, sample_rate
        self.given = 0
        self._resampler = None
        if sample_rate != played_rate:
            self._resampler = av.AudioResampler("dblp", layout, played_rate)

    def convert(self, samples: npt.NDArray[Any] | None) -> Iterator[npt.NDArray[Any]]:
        """What is to be encoded of the next samples, or at the end of all."""
        if self._resampler is None:
            if samples is not None:
                yield samples
            return
        frame = None
        if samples is not None:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float64), "dblp", self.layout)
            frame.sample_rate = self.sample_rate
        for converted in self._resampler.resample(frame):
            yield converted.to_ndarray().astype(np.float64, copy=False)
