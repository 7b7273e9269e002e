"""Processors of stems that are called like pedalboard's plugins."""

from __future__ import annotations

import copy
import math
import os
from abc import ABC, abstractmethod
from functools import lru_cache
from threading import RLock
from typing import Any, Generic, TypeVar

import numpy as np

from stems.card import find_model, read_card
from stems.errors import AudioError, OptionError
from stems.layout import MOST_CHANNELS
from stems.model import Model
from stems.sensitivity import HIGHEST_SENSITIVITY, LOWEST_SENSITIVITY
from stems.separator import Separator
from stems.spectrum import REFERENCE_RATE
from stems.stream import Stream

HIGHEST_DB = 24.0


Result = TypeVar("Result")


class ParameterError(OptionError, ValueError):
    """A parameter out of its range; a ValueError too, since pedalboard's plugins raise those."""


def parameter(name: str, lowest: float, highest: float, unit: str = "") -> Any:
    """A property that refuses values out of its range."""
    range_ = f"from {lowest:g} to {highest:g}{unit and ' ' + unit}"

    def get(self: Processor[Any]) -> float:
        return self._values[name]

    def set_(self: Processor[Any], value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"{name} must be a number {range_}, not {value!r}.")
        if not lowest <= value <= highest:
            raise ParameterError(f"{name} must be {range_}, not {value:g}.")
        self._values[name] = float(value)

    return property(get, set_, doc=range_.capitalize() + ".")


class Processor(ABC, Generic[Result]):
    """What is called as pedalboard's plugins are, and gives one array, or several by the names of stems.

    Audio is float32 or float64 of shape (channels, samples), (samples, channels) or (samples,); results are
    float32 in the same layout. Parameters are attributes, which another thread may set while audio is processed.
    """

    is_effect = True
    is_instrument = False
    _not_copied: tuple[str, ...] = ("_lock",)

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._lock = RLock()
        self._layout: tuple[int, bool] | None = None  # channels of the last array, and whether samples came first

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles take along: the parameters, not what was heard."""
        return {key: value for key, value in self.__dict__.items() if key not in self._not_copied}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = RLock()

    def __copy__(self) -> Any:
        return copy.deepcopy(self)  # two that share their past would mix it up

    def __call__(
        self, input_array: np.ndarray, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Result:
        """The same as `process`."""
        return self.process(input_array, sample_rate, buffer_size, reset)

    def process(
        self, input_array: np.ndarray, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Result:
        """Processes audio.

        As with pedalboard's own plugins, latency is compensated: with `reset=True` the result is as long as the
        input, and with `reset=False` the first blocks come out short, until the latency is filled. What comes
        out then lines up with what went in, and silence at the end gets out the rest. A change of the sample
        rate or the number of channels starts a new stream.

        Args:
            input_array: floating-point audio; the shorter dimension is the channels. Where that cannot be told,
                it is what it was before, or else (channels, samples).
            sample_rate: Hz.
            buffer_size: most samples that native plugins process at once.
            reset: True for a whole signal, False for the next block of a stream.

        Raises:
            TypeError: where the audio is not of float32 or float64, or the sample rate is no number.
            AudioError: where its shape is not that of audio, or a whole signal to be separated holds NaN. In a
                stream, a block that does is silence.
        """
        if buffer_size < 1:
            raise ParameterError(f"buffer_size must be at least 1 sample, not {buffer_size}.")
        if isinstance(sample_rate, bool) or not isinstance(sample_rate, (int, float, np.integer, np.floating)):
            raise TypeError(f"The sample rate must be a number in Hz, not {sample_rate!r}.")
        with self._lock:
            audio, restore = self._planes(np.asarray(input_array))
            result = self.render(audio, sample_rate, buffer_size, reset)
            if isinstance(result, dict):
                return {name: restore(stem) for name, stem in result.items()}  # type: ignore[return-value]
            return restore(result)  # type: ignore[no-any-return]

    @abstractmethod
    def render(self, audio: np.ndarray, sample_rate: float, buffer_size: int, reset: bool) -> Any:
        """`process` for float32 (channels, samples) alone, as boards call it."""

    def reset(self) -> None:
        """Forgets all that was heard; parameters stay as they are."""
        with self._lock:
            self._layout = None
            self.forget()

    @abstractmethod
    def forget(self) -> None:
        """Forgets all that was heard, as boards call it."""

    def _planes(self, audio: np.ndarray) -> tuple[np.ndarray, Any]:
        """float32 (channels, samples), and what gives results the layout that `audio` has."""
        if audio.dtype not in (np.float32, np.float64):
            raise TypeError(f"Processors take 32-bit and 64-bit floating point audio, not {audio.dtype}.")
        if audio.ndim == 1:
            return np.ascontiguousarray(audio[None], np.float32), lambda planes: planes[0]
        if audio.ndim != 2:
            raise AudioError(
                f"Expected audio of shape (channels, samples), (samples, channels) or (samples,), not {audio.shape}."
            )
        samples_first = self._samples_first(*audio.shape)
        planes = np.ascontiguousarray(audio.T if samples_first else audio, np.float32)
        self._layout = len(planes), samples_first
        return planes, lambda planes: np.ascontiguousarray(planes.T if samples_first else planes)

    def _samples_first(self, rows: int, columns: int) -> bool:
        if self._layout is not None:
            channels, samples_first = self._layout
            if channels == (columns if samples_first else rows):
                return samples_first
        if 0 in (rows, columns):
            return rows == 0
        return columns < rows and rows > MOST_CHANNELS  # unlike pedalboard, which takes (2, 1) for two samples

    def __repr__(self) -> str:
        shown = "".join(f" {name}={value if isinstance(value, str) else f'{value:g}'}" for name, value in self._shown())
        return f"<stems.{type(self).__name__}{shown} at {id(self):#x}>"

    def _shown(self) -> list[tuple[str, Any]]:
        return list(self._values.items())


class StemProcessor(Processor[Result]):
    """A processor that mixes the stems of what it hears.

    A whole signal (`reset=True`) goes through a full-song model, which hears its future as well; a stream
    (`reset=False`) goes through a live model, `latency_samples` late. Models are loaded when they are needed.

    Attributes:
        stems: names of the stems that the model tells apart.

    Args:
        model: full-song model: name of a shipped one, path of a `.safetensors` file, or a `Model`.
        live_model: unidirectional model, given in the same way.
        sensitivity: 1 is what the model learned; lower bleeds softly, higher cuts hard (0.1 to 10).
    """

    sensitivity: float = parameter("sensitivity", LOWEST_SENSITIVITY, HIGHEST_SENSITIVITY)
    through = 0.0  # gain with which the mixture itself passes
    _not_copied: tuple[str, ...] = ("_lock", "_separator", "_stream")  # a copy starts a stream of its own

    def __init__(
        self,
        model: str | os.PathLike[str] | Model,
        live_model: str | os.PathLike[str] | Model,
        sensitivity: float,
    ) -> None:
        super().__init__()
        self._model, self._live_model = model, live_model
        card_stems = model.design.stems if isinstance(model, Model) else read_card(find_model(model))["design"]["stems"]
        self.stems: tuple[str, ...] = tuple(card_stems)
        self.sensitivity = sensitivity
        self._separator: Separator | None = None
        self._stream: Stream | None = None
        self._to_skip = 0  # samples that come out before the first that went in

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._separator, self._stream, self._to_skip = None, None, 0

    @property
    def latency_samples(self) -> int:
        """Samples by which a stream is late; at 44.1 kHz until one runs."""
        if self._stream is not None:
            return self._stream.latency_samples
        return loaded(self._live_model).grid(REFERENCE_RATE).window - 1

    @abstractmethod
    def gains(self, stems: tuple[str, ...]) -> np.ndarray:
        """What is added to the mixture that passes: gains of the given stems, (mixes, stems)."""

    def render(self, audio: np.ndarray, sample_rate: float, buffer_size: int, reset: bool) -> Any:
        """The first of `mixes`, (channels, samples)."""
        return self.mixes(audio, sample_rate, reset)[0]

    def mixes(self, audio: np.ndarray, sample_rate: float, reset: bool) -> np.ndarray:
        """(channels, samples) -> (mixes, channels, samples), with fewer samples while the latency fills."""
        if not 1 <= len(audio) <= MOST_CHANNELS:
            raise AudioError(f"The audio has {len(audio)} channels: mix it down to mono or stereo.")
        if reset:
            self.forget()
            return self._of_whole(audio, sample_rate)
        stream = self._stream
        if stream is None or (stream.sample_rate, stream.channels) != (sample_rate, len(audio)):
            stream = self._stream = Stream(loaded(self._live_model), sample_rate, len(audio))
            self._to_skip = stream.latency_samples
        mixture, mixes = stream.mix(audio, self.gains(stream.stems), self.sensitivity)
        skipped = min(self._to_skip, audio.shape[1])
        self._to_skip -= skipped
        result: np.ndarray = (self.through * mixture + mixes)[..., skipped:]
        return result

    def _of_whole(self, audio: np.ndarray, sample_rate: float) -> np.ndarray:
        if self._separator is None:
            self._separator = Separator(loaded(self._model))
        gains = self.gains(self._separator.stems)
        mixes = np.repeat(np.float32(self.through) * audio[None], len(gains), 0)
        needed = [index for index in range(gains.shape[1]) if gains[:, index].any()]
        if not needed or not audio.shape[1]:
            return mixes
        names = [self._separator.stems[index] for index in needed]
        found = self._separator(audio, sample_rate, stems=names, sensitivity=self.sensitivity)
        for index, name in zip(needed, names, strict=True):
            mixes += gains[:, index, None, None] * found[name]
        return mixes

    def forget(self) -> None:
        """Forgets the stream; models stay loaded."""
        self._stream = None

    def _shown(self) -> list[tuple[str, Any]]:
        return sorted(super()._shown(), key=lambda shown: shown[0] == "sensitivity")


class _OneStem(StemProcessor[np.ndarray]):
    added = 1.0  # gain with which the stem is added to the mixture that passes

    def __init__(
        self,
        stem: str,
        sensitivity: float = 1.0,
        model: str | os.PathLike[str] | Model = "openband",
        live_model: str | os.PathLike[str] | Model = "openband-live",
    ) -> None:
        super().__init__(model, live_model, sensitivity)
        self.stem = stem

    @property
    def stem(self) -> str:
        """Name of the stem."""
        return self._stem

    @stem.setter
    def stem(self, stem: str) -> None:
        self._stem = known(stem, self.stems)

    def gains(self, stems: tuple[str, ...]) -> np.ndarray:
        wanted = known(self.stem, stems)
        return np.array([[self.added if stem == wanted else 0 for stem in stems]], np.float32)

    def _shown(self) -> list[tuple[str, Any]]:
        return [("stem", self.stem), *super()._shown()]


class Isolate(_OneStem):
    """Lets one stem through, such as `Isolate("vocals")`; see `StemProcessor` for the arguments."""


class Remove(_OneStem):
    """Lets everything through but one stem, such as `Remove("vocals")`; see `StemProcessor` for the arguments.

    Together with what `Isolate` lets through, this is the mixture.
    """

    through, added = 1.0, -1.0


class Remix(StemProcessor[np.ndarray]):
    """Changes the levels of the stems.

    Args:
        drums_db, bass_db, vocals_db, other_db: gain of each stem in dB, up to 24; `-inf` removes it. With all at
            0 dB the mixture comes out as it went in.
        sensitivity, model, live_model: see `StemProcessor`.
    """

    drums_db: float = parameter("drums_db", -math.inf, HIGHEST_DB, "dB")
    bass_db: float = parameter("bass_db", -math.inf, HIGHEST_DB, "dB")
    vocals_db: float = parameter("vocals_db", -math.inf, HIGHEST_DB, "dB")
    other_db: float = parameter("other_db", -math.inf, HIGHEST_DB, "dB")
    through = 1.0

    def __init__(
        self,
        drums_db: float = 0.0,
        bass_db: float = 0.0,
        vocals_db: float = 0.0,
        other_db: float = 0.0,
        sensitivity: float = 1.0,
        model: str | os.PathLike[str] | Model = "openband",
        live_model: str | os.PathLike[str] | Model = "openband-live",
    ) -> None:
        super().__init__(model, live_model, sensitivity)
        self.drums_db, self.bass_db, self.vocals_db, self.other_db = drums_db, bass_db, vocals_db, other_db

    def gains(self, stems: tuple[str, ...]) -> np.ndarray:
        """What each level adds to the mixture: gains as factors, (1, stems), of which 0 leaves a stem as it is."""
        levels = [self._values.get(f"{stem}_db", 0.0) for stem in stems]
        return np.array([[10 ** (level / 20) - 1 for level in levels]], np.float32)


def known(stem: str, stems: tuple[str, ...]) -> str:
    """The name of a stem, if it is one of those given; raises ParameterError."""
    if stem not in stems:
        raise ParameterError(f"There is no stem {stem!r}: choose from {', '.join(stems)}.")
    return stem


def loaded(model: str | os.PathLike[str] | Model) -> Model:
    """The model itself, or that of a name or path, which all processors share."""
    if isinstance(model, Model):
        return model
    path = find_model(model)
    return _loaded(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _loaded(path: os.PathLike[str], modified: int) -> Model:
    return Model.load(path)
