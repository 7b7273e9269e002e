"""Processors of stems that are called like pedalboard's plugins."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np

from stems.card import find_model, read_card
from stems.errors import AudioError
from stems.layout import MOST_CHANNELS
from stems.limits import HIGHEST_SENSITIVITY, LOWEST_SENSITIVITY
from stems.model import Model
from stems.processing import ParameterError, Processor, Result, parameter
from stems.separator import Separator
from stems.spectrum import REFERENCE_RATE
from stems.stream import Stream

HIGHEST_DB = 24.0


class StemProcessor(Processor[Result]):
    """A processor that mixes the stems of what it hears.

    A whole signal (`reset=True`) goes through a full-song model, which hears its future as well; a stream
    (`reset=False`) goes through a live model, `latency_samples` late. Models are loaded when they are needed.

    Attributes:
        stems: names of the stems that the model tells apart.

    Args:
        model: full-song model: name of a shipped one, path of a `.safetensors` file, or a `Model`.
        live_model: unidirectional model, given in the same way.
        sensitivity: how sharply cells are assigned, see `stems.limits.check_sensitivity`.
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
        return loaded(self._live_model).grid(REFERENCE_RATE).latency_samples

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
            0 dB the mixture comes out as it went in. That of a stem which the model does not know stays at 0.
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
        for name, level in self._values.items():
            if level and name.endswith("_db"):
                known(name.removesuffix("_db"), stems)
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
