"""Boards, on which processors of stems stand beside pedalboard's plugins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from itertools import groupby
from typing import Any, overload

import numpy as np
from pedalboard import Plugin, PluginContainer

from stems.model import Model
from stems.native import Native, Packed, accepted, packed
from stems.processing import ParameterError, Processor
from stems.processors import StemProcessor, known


class Board(Processor[Any], MutableSequence[Any]):
    """A chain of pedalboard's plugins, processors of stems and other boards; a drop-in for `pedalboard.Pedalboard`.

    `None` among the plugins stays in its place, and audio passes it.

    It is a list, and may be changed while audio runs through it. Plugins of pedalboard that stand side by side
    run natively in one go. Where a `Split` hands on several stems, what follows hears them mixed; at the end of
    a board they are returned.

    Example:
        >>> board = Board([HighpassFilter(40), Isolate("vocals"), Compressor(), Reverb()])  # doctest: +SKIP
        >>> vocals = board(song, sample_rate)                                               # doctest: +SKIP
    """

    def __init__(self, plugins: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._plugins: list[Any] = [accepted(plugin) for plugin in plugins or ()]
        self._parts: list[Processor[Any]] | None = None  # the plugins as they run, None after a change
        self._primed: dict[Any, tuple[float, int]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {
            "_plugins": [packed(plugin) for plugin in self._plugins],
            "_parts": None,
            "_primed": {},
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._plugins = [plugin.unpacked() if isinstance(plugin, Packed) else plugin for plugin in self._plugins]

    def render(self, audio: np.ndarray, sample_rate: float, buffer_size: int, reset: bool) -> Any:
        """What the last plugin gives of float32 (channels, samples): an array, or a dictionary of them by stem."""
        result: Any = audio
        for part in self.parts():
            result = part.render(mixed(result), sample_rate, buffer_size, reset)
        return result

    def forget(self) -> None:
        """Has every plugin forget all that was heard."""
        for part in self.parts():
            part.forget()

    def parts(self) -> list[Processor[Any]]:
        """The plugins as they run: neighbours that are native make one part."""
        with self._lock:  # which boards around this one do not hold
            if self._parts is None:
                self._primed = {plugin: primed for plugin, primed in self._primed.items() if plugin in self._plugins}
                self._parts = self._grouped()
            return self._parts

    def check(self) -> None:
        """Raises ParameterError where a plugin is twice on the board or on those inside of it."""
        check_distinct(self)

    def there(self) -> list[Any]:
        """The plugins without the places that are empty."""
        return [plugin for plugin in self._plugins if plugin is not None]

    def _grouped(self) -> list[Processor[Any]]:
        parts: list[Processor[Any]] = []
        for native, plugins in groupby(self.there(), lambda plugin: isinstance(plugin, Plugin)):
            neighbours = list(plugins)
            parts.extend([Native(neighbours, self._primed)] if native else neighbours)
        return parts

    def insert(self, index: int, plugin: Any) -> None:
        """Puts a plugin before the one of that index."""
        with self._lock:
            self._plugins.insert(index, accepted(plugin))
            self._parts = None

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Board: ...
    def __getitem__(self, index: int | slice) -> Any:
        return type(self)(self._plugins[index]) if isinstance(index, slice) else self._plugins[index]

    def __setitem__(self, index: int | slice, plugin: Any) -> None:
        with self._lock:
            if isinstance(index, slice):
                self._plugins[index] = [accepted(each) for each in plugin]
            else:
                self._plugins[index] = accepted(plugin)
            self._parts = None

    def __delitem__(self, index: int | slice) -> None:
        with self._lock:
            del self._plugins[index]
            self._parts = None

    def __len__(self) -> int:
        return len(self._plugins)

    def __repr__(self) -> str:
        count = f"{len(self)} plugin{'' if len(self) == 1 else 's'}"
        return f"<stems.{type(self).__name__} with {count}: {self._plugins} at {id(self):#x}>"


class Chain(Board):
    """A board inside of a board or a `Mix`, as `pedalboard.Chain` is, which takes what a `Board` takes."""


class Mix(Board):
    """A board whose plugins all hear the same audio, side by side; what they make of it is lined up and summed."""

    _not_copied = ("_lock", "_alignment")

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._alignment = Alignment()

    def __init__(self, plugins: Iterable[Any] | None = None) -> None:
        super().__init__(plugins)
        self._alignment = Alignment()

    def render(self, audio: np.ndarray, sample_rate: float, buffer_size: int, reset: bool) -> Any:
        """The sum of what all plugins make of float32 (channels, samples); silence if there are none."""
        found = {part: mixed(part.render(audio, sample_rate, buffer_size, reset)) for part in self.parts()}
        if not reset:
            found = self._alignment(found, audio, sample_rate)
        return mixed(found) if found else np.zeros_like(audio)

    def forget(self) -> None:
        """Has every plugin forget all that was heard, and drops what waits to be lined up."""
        super().forget()
        self._alignment = Alignment()

    def _grouped(self) -> list[Processor[Any]]:
        return [
            plugin if isinstance(plugin, Processor) else Native(_given(plugin), self._primed)
            for plugin in self._plugins
        ]


class Split(StemProcessor[Any]):
    """Hands on all stems at once, each through a board of its own.

    Example:
        >>> Split()(song, sample_rate)["vocals"]                                          # doctest: +SKIP
        >>> Split({"vocals": Pedalboard([Reverb()])}, mix=True)(song, sample_rate)        # doctest: +SKIP

    Args:
        boards: by the name of the stem, a board or plugin of pedalboard or stems, or a list of them. Stems
            without one pass as they are. No plugin may be on two of them.
        mix: return the sum of the stems, not a dictionary of them by name.
        sensitivity, model, live_model: see `StemProcessor`.
    """

    _not_copied: tuple[str, ...] = (*StemProcessor._not_copied, "_alignment")

    def __init__(
        self,
        boards: Mapping[str, Any] | None = None,
        mix: bool = False,
        sensitivity: float = 1.0,
        model: str | os.PathLike[str] | Model = "openband",
        live_model: str | os.PathLike[str] | Model = "openband-live",
    ) -> None:
        super().__init__(model, live_model, sensitivity)
        self.boards = {
            known(stem, self.stems): board if isinstance(board, Board) else Board(_listed(board))
            for stem, board in (boards or {}).items()
        }
        check_distinct(self)
        self.mix = mix
        self._alignment = Alignment()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._alignment = Alignment()

    def gains(self, stems: tuple[str, ...]) -> np.ndarray:
        """Gains that give each of `self.stems` alone, (mixes, stems); see `StemProcessor.gains`."""
        return np.array([[known(name, stems) == stem for stem in stems] for name in self.stems], np.float32)

    def render(self, audio: np.ndarray, sample_rate: float, buffer_size: int, reset: bool) -> Any:
        """The stems of float32 (channels, samples), each through its board: by name, or their sum if `mix`."""
        stems = dict(zip(self.stems, self.mixes(audio, sample_rate, reset), strict=True))
        for stem, board in self.boards.items():
            stems[stem] = mixed(board.render(stems[stem], sample_rate, buffer_size, reset))
        if not reset:
            stems = self._alignment(stems, audio, sample_rate)
        return mixed(stems) if self.mix else stems

    def check(self) -> None:
        """Raises ParameterError where a plugin is on the boards of two stems, or twice on one."""
        check_distinct(self)

    def forget(self) -> None:
        """Forgets all that was heard, and has every board do so."""
        super().forget()
        self._alignment = Alignment()
        for board in self.boards.values():
            board.forget()

    def _shown(self) -> list[tuple[str, Any]]:
        return [("boards", str(self.boards)), ("mix", str(self.mix)), *super()._shown()]


class Alignment:
    """Lines up streams that were delayed by different latencies, by keeping what comes early."""

    def __init__(self) -> None:
        self._held: dict[Any, np.ndarray] = {}
        self._late = 0  # samples that went in and did not come out
        self._kind: tuple[float, int] | None = None

    def __call__(self, found: Mapping[Any, np.ndarray], audio: np.ndarray, sample_rate: float) -> dict[Any, np.ndarray]:
        """What came of the next `audio`, by any keys, all (channels, samples) -> as much as all of them have."""
        if self._kind != (sample_rate, len(audio)):
            self._held, self._late, self._kind = {}, 0, (sample_rate, len(audio))
        silence = np.zeros((len(audio), self._late), np.float32)  # for what was not there before
        self._held = {key: np.concatenate([self._held.get(key, silence), new], 1) for key, new in found.items()}
        ready = min((held.shape[1] for held in self._held.values()), default=0)
        out = {key: held[:, :ready] for key, held in self._held.items()}
        self._held = {key: held[:, ready:] for key, held in self._held.items()}
        self._late += audio.shape[1] - ready
        return out


def check_distinct(board: Board | Split) -> None:
    """Raises ParameterError where a plugin is in two places of a board, of what is inside of it, or of a split."""
    found, waiting = dict[int, Any](), list[Any]([board])
    while waiting:
        plugin = waiting.pop()
        if id(plugin) in found:
            kind = type(plugin).__name__
            raise ParameterError(f"A {kind} is twice on the board, which would mix up its past: make two of it.")
        found[id(plugin)] = plugin  # kept, since numbers of what is gone are given anew
        if isinstance(plugin, Board):
            waiting += plugin.there()
        elif isinstance(plugin, Split):
            waiting += plugin.boards.values()
        elif isinstance(plugin, PluginContainer):
            waiting += list(plugin)


def mixed(audio: Any) -> np.ndarray:
    """The sum of stems, where there are several."""
    if not isinstance(audio, dict):
        return np.asarray(audio)
    total: np.ndarray = sum(audio.values(), np.float32(0))
    return total


def _given(plugin: Any) -> list[Any]:
    """A plugin, or none in an empty place."""
    return [] if plugin is None else [plugin]


def _listed(board: Any) -> Sequence[Any]:
    return board if isinstance(board, Sequence) else [board]
