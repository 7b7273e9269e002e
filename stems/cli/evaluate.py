"""`stems evaluate`: scores separations against true stems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stems.cli.extras import require
from stems.cli.options import Shard
from stems.cli.output import say
from stems.errors import OptionError, StemsError

if TYPE_CHECKING:
    import numpy as np

    from stems.evaluate.scoring import Estimator
    from stems.evaluate.tracks import Track


class EngineName(str, Enum):
    """What computes BSS Eval."""

    stems = "stems"
    museval = "museval"


class Subset(str, Enum):
    """A part of MUSDB18."""

    test = "test"
    train = "train"
    valid = "valid"


def evaluate(
    musdb: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="MUSDB18 or MUSDB18-HQ: the folder above 'train' and 'test'.")
    ] = None,
    subset: Annotated[Subset, typer.Option(help="Part of MUSDB18.")] = Subset.test,
    songs: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of songs, each a folder with drums, bass, other and vocals; this and the next two may be at "
            "s3:// and the like.",
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="True stems of one song, or folders of them.")
    ] = None,
    estimates: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Estimates with the same names in the same places.")
    ] = None,
    baseline: Annotated[
        str, typer.Option(metavar="NAMES", help="Also score these, separated by commas: mixture, ibm, irm, mwf.")
    ] = "",
    engine: Annotated[
        EngineName, typer.Option(help="Ours, or museval itself: the same figures, many times slower.")
    ] = EngineName.stems,
    quick: Annotated[bool, typer.Option("--quick", help="Only SDR and SI-SDR, within seconds.")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="See `stems models`, a .safetensors file, or 'none' for baselines alone; openband, or openband-live "
            "with --live, when left out.",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Stream each song with a real-time model, as the first that it hears.")
    ] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Tracks at a time.")] = 1,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Folder for the results; what it holds of the same weights or estimates is not scored again.",
        ),
    ] = Path("evaluation"),
    shard: Shard = None,
) -> None:
    """Score separations as museval does: SDR, ISR, SIR and SAR of every second, on MUSDB18 or any songs with stems."""
    packages = ["scipy", "matplotlib"]
    if engine is EngineName.museval:
        packages.append("museval")
    require("Scoring", "evaluate", *packages)

    from stems.batch.tasks import shard as shard_of
    from stems.cli.progress import stoppable
    from stems.evaluate.report import write_report
    from stems.evaluate.scoring import given_estimator
    from stems.files.remote import on_this_machine, place

    model = model or ("openband-live" if live else "openband")
    if live and (estimates is not None or model == "none"):
        raise OptionError("--live streams a model: leave out --estimates, and give a --model other than 'none'.")
    with stoppable(), ExitStack() as stack:
        named = [place(text) if text else None for text in (songs, reference, estimates)]
        folders = [stack.enter_context(on_this_machine(each)) if each else None for each in named]
        tracks = _tracks(musdb, subset.value, *folders)
        tracks = tracks[shard_of(shard)] if shard else tracks
        if not tracks:
            say(f"There are fewer songs than shards, so that {shard} has none.")
            return
        shared = _estimators(baseline, None if estimates or model == "none" else model, live)
        if folders[2] and _name(folders[2]) in shared:
            raise OptionError(f"{folders[2]} has the name of a --baseline, whose scores it would replace: rename it.")
        work = []
        for track in tracks:
            given = {_name(folders[2]): given_estimator(track)} if folders[2] else {}
            work.append((track, {**shared, **given}))
        if not work[0][1]:
            raise OptionError("There is nothing to score: give --baseline, or a --model other than 'none'.")

        failed = 0
        for number, (track, outcome) in enumerate(_score(work, out, "quick" if quick else engine.value, jobs), 1):
            failed += isinstance(outcome, str)
            say(f"[{number}/{len(work)}] {track.name}: {outcome if isinstance(outcome, str) else _said(outcome)}")
        if failed < len(work):
            title = f"MUSDB18, {subset.value}" if musdb else _name(folders[0] or folders[2] or out)
            say("\n" + write_report(out, musdb is not None, title, {(track.subset, track.name) for track in tracks}))
            say(f"Pictures: open {out / 'scores.html'} in a browser.")
        if failed:
            raise typer.Exit(1)


def _estimators(baselines: str, model: str | None, live: bool) -> dict[str, Estimator]:
    """What separates every track, by the names of the methods: baselines, and a model if there is one."""
    from stems.evaluate.scoring import baseline_estimator, model_estimator, stream_estimator

    found = {name: baseline_estimator(name) for name in dict.fromkeys(baselines.replace(",", " ").split())}
    if model is None:
        return found
    from stems.card import stem_names
    from stems.evaluate.tracks import STEMS

    if missing := [stem for stem in STEMS if stem not in stem_names(model)]:  # before any work
        raise OptionError(
            f"The model {model!r} has no {', '.join(missing)}, which are scored here: split the songs with it, and "
            "give --reference and --estimates."
        )
    if live:
        from stems.model import Model
        from stems.stream import check_causal

        check_causal(Model.load(model).design.network, f" {model!r}")
    name = Path(model).stem + (" live" if live else "")
    if name in found:
        raise OptionError(f"{model} has the name of a --baseline, whose scores it would replace: rename it.")
    return {**found, name: (stream_estimator if live else model_estimator)(model)}


def _name(folder: Path) -> str:
    return str(folder.resolve().name)


def _tracks(
    musdb: Path | None, subset: str, songs: Path | None, reference: Path | None, estimates: Path | None
) -> list[Track]:
    from stems.evaluate.tracks import estimate_tracks, musdb_tracks, song_tracks

    if sum(source is not None for source in (musdb, songs, reference)) != 1 or bool(reference) != bool(estimates):
        raise OptionError("Give one of --musdb, --songs, or --reference together with --estimates.")
    for folder in (musdb, songs, reference, estimates):
        if folder is not None and not folder.is_dir():
            raise OptionError(f"{folder} is not a folder.")
    if musdb is not None:
        return musdb_tracks(musdb, subset)
    if songs is not None:
        return song_tracks(songs)
    assert reference is not None and estimates is not None
    return estimate_tracks(reference, estimates)


Scores = Mapping[str, Mapping[str, "np.ndarray"]]


def _score(
    work: list[tuple[Track, dict[str, Estimator]]], out: Path, engine: str, jobs: int
) -> Iterator[tuple[Track, Scores | str]]:
    """Tracks as they are done, each with its scores, or with one sentence if it could not be scored."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    from stems.evaluate.scoring import score_track

    if jobs == 1:
        for track, estimators in work:
            try:
                yield track, score_track(track, estimators, out, engine)
            except StemsError as error:
                yield track, str(error)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = {pool.submit(score_track, track, methods, out, engine): track for track, methods in work}
        try:
            for future in as_completed(waiting):
                outcome: Scores | str
                try:
                    outcome = future.result()
                except StemsError as error:
                    outcome = str(error)
                except BrokenProcessPool:
                    outcome = "not scored because a worker died: the system may be out of memory, try --jobs 1."
                yield waiting[future], outcome
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _said(scores: Scores) -> str:
    import warnings

    import numpy as np

    if not scores:
        return "scored before"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mean of a track without signal is NaN
        means = {method: np.nanmean(np.nanmedian(metrics["SDR"], axis=1)) for method, metrics in scores.items()}
    return ", ".join(f"{method} {mean:.2f} dB" for method, mean in means.items())
