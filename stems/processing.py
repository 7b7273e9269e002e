"""What is called as pedalboard's plugins are."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from threading import RLock
from typing import Any, Generic, TypeVar

import numpy as np

from stems.errors import AudioError, OptionError
from stems.layout import MOST_CHANNELS

LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000  # Hz: with rates far beyond, plugins of pedalboard end the whole process

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
            ParameterError: where a number is out of range, or one plugin stands in two places.
            AudioError: where its shape is not that of audio, or a whole signal to be separated holds NaN. In a
                stream, a block that does is silence.
        """
        if buffer_size < 1:
            raise ParameterError(f"buffer_size must be at least 1 sample, not {buffer_size}.")
        if isinstance(sample_rate, bool) or not isinstance(sample_rate, (int, float, np.integer, np.floating)):
            raise TypeError(f"The sample rate must be a number in Hz, not {sample_rate!r}.")
        if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
            raise ParameterError(f"sample_rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz, not {sample_rate:g}.")
        with self._lock:
            self.check()
            given = np.asarray(input_array)
            audio, restore = self._planes(given)
            result = self.render(audio, sample_rate, buffer_size, reset)
            if isinstance(result, dict):
                return {name: restore(stem) for name, stem in result.items()}  # type: ignore[return-value]
            return restore(result.copy() if np.may_share_memory(result, given) else result)  # type: ignore[no-any-return]

    def check(self) -> None:
        """Raises ParameterError where it cannot process anything as it is."""

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
