"""Shapes of audio files, and the one that the stems of a song get."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stems.errors import OptionError

WRITABLE_CONTAINERS = ("wav", "aiff", "flac", "alac", "ogg", "mp3", "m4a", "opus")
BIT_DEPTHS = {"16": "int16", "24": "int24", "32": "int32", "float": "float32"}
"""What a user asks for, and the encoding that it means; `float` is 32-bit float."""

_AUDIO_SUFFIXES = (
    ".wav .flac .aiff .aif .aifc .wave .bwf .w64 .rf64 .caf .au .snd .voc .wv .ape .tak .tta .dff .dsf .ogg .oga .opus "
    ".m4a .mp3 .aac .ac3 .amr .dts .eac3 .m4b .m4r .mka .mp2 .mpc .spx .svx .weba .wma"
)
AUDIO_SUFFIXES = tuple(_AUDIO_SUFFIXES.split())
"""Of files of sound alone, in lower case; of one name with several of them, the earlier is meant."""

_VIDEO_SUFFIXES = ".3gp .asf .avi .flv .m4v .mkv .mov .mp4 .mpeg .mpg .ogv .webm .wmv"
READABLE_SUFFIXES = frozenset((*AUDIO_SUFFIXES, *_VIDEO_SUFFIXES.split()))
"""Suffixes, in lower case, by which songs are found in a folder; a file named by the user is read whatever its name."""

_BITS = {"int8": 8, "int16": 16, "int24": 24, "int32": 32, "float32": 32, "float64": 64, "lossy": 0}
_ENCODINGS_OF_CONTAINER = {
    "wav": ("int16", "int24", "int32", "float32", "float64"),
    "aiff": ("int16", "int24", "int32", "float32", "float64"),
    "flac": ("int16", "int24"),
    "alac": ("int16", "int24"),
    "ogg": ("lossy",),
    "mp3": ("lossy",),
    "m4a": ("lossy",),
    "opus": ("lossy",),
}
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
OPUS_RATE = 48_000  # Hz, at which every Opus is decoded
_RATES = {"mp3": _MP3_RATES, "m4a": (*_MP3_RATES, 64_000, 88_200, 96_000)}
_SUFFIXES = {"alac": ".m4a"}


@dataclass(frozen=True)
class AudioFormat:
    """Shape of an audio file.

    Attributes:
        container: `wav` (which RF64, Wave64, CAF and all that is read but not written count as: their stems are wav)
            or another of `WRITABLE_CONTAINERS`.
        encoding: `int8`, `int16`, `int24`, `int32`, `float32`, `float64`, or `lossy` for every codec that does not
            keep the samples (mp3, Vorbis, Opus, A-law, ADPCM).
        sample_rate: Hz.
        channels: 1 or 2.
    """

    container: str
    encoding: str
    sample_rate: int
    channels: int

    @property
    def is_lossy(self) -> bool:
        """Whether the codec does not keep the samples."""
        return self.encoding == "lossy"

    @property
    def is_integer(self) -> bool:
        """Whether samples are integers."""
        return self.encoding.startswith("int")

    @property
    def is_float(self) -> bool:
        """Whether samples are floating point numbers."""
        return self.encoding.startswith("float")

    @property
    def bits(self) -> int:
        """Bits of one sample, 0 if lossy."""
        return _BITS[self.encoding]

    @property
    def precision(self) -> str:
        """The floating point type that holds all samples exactly, or as exactly as the codec knows them."""
        return "float64" if self.encoding in ("int32", "float64") else "float32"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels, 0 if lossy."""
        return self.channels * self.bits // 8

    @property
    def suffix(self) -> str:
        """Suffix of files of this format, with its dot."""
        return suffix_of(self.container)


def suffix_of(container: str) -> str:
    """The suffix of files in a container."""
    return _SUFFIXES.get(container, "." + container)


def output_format(song: AudioFormat, container: str | None = None, bit_depth: str | int | None = None) -> AudioFormat:
    """Format of the stems of a song.

    It is the song's own unless told otherwise, with three exceptions: lossy songs give 32-bit float wav, 8-bit songs
    give 16 bit (in which the stems still add up to the song exactly, without the audible noise of 8-bit rounding),
    and songs deeper than flac and alac can hold give 24 bit when one of these is asked for.

    Args:
        song: format of the song.
        container: one of `WRITABLE_CONTAINERS`.
        bit_depth: one of `BIT_DEPTHS`.

    Raises:
        OptionError: the container cannot hold that bit depth or the song's sample rate.
    """
    container = container or ("wav" if song.is_lossy else song.container)
    if container not in WRITABLE_CONTAINERS:
        raise OptionError(f"Stems cannot be written as {container}: choose {_either(WRITABLE_CONTAINERS)}.")
    possible = _ENCODINGS_OF_CONTAINER[container]
    if bit_depth is not None:
        encoding = BIT_DEPTHS.get(str(bit_depth))
        if encoding is None:
            raise OptionError(f"There is no bit depth {bit_depth}: choose {_either(tuple(BIT_DEPTHS))}.")
        if encoding not in possible:
            depths = tuple(depth for depth, encoding in BIT_DEPTHS.items() if encoding in possible)
            remedy = f"choose {_either(depths)}" if depths else "leave the bit depth out"
            raise OptionError(f"{container} has no bit depth {bit_depth}: {remedy}, or write wav.")
    elif possible == ("lossy",):
        encoding = "lossy"
    else:
        encoding = {"int8": "int16", "lossy": "float32"}.get(song.encoding, song.encoding)
        encoding = encoding if encoding in possible else possible[-1]
    if song.sample_rate not in _RATES.get(container, (song.sample_rate,)):
        raise OptionError(f"{container} cannot hold {song.sample_rate} Hz: choose wav, aiff, flac or ogg.")
    return replace(song, container=container, encoding=encoding)


def _either(choices: tuple[str, ...]) -> str:
    return choices[0] if len(choices) == 1 else ", ".join(choices[:-1]) + " or " + choices[-1]
