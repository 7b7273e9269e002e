"""Effect chains over stems that are separated block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from stems.presets import Preset, build_chain
from stems.separator import Block

FLUSH_SECONDS = 0.5  # of silence at a time, to get out what a plugin with latency still holds


def outputs(
    blocks: Iterable[Block], preset: Preset, sample_rate: float, samples: int
) -> Iterator[dict[str, np.ndarray]]:
    """The outputs of a preset, block by block: (channels, samples) each, by name, `samples` in all.

    Latency of plugins is compensated, as pedalboard does for whole files.
    """
    if not preset.chains:
        for block in blocks:
            yield _summed(block.stems, preset)
        return
    boards = {stem: _Board(build_chain(chain, preset.name), sample_rate) for stem, chain in preset.chains.items()}
    held: dict[str, np.ndarray] = {}
    left = samples
    for stems in _with_silence_after(blocks, sample_rate):
        for stem, audio in stems.items():
            processed = boards[stem](audio) if stem in boards else audio
            held[stem] = np.concatenate([held[stem], processed], 1) if stem in held else processed
        ready = min(left, *(audio.shape[1] for audio in held.values()))
        if ready:
            yield _summed({stem: audio[:, :ready] for stem, audio in held.items()}, preset)
        held = {stem: audio[:, ready:] for stem, audio in held.items()}
        left -= ready
        if not left:
            return


def _with_silence_after(blocks: Iterable[Block], sample_rate: float) -> Iterator[dict[str, np.ndarray]]:
    silence: dict[str, np.ndarray] = {}
    for block in blocks:
        silence = {
            stem: np.zeros((len(audio), int(FLUSH_SECONDS * sample_rate)), np.float32)
            for stem, audio in block.stems.items()
        }
        yield block.stems
    while silence:
        yield silence


def _summed(stems: dict[str, np.ndarray], preset: Preset) -> dict[str, np.ndarray]:
    return {name: sum((stems[stem] for stem in parts[1:]), stems[parts[0]]) for name, parts in preset.outputs.items()}


class _Board:
    """A chain that is fed in blocks; what comes out may come late, but in order and without a gap."""

    def __init__(self, board: Any, sample_rate: float) -> None:
        self.board, self.sample_rate = board, sample_rate

    def __call__(self, audio: np.ndarray) -> np.ndarray:
        processed: np.ndarray = self.board.process(np.ascontiguousarray(audio), self.sample_rate, reset=False)
        return processed.reshape(len(audio), -1)
