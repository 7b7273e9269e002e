"""Separation of songs of any length in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from stems.cores import Cores, one_core
from stems.errors import Cancelled, OptionError
from stems.hints import Hint, check_against, gather, own_stems
from stems.layout import channels_first
from stems.memory import give_back_memory
from stems.methods import Sharpened, Start, method_named
from stems.model import Model
from stems.sensitivity import Sensitivity
from stems.song.clustered import ClusteredSong
from stems.song.encoded import EncodedSong, encode_song
from stems.song.guidance import begin, follow, hinted_cells, hinted_frames, leanings
from stems.song.landmarks import landmarks, loudest_cells, middles
from stems.song.level import Readable, loudness
from stems.song.masks import Masks
from stems.spectrum import Grid

LISTENING = 0.6  # of the work, for progress

Progress = Callable[[float], None]


@dataclass(frozen=True)
class Block:
    """Some samples of the stems of a song.

    Attributes:
        start: number of the first sample.
        stems: (channels, samples) each, by name; all stems together sum to the mixture.
        mixture: what was separated, float32 (channels, samples).
    """

    start: int
    stems: dict[str, np.ndarray]
    mixture: np.ndarray


class Separator:
    """Splits songs into stems.

    A song is read twice. First the recurrent layers hear it, and k-means over the embeddings of evenly spread
    frames finds the song's centroids. Then the masks that the centroids give are applied block by block.

    Example:
        >>> separator = Separator()                                     # doctest: +SKIP
        >>> vocals = separator("song.wav")["vocals"]                    # doctest: +SKIP

    Args:
        model: name of a shipped model, path of a `.safetensors` file, or a `Model`.
        device: "auto", "cpu", "cuda" or "mps".
        hints: what is known of the song, such as "vocals=0:31-0:35.5", or TOML files of that, see `stems.hints`. One
            that names a stem which the model does not know makes it a further stem.
        method: of clustering, one of `stems.methods.METHODS`.

    Raises:
        ModelError: if the model cannot be loaded.
        OptionError: if the device is not there, hints contradict each other, or there is no such method.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model = "openband",
        device: str = "auto",
        hints: Iterable[str | os.PathLike[str] | Hint] = (),
        method: str = "soft",
    ) -> None:
        self.device = choose_device(device)
        self.model = (model if isinstance(model, Model) else Model.load(model)).to(self.device).eval()
        self.hints = gather(hints, self.model.design.stems)
        self.method = method_named(method)

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems, in the order of the clusters: those of the model, then those that only hints name."""
        return self.model.design.stems + own_stems(self.hints, self.model.design.stems)

    def __call__(
        self,
        audio: np.ndarray | str | os.PathLike[str],
        sample_rate: float | None = None,
        *,
        stems: Collection[str] | None = None,
        sensitivity: float | str | Mapping[str, float] | Sensitivity = 1.0,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> dict[str, np.ndarray]:
        """Separates audio, or a file, and returns its stems by name.

        Args:
            audio: (channels, samples), (samples, channels) or (samples,), or the path of a file.
            sample_rate: Hz; needed for arrays, not for files.
            stems: names of the stems to return; all of them by default.
            sensitivity: 1 is what the model learned; lower bleeds softly, higher cuts hard (0.1 to 10). Stems may have
                their own, as in `{"vocals": 2}`, see `stems.sensitivity`.
            progress: called with the share of the work that is done, from 0 to 1.
            cancelled: asked between blocks; the separation stops with `Cancelled` when it returns True.

        Returns:
            The stems in the layout of `audio` (files: (channels, samples)), float32, or float64 if `audio` was.
            All stems together sum to `audio`.

        Raises:
            AudioError: where the audio cannot be separated as it is.
            OptionError: where a stem is unknown, the sensitivity out of range, or a hint outside of the song or silent.
            Cancelled: when `cancelled` says so.
        """
        if isinstance(audio, (str, os.PathLike)):
            from stems.files.audio import open_song
            from stems.files.spool import spooled

            with open_song(audio) as file, spooled(file) as song:
                return self._collect(song, song.format.sample_rate, stems, sensitivity, progress, cancelled)
        if sample_rate is None:
            raise OptionError("An array of audio needs its sample rate: separator(audio, sample_rate).")
        planes, layout = channels_first(audio)
        found = self._collect(_Array(planes), sample_rate, stems, sensitivity, progress, cancelled)
        return {name: layout.restore(stem) for name, stem in found.items()}

    def _collect(
        self,
        song: Readable,
        sample_rate: float,
        stems: Collection[str] | None,
        sensitivity: float | str | Mapping[str, float] | Sensitivity,
        progress: Progress | None,
        cancelled: Callable[[], bool] | None,
    ) -> dict[str, np.ndarray]:
        blocks = self.separate(
            song, sample_rate, stems=stems, sensitivity=sensitivity, progress=progress, cancelled=cancelled
        )
        parts = [block.stems for block in blocks]
        return {name: np.concatenate([part[name] for part in parts], 1) for name in parts[0]}

    def separate(
        self,
        song: Readable,
        sample_rate: float,
        *,
        stems: Collection[str] | None = None,
        sensitivity: float | str | Mapping[str, float] | Sensitivity = 1.0,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        observe: Callable[[ClusteredSong], None] | None = None,
        encoded: EncodedSong | None = None,
        level: float | None = None,
    ) -> Generator[Block, None, None]:
        """Separates audio of any length in bounded memory; the arguments are those of a call.

        Args:
            observe: called once, before the first block, with what the clustering found in the song.
            encoded: what `encode` made of the same song, which then is not heard again; the caller closes it.
            level: what `stems.song.level.loudness` says of the song, where that is known.

        Yields:
            Blocks in order, which together are as long as the song.
        """
        names = (stems,) if isinstance(stems, str) else None if stems is None else tuple(stems)
        if unknown := [name for name in names or () if name not in self.stems]:
            raise OptionError(f"There is no stem {unknown[0]!r}: choose from {', '.join(self.stems)}.")
        if names == ():
            raise OptionError(f"No stem is named: choose from {', '.join(self.stems)}, or leave stems out for all.")
        wanted = Sensitivity.of(sensitivity)
        wanted.check_against(self.stems)
        grid = self._grid(sample_rate)
        check_against(self.hints, song, sample_rate)
        return self._blocks(song, grid, names, wanted, _reporter(progress, cancelled), observe, encoded, level)

    @torch.inference_mode()
    def encode(
        self,
        song: Readable,
        sample_rate: float,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> EncodedSong:
        """Hears a song once, for any number of separations with other hints and sensitivities; close it in the end.

        The arguments and errors are those of a call.
        """
        with Cores(self.device) as cores:
            report = _reporter(progress, cancelled)
            return self._hear(song, self._grid(sample_rate), torch.arange(0), cores, report, all_levels=True)

    @torch.inference_mode()
    def masks(
        self, encoded: EncodedSong, grid: Grid, sensitivity: Sensitivity, names: Collection[str] | None = None
    ) -> tuple[Masks, ClusteredSong]:
        """The masks of a song, and the clusters that they come from; the stems are those that hints want.

        Args:
            encoded: with the frames kept that `frames_needed` gives.
            names: of the stems that are wanted; None wants all.
        """
        found = self.find_clusters(encoded, grid, sensitivity)
        return Masks(self.model, grid, encoded, found, names), found

    def frames_needed(self, grid: Grid, total: int, without_landmarks: bool = False) -> Tensor:
        """Numbers of the frames that clusters are found by, among `total`: the landmarks, and some in hints."""
        hinted = hinted_frames(self.hints, grid, total)
        return hinted if without_landmarks else torch.from_numpy(np.union1d(landmarks(total, self.model), hinted))

    @torch.inference_mode()
    def _blocks(
        self,
        song: Readable,
        grid: Grid,
        names: tuple[str, ...] | None,
        sensitivity: Sensitivity,
        report: Progress,
        observe: Callable[[ClusteredSong], None] | None,
        encoded: EncodedSong | None,
        level: float | None,
    ) -> Generator[Block, None, None]:
        report(0.0)
        keep = self.frames_needed(grid, grid.frames(song.samples))
        listening = 0.0 if encoded else LISTENING
        with Cores(self.device) as cores:
            if encoded is None:
                heard = self._hear(song, grid, keep, cores, lambda share: report(listening * share), level=level)
            else:
                heard = encoded
                heard.keep(keep, cores)
            try:
                masks, found = self.masks(heard, grid, sensitivity, names)
                if observe is not None:
                    observe(found)
                heard.forget_kept()
                del found  # which is as large as some seconds of song
                give_back_memory()
                for start, stems, mixture in masks.apply(song, cores):
                    yield Block(start, stems, mixture)
                    done = start + mixture.shape[1]
                    report(listening + (1 - listening) * done / song.samples)
            finally:
                if encoded is None:
                    heard.close()

    def _hear(
        self,
        song: Readable,
        grid: Grid,
        keep: Tensor,
        cores: Cores,
        report: Progress,
        all_levels: bool = False,
        level: float | None = None,
    ) -> EncodedSong:
        known = self.model.design.loudness
        gain = known / ((loudness(song) if level is None else level) or known)
        give_back_memory()
        return encode_song(song, self.model, grid, gain, keep, cores, report, all_levels)

    def _grid(self, sample_rate: float) -> Grid:
        if not 8000 <= sample_rate <= 192000:
            raise OptionError(f"The sample rate must be from 8000 to 192000 Hz, not {sample_rate:g}.")
        return self.model.grid(sample_rate)

    @one_core()
    def find_clusters(self, encoded: EncodedSong, grid: Grid, sensitivity: Sensitivity) -> ClusteredSong:
        """The clusters of a song, from the loudest cells of its landmarks."""
        frames, settings = landmarks(encoded.total, self.model), self.model.design.clustering
        kappa = float(self.model.kappa) * sensitivity.song
        cells = encoded.landmarks or loudest_cells(encoded, self.model, grid, frames)
        stems = self.model.design.stems + own_stems(self.hints, self.model.design.stems)
        hinted = hinted_cells(self.hints, encoded, self.model, grid, encoded.total)
        start = Start(self.model.starts(*cells.points, kappa), kappa, None, settings.pull, settings.iterations)
        start = begin(hinted, stems, start, cells.points)
        clusters = follow(hinted, stems, self.method(*cells.points, start), cells.points, kappa)
        if sensitivity.stems:
            clusters = Sharpened(clusters, cells.embeddings.new_tensor(sensitivity.exponents(stems)))
        return ClusteredSong(
            stems=stems,
            anchors=start.directions,
            clusters=clusters,
            leanings=leanings(hinted, stems, clusters, self.model.design.bands),
            seconds=middles(frames, grid),
            contexts=cells.contexts,
            powers=cells.powers,
            loudest=cells.loudest,
            embeddings=cells.embeddings,
        )


def _reporter(progress: Progress | None, cancelled: Callable[[], bool] | None) -> Progress:
    """Tells of progress, and raises Cancelled where that is wanted."""

    def report(share: float) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("The separation was cancelled.")
        if progress is not None:
            progress(share)

    return report


def choose_device(name: str) -> torch.device:
    """The device of a name; "auto" prefers cuda, then mps, then the CPU.

    Raises:
        OptionError: if there is no such device here.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, is_there in there.items() if is_there))
    if name not in there:
        raise OptionError(f"There is no device {name!r}: choose auto, cpu, cuda or mps.")
    if not there[name]:
        raise OptionError(f"This machine has no {name} device for torch: choose auto or cpu.")
    return torch.device(name)


class _Array:
    """An array as a song to read."""

    def __init__(self, audio: np.ndarray) -> None:
        self.audio = audio
        self.samples = audio.shape[1]

    def read(self, start: int, count: int) -> np.ndarray:
        return self.audio[:, start : start + count]
