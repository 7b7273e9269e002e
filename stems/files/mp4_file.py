"""Writing MP4 audio, AAC or ALAC, by PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from stems.errors import AudioError

AAC_BITS = 256_000  # a second
_FORMATS = {"aac": "fltp", "alac": "s32p"}


class Mp4File:
    """An MP4 of one or more streams of audio while it is written.

    Its time scale is one tick a sample, which lets the edit list cut the encoder's delay and padding off exactly.

    Args:
        path: is replaced.
        codec: `aac` (256 kbit/s) or `alac` (24 bits).
        sample_rate: of what is written, Hz.
        played_rate: to which that is converted, Hz.
        names: of the streams, of which the first is what ordinary players play.
        tags: under FFmpeg's names, such as `title` and `date`.
        channels: of each stream.

    Raises:
        AudioError: the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        codec: str,
        sample_rate: int,
        played_rate: int,
        names: Sequence[str] = ("",),
        tags: Mapping[str, str] | None = None,
        channels: int = 2,
    ) -> None:
        self.codec, self.sample_rate, self.played_rate = codec, sample_rate, played_rate
        self.layout = "mono" if channels == 1 else "stereo"
        options = {"movie_timescale": str(played_rate), "brand": "M4A ", "fflags": "+bitexact"}
        self._file = open(path, "wb")  # noqa: SIM115
        try:
            self._container = av.open(self._file, "w", format="mp4", options=options)
            self._container.metadata.update(tags or {})
            self._streams = [self._add_stream(name, number == 0) for number, name in enumerate(names)]
        except BaseException:
            self._file.close()
            raise

    def write(self, streams: Sequence[npt.NDArray[np.float64]]) -> None:
        """Takes the next samples of each stream, `(channels, samples)`."""
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
                self._container.mux(stream.stream.encode(None))
            self._container.close()
        except av.FFmpegError as error:
            raise AudioError(f"mp4 cannot be written: {error.strerror}.") from error
        finally:
            self._file.close()

    def __enter__(self) -> Mp4File:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def _add_stream(self, name: str, is_default: bool) -> _Stream:
        stream: Any = self._container.add_stream(self.codec, rate=self.played_rate, layout=self.layout)
        stream.codec_context.format = _FORMATS[self.codec]
        if self.codec == "aac":
            stream.codec_context.bit_rate = AAC_BITS
        if name:
            stream.metadata["handler_name"] = name
        stream.disposition = av.stream.Disposition.default if is_default else av.stream.Disposition(0)
        return _Stream(stream, self.layout, self.sample_rate, self.played_rate)

    def _encode(self, stream: _Stream, samples: npt.NDArray[np.float64]) -> None:
        if self.codec == "alac":
            integers = np.clip(np.floor(samples * 2.0**23 + 0.5), -(2**23), 2**23 - 1).astype(np.int32) << 8
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(integers), "s32p", self.layout)
        else:
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), "fltp", self.layout)
        frame.sample_rate, frame.pts = self.played_rate, stream.given  # without which AAC would begin 1024 late
        stream.given += samples.shape[1]
        try:
            self._container.mux(stream.stream.encode(frame))
        except av.FFmpegError as error:
            raise AudioError(f"mp4 cannot be written: {error.strerror}.") from error


class _Stream:
    """One stream, and what converts its sample rate."""

    def __init__(self, stream: Any, layout: str, sample_rate: int, played_rate: int) -> None:
        self.stream, self.layout, self.sample_rate = stream, layout, sample_rate
        self.given = 0
        self._resampler = None
        if sample_rate != played_rate:
            self._resampler = av.AudioResampler("dblp", layout, played_rate)

    def convert(self, samples: npt.NDArray[np.float64] | None) -> Iterator[npt.NDArray[np.float64]]:
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
