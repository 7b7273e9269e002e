"""Songs decoded by libsndfile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from stems.files.decoding import Damaged
from stems.files.file_part import FilePart
from stems.files.formats import AudioFormat

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
ENCODINGS = {
    "PCM_S8": "int8",
    "PCM_U8": "int8",
    "PCM_16": "int16",
    "PCM_24": "int24",
    "PCM_32": "int32",
    "FLOAT": "float32",
    "DOUBLE": "float64",
}
# libsndfile hands integers over in no time, and takes fifteen times as long where it makes floats of them.
_READ_AS = {"int8": "int16", "int16": "int16", "int24": "int32", "int32": "int32"}
_LOSSY = (
    "VORBIS",
    "MPEG_LAYER_III",
    "ULAW",
    "ALAW",
    "IMA_ADPCM",
    "MS_ADPCM",
    "GSM610",
    "G721_32",
    "NMS_ADPCM_16",
    "NMS_ADPCM_32",
)
_MP3_MAY_LACK = 20 * 1152  # samples: twenty frames, since headers are not always exact
_LONGEST = 2**62  # samples, what libsndfile says where a flac does not state its length


class Sndfile:
    """A song that libsndfile reads, see `stems.files.decoding.Decoder`."""

    def __init__(self, sound: _Sound) -> None:
        self._sound = sound
        encoding = ENCODINGS.get(sound.subtype, "lossy")
        self.format = AudioFormat(_CONTAINERS[sound.format], encoding, sound.samplerate, sound.channels)
        self.layout_channels: int = sound.channels
        self.seekable = sound.seekable()
        self.stated: int | None = sound.frames if sound.frames < _LONGEST else None
        self.may_lack = _MP3_MAY_LACK if sound.format == "MP3" else 0

    @classmethod
    def opened(cls, file: Path | FilePart, mp3: bool = False) -> Sndfile | None:
        """Opens a file; None where libsndfile does not read it, or not exactly, as mp3 unless that is asked for."""
        try:
            sound = _Sound(file)
        except soundfile.LibsndfileError:
            return None
        if (
            sound.format in _CONTAINERS
            and (sound.format != "MP3" or mp3)
            and (sound.subtype in ENCODINGS or sound.subtype in _LOSSY)
        ):
            return cls(sound)
        sound.close()
        return None

    def seek(self, sample: int) -> None:
        """Goes to a sample of a seekable song."""
        self._sound.seek(sample)

    def read(self, count: int) -> npt.NDArray[np.floating]:
        """The next samples, `(samples, channels)`."""
        precision = self.format.precision
        try:
            block = self._sound.read(count, dtype=_READ_AS.get(self.format.encoding, precision), always_2d=True)
        except soundfile.LibsndfileError as error:
            raise Damaged from error
        if block.dtype.kind == "i":
            block = np.multiply(block, 2.0 ** (1 - 8 * block.itemsize), dtype=precision)
        samples: npt.NDArray[np.floating] = block
        return samples

    def close(self) -> None:
        """Closes the file."""
        self._sound.close()


class _Sound(soundfile.SoundFile):  # type: ignore[misc]
    """A file that seeks only where this is exact, which soundfile otherwise also does by itself after every block."""

    def seekable(self) -> bool:
        return self.format not in ("FLAC", "OGG", "MP3") and self.subtype in ENCODINGS
