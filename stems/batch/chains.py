"""Effect chains over stems that are separated block by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from stems.batch.presets import Preset, build_chain
from stems.errors import PresetError
from stems.separator import Block

PIECE = 8192  # samples; plugins with latency lose what they hold when the length of their input changes
LOUDEST = 1e6  # times full scale, which no effect on music reaches
SEEING_ALL = ("GSMFullRateCompressor", "PitchShift")  # lose what they hold at every call


def outputs(
    blocks: Iterable[Block], preset: Preset, sample_rate: float, samples: int
) -> Iterator[dict[str, np.ndarray]]:
    """The outputs of a preset, block by block: (channels, samples) each, by name, `samples` in all.

    Latency of plugins is compensated, as pedalboard does for whole files. Memory is bounded but where a chain
    has one of the plugins in `SEEING_ALL`, which get the stem in one piece.

    Raises:
        PresetError: where a plugin cannot process audio of this sample rate.
    """
    if not preset.chains:
        for block in blocks:
            yield summed(block.stems, preset)
        return
    effects = {stem: _Effects(stem, preset, sample_rate, samples) for stem in preset.chains}
    waiting: defaultdict[str, _Queue] = defaultdict(_Queue)
    left = samples
    for stems in _with_silence_after(blocks):
        for stem, audio in stems.items():
            waiting[stem].add(effects[stem](audio) if stem in effects else audio)
        if ready := min(left, *(queue.samples for queue in waiting.values())):
            yield summed({stem: queue.take(ready) for stem, queue in waiting.items()}, preset)
            left -= ready
        if not left:
            return


def _with_silence_after(blocks: Iterable[Block]) -> Iterator[dict[str, np.ndarray]]:
    """Goes on with silence for ever, to get out what effects with latency still hold."""
    silence: dict[str, np.ndarray] = {}
    for block in blocks:
        yield block.stems
        silence = {stem: np.zeros((len(audio), PIECE), np.float32) for stem, audio in block.stems.items()}
    while silence:
        yield silence


def summed(stems: dict[str, np.ndarray], preset: Preset) -> dict[str, np.ndarray]:
    """The outputs of a preset: sums of stems, whatever effects they ran through."""
    return {name: sum((stems[stem] for stem in parts[1:]), stems[parts[0]]) for name, parts in preset.outputs.items()}


class _Queue:
    """Audio that waits, (channels, samples)."""

    def __init__(self) -> None:
        self.samples = 0
        self._blocks: list[np.ndarray] = []

    def add(self, audio: np.ndarray) -> None:
        self._blocks.append(audio)
        self.samples += audio.shape[1]

    def take(self, samples: int) -> np.ndarray:
        audio = np.concatenate(self._blocks, 1)
        self._blocks = [audio[:, samples:]]
        self.samples -= samples
        return audio[:, :samples]


class _Effects:
    """A chain that is fed in blocks; what comes out may come late, but in order and without a gap."""

    def __init__(self, stem: str, preset: Preset, sample_rate: float, samples: int) -> None:
        self.where = f"{preset.name}: chain of {stem}"
        self.board = build_chain(preset.chains[stem], self.where)
        self.sample_rate = sample_rate
        self.sees_all = any(plugin["plugin"] in SEEING_ALL for plugin in preset.chains[stem])
        self.piece = samples if self.sees_all else PIECE
        self._waiting = _Queue()

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        """(channels, any number of samples) -> (channels, perhaps more or fewer)."""
        self._waiting.add(audio)
        pieces = [audio[:, :0]]
        while self._waiting.samples >= self.piece:
            pieces.append(self._process(self._waiting.take(self.piece)))
        return np.concatenate(pieces, 1)

    def _process(self, audio: np.ndarray) -> np.ndarray:
        try:
            processed: np.ndarray = self.board.process(
                np.ascontiguousarray(audio), self.sample_rate, buffer_size=PIECE, reset=self.sees_all
            )
        except (RuntimeError, ValueError) as error:
            raise PresetError(f"{self.where}: {' '.join(str(error).split())}") from error
        if not np.abs(processed).max(initial=0) <= LOUDEST:  # as of NaN
            raise PresetError(f"{self.where}: its effects make what is no audio any more: change their parameters.")
        return processed.reshape(len(audio), -1)
