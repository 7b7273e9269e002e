"""Scores one track with several methods: its true stems are read and prepared once for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stems.card import find_model
from stems.errors import OptionError
from stems.evaluate import load_engine
from stems.evaluate.oracles import BASELINES, estimate
from stems.evaluate.results import is_finished, result_path, save_track
from stems.evaluate.tracks import Song, Track
from stems.imports import importing_torch
from stems.memory import reuse_memory

if TYPE_CHECKING:
    from stems.model import Model
    from stems.separator import Separator
    from stems.song.clustered import ClusteredSong
    from stems.song.confidence import Confidence


@dataclass(frozen=True)
class Estimates:
    """What a method made of a song: arrays `(channels, samples)` by name of stem, of the stems that the song has.

    confidence: of the method in them, if it says so.
    """

    stems: Mapping[str, NDArray[np.floating]]
    confidence: Confidence | None = None


@dataclass(frozen=True)
class Estimator:
    """What makes estimates of a song. It can be handed to another process.

    separate: makes them.
    files: what they are made by beside the song, such as weights; scores count as long as all of these stay the same.
    """

    separate: Callable[[Song], Estimates]
    files: tuple[Path, ...] = ()

    def __call__(self, song: Song) -> Estimates:
        """The estimates of a song."""
        return self.separate(song)

    @cached_property
    def version(self) -> str:
        """A checksum of the files, by which others are told from them under the same name; empty without any."""
        from stems.files.loudness import checksum

        together = "".join(checksum(file) for file in self.files)
        return hashlib.sha256(together.encode()).hexdigest() if together else ""


def baseline_estimator(baseline: str) -> Estimator:
    """An estimator for one of `stems.evaluate.oracles.BASELINES`.

    Raises OptionError for any other name.
    """
    if baseline not in BASELINES:
        raise OptionError(f"There is no baseline '{baseline}'; choose among {', '.join(BASELINES)}.")
    return Estimator(partial(_estimate_baseline, baseline))


def model_estimator(model: str) -> Estimator:
    """An estimator that separates with this model, which each process loads once.

    model: as for `stems.Separator`.
    """
    return Estimator(partial(_separate, model), _files_of(model))


def stream_estimator(model: str) -> Estimator:
    """An estimator that streams each song with this real-time model, as the first thing that the stream hears.

    The latency is taken out.

    model: as for `stems.Stream`.
    """
    return Estimator(partial(_stream, model), _files_of(model))


def given_estimator(track: Track) -> Estimator:
    """An estimator that reads the estimates that lie beside a track's true stems.

    Raises OptionError if there are none.
    """
    if track.load_estimates is None:
        raise OptionError(f"There are no estimates for {track.name}.")
    return Estimator(partial(_read_estimates, track.load_estimates), track.estimates)


def _files_of(model: str) -> tuple[Path, ...]:
    weights = find_model(model)
    return weights, weights.with_suffix(".json")


def pending(track: Track, methods: Mapping[str, Estimator], folder: Path, engine: str) -> dict[str, Estimator]:
    """Those methods whose scores of this track, by this engine and of this version, are not in the folder yet."""
    return {
        method: estimator
        for method, estimator in methods.items()
        if not is_finished(result_path(folder, method, track.subset, track.name), engine, estimator.version)
    }


def score_track(
    track: Track, methods: Mapping[str, Estimator], folder: Path, engine: str = "stems"
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Scores every pending method on one track; each is kept in the results folder as soon as it is scored.

    Estimates are made and dropped one method after the other, so that memory holds one set of them. Returns method ->
    metric -> `(stems, frames)` in dB of those that were pending; the audio is not even read if there were none.
    """
    todo = pending(track, methods, folder, engine)
    if not todo:
        return {}
    song = track.load()
    stems = tuple(song.stems)
    prepared = load_engine(engine)(list(song.stems.values()), song.sample_rate)
    scores = {}
    for method, estimator in todo.items():
        estimates = estimator(song)
        scores[method] = prepared.score([estimates.stems[stem] for stem in stems])
        path = result_path(folder, method, track.subset, track.name)
        save_track(path, stems, scores[method], engine, estimates.confidence, version=estimator.version)
    return scores


def _separate(model: str, song: Song) -> Estimates:
    from stems.song.confidence import confidence

    found: list[ClusteredSong] = []
    separator = _separator(model, _modified(model))
    blocks = list(separator.separate(song, song.sample_rate, observe=found.append))
    stems = {name: np.concatenate([block.stems[name] for block in blocks], axis=1) for name in separator.stems}
    return Estimates(stems, confidence(found[0]))


def _stream(model: str, song: Song) -> Estimates:
    from stems.stream import Stream

    stream = Stream(_model(model, _modified(model)), song.sample_rate, song.mixture.shape[0])
    late = stream.latency_samples
    stems = stream(np.pad(song.mixture, ((0, 0), (0, late))))
    return Estimates({name: stem[:, late:] for name, stem in stems.items()})


def _modified(model: str) -> int:
    return find_model(model).stat().st_mtime_ns


@cache
def _model(model: str, modified: int) -> Model:
    from stems.model import Model

    return Model.load(model)


@cache
def _separator(model: str, modified: int) -> Separator:
    reuse_memory()
    with importing_torch():
        from stems.separator import Separator

    return Separator(model)


def _estimate_baseline(baseline: str, song: Song) -> Estimates:
    stems = np.stack(list(song.stems.values()))
    return Estimates(dict(zip(song.stems, estimate(baseline, song.mixture, stems, song.sample_rate), strict=True)))


def _read_estimates(load: Callable[[Song], Mapping[str, NDArray[np.floating]]], song: Song) -> Estimates:
    return Estimates(load(song))
