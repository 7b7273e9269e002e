"""Songs decoded by FFmpeg's libraries, which PyAV brings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from stems.errors import AudioError, OptionError
from stems.files.decoding import READABLE, Damaged
from stems.files.downmix import coefficients
from stems.files.encodings import encoding_of
from stems.files.file_part import FilePart
from stems.files.formats import AudioFormat
from stems.files.mp3_frames import frames_of
from stems.files.stated_length import stated_end, stated_length

# Nothing that plays what other files or the network hold, as playlists do, and no pictures.
_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,iff,loas,latm,matroska,mlp,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,mxf,nut,ogg,oma,shn,tak,truehd,tta,voc,w64,wav,wsd,wv"
)
_MAY_LACK_SECONDS = 0.5  # of what headers state, which are not always exact
_SCALES = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}
_CONTAINERS = {"flac": "flac", "mp3float": "mp3", "mp3": "mp3", "vorbis": "ogg"}


class Libav:
    """A song that FFmpeg reads, see `stems.files.decoding.Decoder`.

    Blocks are what a decode from the beginning gives, without the encoder's delay and, where the file tells it to the
    sample, without its padding. Time stamps are not looked at: those of some formats drift.
    """

    seekable = False

    def __init__(self, path: Path, track: int = 1, downmix: bool = False, part: FilePart | None = None) -> None:
        self.path = path
        self._given = 0
        self._waiting: list[npt.NDArray[np.float64]] = []
        self._file = part or FilePart(path, *frames_of(path))
        try:
            self._open(track, downmix)
        except BaseException:
            self.close()
            raise

    def seek(self, sample: int) -> None:
        """Is never called, since compressed songs are only read forward."""
        raise NotImplementedError

    def read(self, count: int) -> npt.NDArray[np.floating]:
        """The next samples, `(samples, channels)`."""
        if self._end is not None:
            count = min(count, self._end - self._given)
        have = sum(len(block) for block in self._waiting)
        while have < count and (frame := next(self._frames, None)) is not None:
            self._waiting.append(self._samples(frame))
            have += len(self._waiting[-1])
        block = np.concatenate(self._waiting)
        self._waiting = [block[count:]]
        self._given += len(block[:count])
        return block[:count].astype(self.format.precision)

    def close(self) -> None:
        """Closes the file."""
        if hasattr(self, "_container"):
            self._container.close()
        self._file.close()

    def _open(self, track: int, downmix: bool) -> None:
        unreadable = AudioError(
            f"{self.path} is not audio, holds no samples, is damaged or has an unknown codec: {READABLE}."
        )
        try:
            options = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
            self._container = av.open(self._file, "r", options=options, metadata_errors="ignore")
            self._stream = self._choose(track)
            self._frames = self._decode()
            first = next(self._frames, None)
        except (av.FFmpegError, Damaged, ValueError) as error:
            raise unreadable from error
        if first is None:
            raise unreadable
        codec, rate = self._stream.codec_context, first.sample_rate
        encoding = encoding_of(codec.name, first.format.name, codec.extradata or b"", self.path)
        self._shape = (first.format.name, first.layout.name, rate)
        self.layout_channels: int = first.layout.nb_channels
        self._mix = coefficients([channel.name for channel in first.layout.channels]) if downmix else None
        if self._mix is None or self.layout_channels <= 2:
            self._mix = None
            self.format = AudioFormat(_CONTAINERS.get(codec.name, "wav"), encoding, rate, self.layout_channels)
        else:
            self.format = AudioFormat("wav", "lossy" if encoding == "lossy" else "float32", rate, 2)
        self.stated = stated_length(self._container, self._stream, self.path, rate)
        self._end = stated_end(self._container, self._stream, self.path, rate)
        self.may_lack = int(_MAY_LACK_SECONDS * rate)
        self._waiting = [self._samples(first)]

    def _choose(self, track: int) -> Any:
        streams = self._container.streams.audio
        if not streams:
            raise AudioError(f"{self.path} holds no audio: name a file that does.")
        if not 1 <= track <= len(streams):
            have = "1 audio track" if len(streams) == 1 else f"{len(streams)} audio tracks"
            raise OptionError(f"{self.path} has {have} and no track {track}: choose another --track.")
        stream = streams[track - 1]
        if stream.codec_context is None:
            raise AudioError(f"{self.path} is copy-protected or has an unknown codec: {READABLE}.")
        stream.codec_context.thread_count = 1  # what more would gain is lost on handing frames over
        return stream

    def _decode(self) -> Iterator[av.AudioFrame]:
        """Frames. What cannot be decoded before the first or after the last are tags and the like, within is damage."""
        has_begun = is_damaged = False
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = self._stream.decode(packet)
            except av.EOFError:
                return
            except av.InvalidDataError:
                is_damaged = has_begun
                continue
            except (av.FFmpegError, OSError) as error:
                raise Damaged from error
            for frame in frames:
                if is_damaged:
                    raise Damaged
                has_begun = True
                yield frame

    def _samples(self, frame: av.AudioFrame) -> npt.NDArray[np.float64]:
        """(samples, channels), full scale is 1."""
        if (frame.format.name, frame.layout.name, frame.sample_rate) != self._shape:
            raise AudioError(f"{self.path} changes its sample rate or its channels on the way: {READABLE}.")
        array = frame.to_ndarray()
        samples = (array.T if frame.format.is_planar else array.reshape(-1, self.layout_channels)).astype(np.float64)
        kind = frame.format.name.removesuffix("p")
        if kind == "u8":
            samples -= _SCALES[kind]
        if _SCALES[kind] != 1:
            samples /= _SCALES[kind]
        return samples if self._mix is None else samples @ self._mix
