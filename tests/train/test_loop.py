import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stems.errors import ModelError, OptionError, RecipeError
from stems.model import Model
from stems.train import checkpoint, loop
from stems.train.loop import Places, mean_score, rate_at, train
from stems.train.recipe import Schedule, read_recipe
from stems.train.validation import Validation

RECIPES = Path(__file__).parents[2] / "recipes"


def recipe(folder: Path, steps: int, units: int = 16) -> Path:
    text = (RECIPES / "tiny.toml").read_text()
    text = text.replace("steps = 250", f"steps = {steps}").replace("units = 48", f"units = {units}")
    path = folder / "tiny.toml"
    path.write_text(text)
    return path


def places(run: Path, material: Path, tmp_path: Path) -> Places:
    return Places(run, material, tmp_path / "cache")


def test_resuming_is_exact(material, tmp_path):
    straight = train(recipe(tmp_path, 6), places(tmp_path / "straight", material, tmp_path), workers=0)
    for _ in range(6):  # each time it stops after one step
        stopped = train(recipe(tmp_path, 6), places(tmp_path / "stopped", material, tmp_path), workers=0, minutes=1e-9)
    log = [json.loads(line) for line in (tmp_path / "stopped/log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2, 3, 4, 5, 6]
    for name, tensor in load_file(straight).items():
        torch.testing.assert_close(load_file(stopped)[name], tensor, rtol=0, atol=0)


def test_a_run_leaves_recipe_log_curves_checkpoint_and_card(material, tmp_path):
    path = train(recipe(tmp_path, 3), places(tmp_path / "run", material, tmp_path), workers=1)
    left = {file.name for file in (tmp_path / "run").iterdir()}
    assert left == {
        "recipe.toml", "log.jsonl", "curves.png", "checkpoint.safetensors", "model.safetensors", "model.json",
        "best.safetensors", "best.json",
    }  # fmt: skip
    model = Model.load(path)
    assert model.card["training"]["steps"] == 3 and model.card["licence"] == "CC0-1.0"
    assert set(model.card["validation_sdr_db"]["songs"]) == {"drums", "bass", "vocals", "other"}


def test_bfloat16_is_for_processors_that_have_it(material, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "fastest_precision", lambda device: torch.float32)
    usual = train(recipe(tmp_path, 2), places(tmp_path / "usual", material, tmp_path), workers=0, device="cpu")
    halves = recipe(tmp_path, 2)
    halves.write_text(halves.read_text().replace("[schedule]", '[schedule]\nprecision = "bfloat16"'))
    made = train(halves, places(tmp_path / "made", material, tmp_path), workers=0, device="cpu")
    for name, tensor in load_file(usual).items():
        torch.testing.assert_close(load_file(made)[name], tensor, rtol=0, atol=0)


def test_a_checkpoint_of_another_design_is_refused(material, tmp_path):
    train(recipe(tmp_path, 1), places(tmp_path / "run", material, tmp_path), workers=0)
    with pytest.raises(ModelError, match=r"another \[network\]"):
        train(recipe(tmp_path, 1, units=24), places(tmp_path / "run", material, tmp_path), workers=0)


@pytest.mark.parametrize(
    ("keys", "lessons"), [("", 0), ("teacher = true", 3), ("teacher = true\nuntaught_steps = 2", 1)]
)
def test_the_running_mean_of_the_weights_teaches_where_and_when_the_recipe_says_so(
    material, tmp_path, monkeypatch, keys, lessons
):
    teachers = []
    monkeypatch.setattr(loop, "taught", lambda teacher, cells: teachers.append(teacher) or cells)
    path = recipe(tmp_path, 3)
    path.write_text(path.read_text().replace("[objective]", f"[objective]\n{keys}"))
    train(path, places(tmp_path / "run", material, tmp_path), workers=0)
    assert len(teachers) == lessons
    assert not any(teacher.training for teacher in teachers)


def test_a_new_run_starts_from_another_model(material, tmp_path):
    first = train(recipe(tmp_path, 30), places(tmp_path / "first", material, tmp_path), workers=0)
    path = recipe(tmp_path, 1)
    again = train(path, places(tmp_path / "again", material, tmp_path), workers=0, start=first)
    fresh = train(path, places(tmp_path / "fresh", material, tmp_path), workers=0)
    name = "network.embedding.weight"
    weights = load_file(first)[name].float()
    change = (load_file(again)[name] - weights).norm() / weights.norm()
    assert change < 0.1 < (load_file(fresh)[name] - weights).norm() / weights.norm()


def test_a_run_goes_on_with_a_checkpoint_of_before_a_key(material, tmp_path, monkeypatch):
    train(recipe(tmp_path, 1), places(tmp_path / "run", material, tmp_path), workers=0)

    def earlier(path):
        metadata, tensors = read(path)
        written = json.loads(metadata["recipe"])
        del written["network"]["depth"]
        return metadata | {"recipe": json.dumps(written)}, tensors

    read = checkpoint._read
    monkeypatch.setattr(checkpoint, "_read", earlier)
    train(recipe(tmp_path, 2), places(tmp_path / "run", material, tmp_path), workers=0)
    assert json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[-1])["step"] == 2


def test_a_damaged_checkpoint_is_refused(material, tmp_path):
    train(recipe(tmp_path, 1), places(tmp_path / "run", material, tmp_path), workers=0)
    damaged = tmp_path / "run/checkpoint.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(ModelError, match="is damaged"):
        train(recipe(tmp_path, 1), places(tmp_path / "run", material, tmp_path), workers=0)


def test_training_learns(material, tmp_path):
    train(recipe(tmp_path, 120, units=48), places(tmp_path / "run", material, tmp_path), workers=0, minutes=3)
    entry = json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[-1])
    untrained = Model(Model.load(tmp_path / "run/model.safetensors").design)
    before = Validation(read_recipe(recipe(tmp_path, 1)), material, tmp_path / "cache")(untrained)["songs"]
    after = entry["sdr"]["songs"]
    assert sum(after.values()) / 4 > sum(before.values()) / 4 + 4


def test_songs_whose_stems_are_not_apart_are_no_validation(material, tmp_path):
    song = tmp_path / "songs" / "one"
    song.mkdir(parents=True)
    for name in ("vocals", "accompaniment"):
        (song / f"{name}.wav").symlink_to(material / "songs" / "song 0" / "drums.wav")
    with pytest.raises(RecipeError, match="songs/one has no drums and no bass of its own"):
        Validation(read_recipe(recipe(tmp_path, 1)), tmp_path, tmp_path / "cache")


def test_the_best_model_is_the_one_of_the_best_entry(material, tmp_path):
    path, where = recipe(tmp_path, 1000), places(tmp_path / "run", material, tmp_path)
    for _ in range(4):
        train(path, where, workers=0, minutes=1e-9)
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    best = max(log, key=mean_score)
    assert Model.load(tmp_path / "run/best.safetensors").card["training"]["steps"] == best["step"]


def test_the_learning_rate_rises_then_falls():
    schedule = Schedule(steps=1000, warmup_steps=100, final_rate=0.1)
    rates = [rate_at(step, schedule) for step in range(1000)]
    assert (
        rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(1.0) and rates[-1] == pytest.approx(0.1, 1e-3)
    )
    assert rates.index(max(rates)) in range(98, 103)


def test_each_process_takes_a_gpu_of_its_own(monkeypatch):
    chosen, backends = [], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(loop.distributed, "init_process_group", backends.append)
    for name, value in {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert loop._join("auto") == (3, 4, torch.device("cuda:1"))
    assert chosen == [torch.device("cuda:1")] and backends == ["nccl"]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(OptionError, match="start 2 processes"):
        loop._join("auto")


def test_a_run_that_cannot_start_leaves_nothing_behind(material, tmp_path):
    with pytest.raises(RecipeError, match="holds no song"):
        train(recipe(tmp_path, 1), places(tmp_path / "run", tmp_path / "nothing", tmp_path), workers=0)
    with pytest.raises(OptionError, match="choose auto, cpu"):
        train(recipe(tmp_path, 1), places(tmp_path / "run", material, tmp_path), "gpu", workers=0)
    assert not (tmp_path / "run").exists()


def test_two_processes_share_a_run(material, tmp_path):
    path = recipe(tmp_path, 3)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--"]
    command += [Path(sys.executable).parent / "stems", "train", path, "--data", material, "--workers", "0"]
    command += ["--device", "cpu", "--run", tmp_path / "run", "--cache", tmp_path / "cache"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    (entry,) = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert entry["step"] == 3

    # Half the batch in each of two processes is the whole batch in one: the same mixes, the same mean gradient.
    whole = tmp_path / "whole.toml"
    whole.write_text(path.read_text().replace("batch = 4", "batch = 8"))
    alone = train(whole, places(tmp_path / "alone", material, tmp_path), workers=0)
    for name, tensor in load_file(alone).items():
        torch.testing.assert_close(load_file(tmp_path / "run/model.safetensors")[name], tensor, rtol=5e-2, atol=5e-3)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_with_its_workers_says_so_in_a_sentence(material, tmp_path, number):
    path = recipe(tmp_path, 10_000)
    path.write_text(path.read_text().replace("checkpoint_minutes = 2.0", "checkpoint_minutes = 0.0"))
    command = [sys.executable, "-m", "stems", "train", path, "--data", material, "--run", tmp_path / "run"]
    with subprocess.Popen(
        [*command, "--cache", tmp_path / "cache", "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stdout.readline().startswith("step 1")
        os.killpg(running.pid, number)
        _, complaints = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert complaints == "stems: stopped; the same command goes on from the last checkpoint, if there is one.\n"
    assert not [file for file in (tmp_path / "run").iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("minutes", [None, 0.0], ids=["to its end", "for a time"])
def test_a_run_leaves_no_workers(material, tmp_path, minutes):
    gc.disable()  # a program that ends may never collect what refers to itself, and waits for its workers
    try:
        train(recipe(tmp_path, 3), places(tmp_path / "run", material, tmp_path), workers=2, minutes=minutes)
        assert not multiprocessing.active_children()
    finally:
        gc.enable()
