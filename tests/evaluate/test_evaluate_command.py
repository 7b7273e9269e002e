"""`stems evaluate` scores, sums up, resumes, and says what is wrong."""

import base64
import csv
import dataclasses
import json
import os
import shutil

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")
pytest.importorskip("soundfile")

import soundfile
from made_models import live_model

from stems.cli.evaluate import _score, evaluate
from stems.errors import ModelError, OptionError
from stems.evaluate import tracks
from stems.evaluate.report import collect_rows
from stems.evaluate.results import save_track
from stems.evaluate.scoring import Estimator
from stems.model import Model
from stems.separator import Separator
from stems.song.confidence import confidence
from stems.stream import Stream

RATE = 8000
STEMS = ("drums", "bass", "other", "vocals")


@pytest.fixture
def songs(tmp_path):
    """Two songs whose stems are tones, the same in both, with noise of their own."""
    generator = np.random.default_rng(0)
    time = np.arange(2 * RATE) / RATE
    for song in ("one", "two"):
        (tmp_path / "songs" / song).mkdir(parents=True)
        for number, stem in enumerate(STEMS):
            audio = 0.3 * np.sin(2 * np.pi * (300 + 500 * number) * time) + generator.normal(0, 0.02, len(time))
            soundfile.write(tmp_path / "songs" / song / f"{stem}.wav", audio, RATE)
    return tmp_path / "songs"


def run(*arguments):
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def scored(folder):
    with (folder / "scores.csv").open() as table:
        return {(row["method"], row["stem"]): row for row in csv.DictReader(table)}


@pytest.mark.parametrize("jobs", [1, 2])
def test_songs_are_scored_and_summed_up(songs, tmp_path, jobs):
    out = tmp_path / "out"
    command = ("--songs", songs, "--baseline", "mixture,ibm", "--model", "none", "--out", out, "--jobs", jobs)
    result = run(*command, "--quick")
    assert result.exit_code == 0, result.output
    rows = scored(out)
    assert float(rows["mixture", "drums"]["way"]) == 0
    assert float(rows["ibm", "drums"]["way"]) == 1
    assert float(rows["ibm", "drums"]["SDR"]) > float(rows["mixture", "drums"]["SDR"])
    assert rows["ibm", "drums"]["tracks"] == "2"
    files = {"scores.txt", "scores.csv", "scores.md", "scores.html", "SDR.png", "SI-SDR.png"}
    assert {path.name for path in out.iterdir()} == {"mixture", "ibm"} | files
    assert (out / "scores.txt").read_text() in result.output
    assert run(*command, "--quick").output.count("scored before") == 2


def test_a_model_is_scored_with_its_confidence(songs, tmp_path, small_weights):
    shutil.copytree(songs / "two", songs / "three")
    out = tmp_path / "out"
    result = run("--songs", songs, "--model", small_weights, "--baseline", "ibm", "--quick", "--out", out)
    assert result.exit_code == 0, result.output
    song = songs / "one"
    mixture = sum(soundfile.read(song / f"{stem}.wav", dtype="float32")[0] for stem in STEMS)
    found = []
    list(Separator(small_weights).separate(tracks.Song(RATE, mixture[None], {}), RATE, observe=found.append))
    kept = {path.stem: json.loads(path.read_text()) for path in (out / "small" / "test").iterdir()}
    expected = confidence(found[0]).as_json()
    for measure in ("confidence", "silhouette"):
        assert kept["one"][measure] == pytest.approx(expected[measure], abs=1e-3)
    with (out / "confidence.csv").open() as table:
        rows = {(row["method"], row["measure"], row["stem"]): row for row in csv.DictReader(table)}
    for stem in STEMS:  # one that gets nothing of a song has no figure there
        figures = [song["silhouette"][stem] for song in kept.values()]
        counted = int(rows.get(("small", "silhouette", stem), {"tracks": 0})["tracks"])
        assert counted == len(figures) - figures.count(None)
    assert -1 <= float(rows["small", "confidence", "all"]["correlation"]) <= 1
    assert "ibm" not in {method for method, _, _ in rows}
    assert "silhouette" in (out / "scores.txt").read_text()


def test_only_the_tracks_of_this_run_are_summed_up(songs, tmp_path):
    out = tmp_path / "out"
    options = ("--baseline", "mixture", "--model", "none", "--quick", "--out", out)
    assert run("--songs", songs / "one", *options).exit_code == 0
    assert run("--songs", songs, *options).exit_code == 0
    assert scored(out)["mixture", "drums"]["tracks"] == "2"
    result = run("--songs", songs / "two", *options)
    assert "scored before" in result.output
    assert scored(out)["mixture", "drums"]["tracks"] == "1"


def test_the_page_holds_every_figure_and_picture(songs, tmp_path):
    out = tmp_path / "out"
    run("--songs", songs, "--baseline", "mixture,ibm", "--model", "none", "--out", out)
    page = (out / "scores.html").read_text()
    for row in scored(out).values():
        assert f"<td>{float(row['SAR']):.2f}</td>" in page
    for metric in ("SDR", "ISR", "SIR", "SAR"):
        picture = base64.b64encode((out / f"{metric}.png").read_bytes()).decode()
        assert f"data:image/png;base64,{picture}" in page
    assert 'src="data:image' in page and "http" not in page


def test_anybodys_stems_are_scored(songs, tmp_path):
    result = run("--reference", songs / "one", "--estimates", songs / "two", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert float(scored(tmp_path / "out")["two", "drums"]["SDR"]) == pytest.approx(17.5, abs=0.3)  # tone over noises


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_real_time_model_is_scored_as_a_stream_that_hears_each_song_first(songs, tmp_path, jobs):
    live_model().save(tmp_path / "small-live.safetensors")
    command = ("--songs", songs, "--model", tmp_path / "small-live.safetensors", "--live", "--quick", "--jobs", jobs)
    result = run(*command, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    ratios = []
    for song in ("one", "two"):
        true = {stem: soundfile.read(songs / song / f"{stem}.wav", dtype="float32")[0] for stem in STEMS}
        stream = Stream(tmp_path / "small-live.safetensors", RATE, 1)
        late = stream.latency_samples
        stems = stream(np.pad(sum(true.values()), (0, late))[None])
        errors = stems["bass"][0, late:] - true["bass"]
        by_second = [(np.square(each).reshape(2, RATE).sum(1)) for each in (true["bass"], errors)]
        ratios.append(np.median(10 * np.log10(by_second[0] / by_second[1])))
    assert float(scored(tmp_path / "out")["small-live live", "bass"]["SDR"]) == pytest.approx(
        np.median(ratios), abs=0.02
    )


def test_a_model_that_hears_the_future_is_not_streamed(songs, tmp_path, small_weights):
    error = run("--songs", songs, "--model", small_weights, "--live", "--out", tmp_path / "out").exception
    assert isinstance(error, ModelError) and "hears the future" in str(error)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("live", [(), ("--live",)])
def test_other_weights_under_the_same_name_are_scored_anew(songs, tmp_path, live):
    path = tmp_path / "model.safetensors"
    command = ("--songs", songs, "--model", path, *live, "--quick", "--out", tmp_path / "out")
    figures = []
    for groups in (0, 8):
        live_model(groups).save(path)
        assert "scored before" not in run(*command).output
        assert run(*command).output.count("scored before") == 2
        figures.append(float(scored(tmp_path / "out")["model" + " live" * bool(live), "drums"]["SDR"]))
    assert figures[0] != figures[1]


def test_other_estimates_in_the_same_place_are_scored_anew(songs, tmp_path):
    command = ("--reference", songs / "one", "--estimates", songs / "two", "--quick", "--out", tmp_path / "out")
    assert "scored before" not in run(*command).output
    assert "scored before" in run(*command).output
    shutil.copy(songs / "one" / "drums.wav", songs / "two" / "bass.wav")
    assert "scored before" not in run(*command).output
    assert float(scored(tmp_path / "out")["two", "bass"]["SDR"]) < 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_model_without_the_stems_is_refused_before_any_work(songs, tmp_path, small_model, jobs):
    design = dataclasses.replace(small_model.design, stems=("drums", "melody"))
    Model(design, {"name": "other"}).save(tmp_path / "other.safetensors")
    command = ("--songs", songs, "--model", tmp_path / "other.safetensors", "--jobs", jobs, "--out", tmp_path / "out")
    error = run(*command).exception
    assert isinstance(error, OptionError) and "has no bass, other, vocals" in str(error)
    assert not (tmp_path / "out").exists()


def _dies(song):
    os._exit(1)


def test_a_worker_that_dies_is_one_sentence(songs, tmp_path):
    work = [(track, {"deadly": Estimator(_dies)}) for track in tracks.song_tracks(songs)]
    outcomes = list(_score(work, tmp_path / "out", "quick", 2))
    assert sorted(track.name for track, _ in outcomes) == ["one", "two"]
    assert all("a worker died" in outcome and "--jobs 1" in outcome for _, outcome in outcomes)


def test_a_broken_song_does_not_stop_the_others(songs, tmp_path):
    (songs / "one" / "bass.wav").write_bytes(b"not audio")
    result = run("--songs", songs, "--baseline", "mixture", "--model", "none", "--quick", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "bass.wav is not audio" in result.output
    assert scored(tmp_path / "out")["mixture", "bass"]["tracks"] == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give one of"),
        (("--songs", "here", "--musdb", "there"), "Give one of"),
        (("--reference", "here"), "together with --estimates"),
        (("--songs", "nowhere"), "nowhere is not a folder"),
        (("--songs", ".", "--live", "--model", "none"), "--live streams a model"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments, message):
    error = run(*arguments).exception
    assert isinstance(error, OptionError)
    assert message in str(error)


def test_nothing_to_score_is_refused(songs):
    error = run("--songs", songs, "--model", "none").exception
    assert isinstance(error, OptionError)
    assert "nothing to score" in str(error)


def test_an_unknown_model_is_refused_before_any_work(songs, tmp_path):
    out = tmp_path / "out"
    error = run("--songs", songs, "--model", "nobody.safetensors", "--baseline", "ibm", "--out", out).exception
    assert isinstance(error, ModelError)
    assert not out.exists()


def test_the_way_is_measured_on_the_tracks_of_the_method(tmp_path):
    def save(method, track, sdr):
        save_track(tmp_path / method / "test" / f"{track}.json", ("drums",), {"SDR": np.array([[sdr]])}, "quick")

    for track, (mixture, binary_mask) in {"one": (0.0, 10.0), "two": (50.0, 60.0)}.items():
        save("mixture", track, mixture)
        save("ibm", track, binary_mask)
    save("ours", "one", 5.0)
    save("theirs", "three", 5.0)
    shares = {row.method: row.share for row in collect_rows(tmp_path)}
    assert shares == {"mixture": 0, "ibm": 1, "ours": 0.5, "theirs": None}
    shares = {row.method: row.share for row in collect_rows(tmp_path, with_published=True)}
    assert shares["theirs"] == pytest.approx((5 - 1.33) / (7.09 - 1.33))
    assert shares["Open-Unmix"] is not None
    with pytest.raises(OptionError, match="no results"):
        collect_rows(tmp_path / "nowhere")


def test_a_method_with_the_name_of_a_baseline_is_refused(songs, tmp_path, small_weights):
    shutil.copytree(songs, tmp_path / "ibm")
    paired = run("--reference", songs, "--estimates", tmp_path / "ibm", "--baseline", "ibm", "-o", tmp_path / "out")
    shutil.copy(small_weights, tmp_path / "mwf.safetensors")
    shutil.copy(small_weights.with_suffix(".json"), tmp_path / "mwf.json")
    model = ("--model", tmp_path / "mwf.safetensors")
    modelled = run("--songs", songs, *model, "--baseline", "mwf", "-o", tmp_path / "out")
    for outcome in (paired, modelled):
        assert isinstance(outcome.exception, OptionError)
        assert "has the name of a --baseline" in str(outcome.exception)
    assert not (tmp_path / "out").exists()
