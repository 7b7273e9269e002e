"""Separation of a stream of audio, block by block, from what has been heard so far."""

from __future__ import annotations

import copy
import math
import os

import numpy as np
import torch
from torch import Tensor

from stems.errors import AudioError, ModelError, OptionError
from stems.layout import MOST_CHANNELS
from stems.limits import check_sensitivity
from stems.model import Model
from stems.network.embedding import NetworkShape
from stems.network.live import LiveNetwork
from stems.running import RunningCentroids, RunningLoudness, loudness_hops
from stems.spectrum import FLOOR_DB, OVERLAP, OverlapAdd, analyse, energy

LARGEST = 1e6  # a block with samples beyond +120 dBFS is no audio
SMALLEST = 1e-15  # fainter samples become zero, since denormal numbers are slow to compute with
REST_SECONDS = 1.0  # of digital silence, after which the network rests: its memory would drift where no music takes it
FRAMES_AT_ONCE = 64  # that are separated at once, which bounds the memory for long blocks


class Stream:
    """A causal model that separates audio as it comes.

    Blocks may be of any size, and change in size: the output is the same. It comes late by exactly
    `latency_samples`, after as many samples of silence. The centroids start at the anchors and follow the
    music (online k-means), and the loudness that the network is shown is that of the last seconds, so quiet
    music is separated like loud music.

    A block that holds NaN, infinite or absurdly large samples is taken as silence and comes out as silence.
    After `REST_SECONDS` of digital silence nothing is computed until something sounds again, and what was learned
    of the music stays.

    A frame is too little work to be shared among cores, so a host may well call `torch.set_num_threads(1)`.

    Args:
        model: name of a shipped model, path of a `.safetensors` file, or a `Model`; it must be unidirectional.
        sample_rate: Hz, from 8000 to 192000.
        channels: 1 or 2.

    Raises:
        ModelError: if the model cannot be loaded, hears the future, or hears several frames as one.
        OptionError: if the sample rate is out of range.
        AudioError: if there are more than two channels.
    """

    def __init__(
        self, model: str | os.PathLike[str] | Model = "openband-live", sample_rate: float = 44100, channels: int = 2
    ) -> None:
        if not 8000 <= sample_rate <= 192000:
            raise OptionError(f"The sample rate must be from 8000 to 192000 Hz, not {sample_rate:g}.")
        if not 1 <= channels <= MOST_CHANNELS:
            raise AudioError(f"A stream has 1 or 2 channels, not {channels}: mix it down to mono or stereo.")
        self.model = on_cpu(model if isinstance(model, Model) else Model.load(model))
        check_causal(self.model.design.network, "" if isinstance(model, Model) else f" {str(model)!r}")
        self.sample_rate = sample_rate
        self.channels = channels
        self.grid = grid = self.model.grid(sample_rate)
        bands = self.model.design.bands
        with torch.inference_mode():
            self._band_of_bin = bands.of_bins(grid)
            self._widths = bands.widths(grid).float()
            self._means = bands.sums(torch.eye(grid.bins), grid) / self._widths  # (bins, bands)
            self._kappa = float(self.model.kappa)
            self._network = LiveNetwork(self.model.network)
        self.reset()

    @property
    def latency_samples(self) -> int:
        """Samples by which the output is late."""
        return self.grid.latency_samples

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems, in the order of the anchors."""
        return self.model.design.stems

    def reset(self) -> None:
        """Forgets all that was heard."""
        grid = self.grid
        with torch.inference_mode():
            self._network.reset()
            self._centroids = RunningCentroids(self.model, grid, self._widths)
        self._loudness = RunningLoudness(loudness_hops(grid), self.model.design.loudness)
        self._add = OverlapAdd(grid)
        self._heard = np.zeros((self.channels, grid.window - grid.hop), np.float32)  # not yet in all their frames
        self._silent_hops = len(self._heard[0]) // grid.hop  # since anything sounded
        self._delayed = np.zeros((self.channels, self.latency_samples), np.float32)  # the mixture on its way out
        self._ready: np.ndarray | None = None  # (mixes, channels, samples) that wait for their turn

    def __call__(self, audio: np.ndarray, sensitivity: float = 1.0) -> dict[str, np.ndarray]:
        """Separates the next block.

        Args:
            audio: float32 or float64 (channels, samples), of any length.
            sensitivity: how sharply cells are assigned, see `stems.limits.check_sensitivity`.

        Returns:
            The stems by name, float32, in the shape of `audio`. They sum to the mixture `latency_samples` ago.
        """
        stems = self.mix(audio, np.eye(len(self.stems), dtype=np.float32), sensitivity)[1]
        return dict(zip(self.stems, stems, strict=True))

    def mix(self, audio: np.ndarray, gains: np.ndarray, sensitivity: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Separates the next block and mixes its stems, which is cheaper than mixing them afterwards.

        Gains may change from call to call: a change fades in over a window. The number of mixes may not.

        Args:
            audio: float32 or float64 (channels, samples), of any length.
            gains: (mixes, stems), of amplitude.
            sensitivity: see a call.

        Raises:
            TypeError: the block is of other numbers, whose full scale a stream does not know.
            AudioError: it is not of the stream's channels.
            OptionError: the sensitivity is out of range, the gains are not of these stems or not finite, or the number
                of mixes has changed.

        Returns:
            The mixture `latency_samples` ago, in the shape of `audio`, and (mixes, channels, samples).
        """
        audio, gains = np.asarray(audio), np.array(gains, np.float32, order="C")  # torch takes no views backwards
        if audio.dtype not in (np.float32, np.float64):
            raise TypeError(f"A stream takes 32-bit and 64-bit floating point audio, not {audio.dtype}.")
        if audio.ndim != 2 or len(audio) != self.channels:
            raise AudioError(f"The stream takes blocks of shape ({self.channels}, samples), not {audio.shape}.")
        check_sensitivity(sensitivity)
        if gains.ndim != 2 or gains.shape[1] != len(self.stems):
            raise OptionError(f"Gains must be of shape (mixes, {len(self.stems)}), not {gains.shape}.")
        if not np.isfinite(gains).all():
            raise OptionError("Gains must be finite numbers: 0 leaves a stem out.")
        if self._ready is None:
            self._ready = np.zeros((len(gains), self.channels, self.grid.hop - 1), np.float32)
        if len(gains) != len(self._ready):
            raise OptionError(f"The stream mixes {len(self._ready)} at a time, not {len(gains)}: reset it first.")
        samples = audio.shape[1]
        if not np.abs(audio).max(initial=0.0) <= LARGEST:  # NaN compares as False
            audio = np.full(audio.shape, np.nan)
        audio = audio.astype(np.float32, copy=False)
        self._delayed = np.concatenate([self._delayed, audio], 1)
        mixture, self._delayed = self._delayed[:, :samples], self._delayed[:, samples:]
        self._ready = np.concatenate([self._ready, *self._separated(audio, gains, sensitivity)], 2)
        mixes, self._ready = self._ready[..., :samples], self._ready[..., samples:]
        if np.isnan(mixture).any():
            heard = ~np.isnan(mixture[0])
            mixture, mixes = np.where(heard, mixture, 0), np.where(heard, mixes, 0)
        return mixture, mixes

    @torch.inference_mode()
    def _separated(self, audio: np.ndarray, gains: np.ndarray, sensitivity: float) -> list[np.ndarray]:
        grid = self.grid
        audible = np.where(np.abs(audio) >= SMALLEST, audio, np.float32(0))  # NaN compares as False
        held = np.concatenate([self._heard, audible], 1)
        frames = (held.shape[1] - (grid.window - grid.hop)) // grid.hop
        mixes, gains_of_mixes = [], torch.from_numpy(gains)
        rests, first = self._rests(held[:, grid.window - grid.hop :], frames), 0
        while first < frames:
            last = min(frames, first + FRAMES_AT_ONCE)
            last = next((frame for frame in range(first, last) if rests[frame] != rests[first]), last)
            if rests[first]:
                silence = torch.zeros(len(gains), self.channels, (last - first + OVERLAP - 1) * grid.hop)
                mixes.append(self._add.join(silence).numpy())
            else:
                piece = held[:, first * grid.hop : (last - 1) * grid.hop + grid.window]
                mixes.append(self._frames(torch.from_numpy(piece), gains_of_mixes, self._kappa * sensitivity).numpy())
            first = last
        self._heard = held[:, frames * grid.hop :].copy()
        return mixes

    def _rests(self, newest: np.ndarray, frames: int) -> list[bool]:
        """Which of the next frames need no work, since all has been silent for long; `newest`: their last hops."""
        enough = self.grid.window // self.grid.hop + math.ceil(REST_SECONDS / self.grid.frame_seconds)
        hops = newest[:, : frames * self.grid.hop].reshape(self.channels, frames, self.grid.hop)
        rests = []
        for sounds in np.any(hops, axis=(0, 2)):
            self._silent_hops = 0 if sounds else self._silent_hops + 1
            rests.append(self._silent_hops >= enough)
        return rests

    def _frames(self, audio: Tensor, gains: Tensor, kappa: float) -> Tensor:
        """Frames whose samples are all there: (channels, samples) -> (mixes, channels, frames * hop)."""
        spectra = analyse(audio, self.grid)
        left, right = spectra[0], spectra[-1]
        power = energy(torch.stack([(left + right) / 2, (left - right) / 2])) @ self._means  # (2, frames, bands)
        power *= self._loudness.gains(audio[:, self.grid.window - self.grid.hop :], self.grid.hop)
        embeddings = self._network(10 * torch.log10(power + 10 ** (FLOOR_DB / 10)))
        shares = self._centroids.follow(embeddings, 2 * power.sum(0) * self._widths, kappa)
        masks = (gains @ shares).permute(1, 0, 2)
        masks = masks.gather(-1, self._band_of_bin.expand(*masks.shape[:2], -1))  # (mixes, frames, bins)
        return self._add(masks[:, None] * spectra)


def check_causal(network: NetworkShape, name: str = "") -> None:
    """Raises ModelError if a network needs frames that are still to come."""
    if network.bidirectional:
        raise ModelError(
            f"The model{name} hears the future (it is bidirectional), so it cannot run live: give one trained "
            "with `bidirectional = false`, such as openband-live."
        )
    if network.groups and network.stride > 1:
        raise ModelError(
            f"The model{name} hears several frames as one, so it cannot run live: train it with `stride = 1`."
        )


def on_cpu(model: Model) -> Model:
    """The model itself, or a copy if it lives on another device."""
    return model if next(model.parameters()).device.type == "cpu" else copy.deepcopy(model).cpu()
