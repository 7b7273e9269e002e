"""Pedalboard's own plugins, as they stand on boards and are copied."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pedalboard
from pedalboard import Plugin

from stems.processing import Processor


class Native(Processor[np.ndarray]):
    """Plugins of pedalboard that stand side by side.

    pedalboard's plugins forget their past when a block is longer than all before it, as happens when a latency
    before them has just been filled. So each is shown the longest block before its stream starts.

    Args:
        plugins: of pedalboard.
        primed: plugins that have been, with the sample rate and number of channels; kept by the board.
    """

    def __init__(self, plugins: Iterable[Any], primed: dict[Any, tuple[float, int]]) -> None:
        super().__init__()
        self.plugins = list(plugins)
        self._primed = primed
        self._board = pedalboard.Chain(self.plugins)
        self._kind: tuple[float, int] | None = None  # sample rate and channels that the board was told of

    def render(self, audio: np.ndarray, sample_rate: float, buffer_size: int, reset: bool) -> np.ndarray:
        """What the plugins, one after another, make of float32 (channels, samples)."""
        channels, samples = audio.shape
        if not samples or not channels:
            return audio
        kind = sample_rate, channels
        nothing = np.zeros((channels, 0), np.float32)
        for plugin in self.plugins:
            if not reset and self._primed.get(plugin) != kind:
                alone = pedalboard.Chain([plugin])
                alone.process(np.zeros((channels, buffer_size), np.float32), sample_rate, buffer_size)
                alone.process(nothing, sample_rate, buffer_size)  # resets, but keeps what was prepared
            self._primed[plugin] = kind
        if self._kind != kind:
            self._board.process(nothing, sample_rate, buffer_size, reset)  # tells which dimension is the channels
            self._kind = kind
        processed: np.ndarray = self._board.process(audio, sample_rate, buffer_size, reset)
        return processed.reshape(channels, -1)

    def forget(self) -> None:
        """Has every plugin forget all that was heard."""
        self._kind = None
        self._board.reset()


@dataclass(frozen=True)
class Packed:
    """A plugin of pedalboard, which can neither be copied nor pickled, as its kind and its parameters."""

    kind: str
    values: dict[str, Any]
    parts: list[Any]  # of a chain or mix

    def unpacked(self) -> Any:
        """A plugin like the one that was packed."""
        kind = getattr(pedalboard, self.kind)
        if self.kind in _CONTAINERS:
            return kind([part.unpacked() for part in self.parts])
        plugin = kind()
        for name, value in self.values.items():
            setattr(plugin, name, type(getattr(plugin, name)).__members__[value] if isinstance(value, str) else value)
        return plugin


_CONTAINERS = ("Chain", "Mix", "Pedalboard")


def packed(plugin: Any) -> Any:
    """What a copy or a pickle of a board holds in place of a plugin; raises TypeError where it cannot be copied."""
    if not isinstance(plugin, Plugin):
        return plugin
    kind = type(plugin)
    if kind.__name__ in _CONTAINERS:
        return Packed(kind.__name__, {}, [packed(part) for part in plugin])  # type: ignore[attr-defined]
    if isinstance(plugin, (pedalboard.ExternalPlugin, pedalboard.Convolution)) or not hasattr(
        pedalboard, kind.__name__
    ):
        raise TypeError(f"A board with {kind.__name__}, which is made of a file, cannot be copied: make it anew.")
    settable = [name for name, value in inspect.getmembers(kind) if isinstance(value, property) and value.fset]
    return Packed(kind.__name__, {name: _plain(getattr(plugin, name)) for name in settable}, [])


def _plain(value: Any) -> Any:
    """A value of a parameter; of one of a few, its name."""
    return value.name if hasattr(type(value), "__members__") else value


def accepted(plugin: Any) -> Any:
    """What may stand on a board; raises TypeError."""
    if plugin is not None and not isinstance(plugin, (Plugin, Processor)):
        raise TypeError(f"A board holds plugins of pedalboard, processors of stems and boards, not {plugin!r}.")
    return plugin
