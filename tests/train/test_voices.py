"""Mixes of two voices, and training that tells them apart without names."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from stems.errors import RecipeError
from stems.model import ClusteringSettings, Design, Model
from stems.network.embedding import NetworkShape
from stems.spectrum import REFERENCE_RATE, Bands, Grid
from stems.train.augment import loudness
from stems.train.cells import Cells, cells_of
from stems.train.loop import Places, train
from stems.train.mixes import Mix
from stems.train.objective import in_best_order, losses, points, squared_error, stem_error
from stems.train.recipe import VOICES, Data, Objective, Recipe, read_recipe
from stems.train.validation import Validation
from stems.train.voices import Duets, activity

RECIPES = Path(__file__).parents[2] / "recipes"
PITCHES = {"Ann": 200, "Bob": 317, "Cid": 503}  # Hz; the speeds of the mixer leave them apart
RECIPE = Recipe("duets", data=Data(singers={"singers": 1.0}, frames=40))


def voice(rng: np.random.Generator, pitch: float, seconds: float) -> np.ndarray:
    """Notes with pauses, a little off their pitch: (samples,)."""
    time = np.arange(int(seconds * REFERENCE_RATE)) / REFERENCE_RATE
    sounds = np.sin(2 * np.pi * rng.uniform(0.5, 1.5) * time + rng.uniform(0, 6)) > -0.6
    phase = 2 * np.pi * pitch * time + 0.5 * np.sin(2 * np.pi * 5 * time)
    return 0.1 * sounds * sum(np.sin(harmonic * phase) / harmonic**2 for harmonic in range(1, 6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `--data` folder with three singers and two duets of them."""
    place, rng = tmp_path_factory.mktemp("voices"), np.random.default_rng(0)
    for name, pitch in PITCHES.items():
        (place / "singers" / name).mkdir(parents=True)
        for number in range(2):
            soundfile.write(place / "singers" / name / f"{number}.wav", voice(rng, pitch, 4), REFERENCE_RATE)
    for number, pair in enumerate((("Ann", "Cid"), ("Bob", "Ann"))):
        (place / "duets" / str(number)).mkdir(parents=True)
        for index, name in enumerate(pair):
            path = place / "duets" / str(number) / f"voice-{index + 1}.wav"
            soundfile.write(path, voice(rng, PITCHES[name], 6) * 0.8**index, REFERENCE_RATE)
    return place


@pytest.fixture(scope="module")
def duets(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Duets:
    return Duets(RECIPE, folder, tmp_path_factory.mktemp("cache"))


def singer_of(part: np.ndarray) -> str:
    """Whose pitch is nearest to the strongest of a part's frequencies."""
    hz = np.abs(np.fft.rfft(part[0])).argmax() * REFERENCE_RATE / part.shape[1]
    return min(PITCHES, key=lambda name: abs(np.log(PITCHES[name] / hz)))


def test_a_duet_depends_on_its_number_and_the_seed_alone(duets: Duets, folder: Path, tmp_path: Path) -> None:
    again = Duets(RECIPE, folder, tmp_path)
    other_seed = Duets(dataclasses.replace(RECIPE, seed=9), folder, tmp_path)
    for number in (0, 7, 1000):
        np.testing.assert_array_equal(duets(number).parts, again(number).parts)
        assert not np.array_equal(duets(number).parts, other_seed(number).parts)


def test_two_singers_sound_together_at_levels_up_to_5_db_apart(duets: Duets) -> None:
    differences = []
    for number in range(30):
        mix = duets(number)
        np.testing.assert_allclose(mix.parts.sum(0), mix.mixture, atol=1e-6)
        assert mix.parts.shape == (2, 2, 43 * 1024) and mix.groups.tolist() == [[1, 0], [0, 1]]
        np.testing.assert_array_equal(mix.parts[:, 0], mix.parts[:, 1])  # mono
        differences.append(20 * np.log10(loudness(mix.parts[0]) / loudness(mix.parts[1])))
        assert min(activity(part) for part in mix.parts) > 0.3
        first, second = map(singer_of, mix.parts)
        assert first != second
    assert min(differences) > -0.5 and max(differences) < 5.5 and np.ptp(differences) > 3


def test_folders_without_two_singers_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="holds no singers"):
        Duets(dataclasses.replace(RECIPE, data=Data(singers={"singers/Ann": 1.0})), folder, tmp_path)
    (tmp_path / "singers").mkdir()
    (tmp_path / "singers/Ann").symlink_to(folder / "singers/Ann")
    with pytest.raises(RecipeError, match="single singer"):
        Duets(RECIPE, tmp_path, tmp_path / "cache")


def test_a_recipe_of_voices_with_anchors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "duets.toml"
    path.write_text('[data.singers]\n"singers" = 1.0\n')
    with pytest.raises(RecipeError, match=r"duets\.toml.*clustering\.anchored to false"):
        read_recipe(path)


def test_every_mix_of_a_batch_has_an_order_of_its_own() -> None:
    rng = np.random.default_rng(1)
    parts = (rng.standard_normal((2, 2, 30 * 2048)) * rng.uniform(0, 0.2, (2, 1, 30)).repeat(2048, 2)).astype(
        np.float32
    )
    cells = cells_of(Mix(parts.sum(0), parts, np.eye(2, dtype=np.float32)), Bands(72, 300, 12000), Grid(44100))
    cells = Cells.stack([cells, cells])
    ideal = points(cells.energy).transpose(1, 2)
    ideal = ideal / ideal.sum(-1, keepdim=True)
    mixed_up = torch.stack([ideal[0], ideal[1].flip(-1)])
    assert stem_error(squared_error(mixed_up, cells), cells) > stem_error(squared_error(ideal, cells), cells)
    torch.testing.assert_close(in_best_order(mixed_up, cells), ideal)


def test_the_affinity_alone_is_learned_without_clustering(duets: Duets) -> None:
    cells = cells_of(duets(0), Bands(72, 300, 12000), Grid(44100))
    model = Model(
        Design(VOICES, Bands(72, 300, 12000), NetworkShape(72, 8, 1, 16), ClusteringSettings(0, 0.0, anchored=False))
    )
    both, alone = (losses(model, cells, Objective(0.7, weight)) for weight in (0.3, 0.0))
    assert alone.affinity == both.affinity and alone.total(Objective(0.7, 0.0)) == 0.7 * both.affinity
    assert both.total(Objective(0.7, 0.3)) > 0.7 * both.affinity
    alone.total(Objective(1.0, 0.0)).backward()
    assert all(part.grad is not None and part.grad.any() for part in model.network.parameters())


def test_gradients_pass_through_seeds_and_clusters(duets: Duets) -> None:
    cells = cells_of(duets(1), Bands(72, 300, 12000), Grid(44100))
    model = Model(
        Design(VOICES, Bands(72, 300, 12000), NetworkShape(72, 8, 1, 16), ClusteringSettings(pull=0.0, anchored=False))
    )
    losses(model, cells, Objective(0.0, 1.0)).stems.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_training_tells_voices_apart(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "duets.toml"
    path.write_text(tiny_voices(steps=24))
    train(path, Places(tmp_path / "run", folder, tmp_path / "cache"), workers=0)
    entry = json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[-1])
    model = Model.load(tmp_path / "run/model.safetensors")
    assert model.design.stems == ("voice-1", "voice-2") and not model.design.clustering.anchored
    untrained = Validation(read_recipe(path), folder, tmp_path / "cache")(Model(model.design))["duets"]
    assert set(entry["sdr"]["duets"]) == {"voice-1", "voice-2"}
    assert sum(entry["sdr"]["duets"].values()) / 2 > sum(untrained.values()) / 2 + 4


def test_a_model_is_scored_on_duets_by_one_command(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    design = Design(
        VOICES, Bands(72, 300, 12000), NetworkShape(72, 8, 1, 16), ClusteringSettings(pull=0.0, anchored=False)
    )
    Model(design, {"name": "duets"}).save(tmp_path / "duets.safetensors")
    (tmp_path / "duets").mkdir()
    for duet in (folder / "duets").iterdir():
        for path in duet.iterdir():
            audio, rate = soundfile.read(path)
            (tmp_path / "duets/pairs" / duet.name).mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / "duets/pairs" / duet.name / f"{path.stem}.flac", audio, rate)
    command = [
        sys.executable,
        RECIPES / "score_voices.py",
        "--duets",
        tmp_path / "duets",
        "--json",
        tmp_path / "scores",
    ]
    command += ["--model", tmp_path / "duets.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, ours, half, ideal = done.stdout.splitlines()
    assert ours.startswith("| pairs (2) | k-means |") and ideal.startswith("| pairs (2) | ideal binary mask |")
    assert half.startswith("| pairs (2) | half the mixture |") and 2.5 < float(half.split("|")[3]) < 4.5
    assert float(ideal.split("|")[3]) > 20 > float(ours.split("|")[3])
    assert json.loads((tmp_path / "scores").read_text())["pairs"]["SDR improvement"] == float(ours.split("|")[3])


@pytest.mark.parametrize("kind", ["groups", "whole-frames"])
@pytest.mark.parametrize("dimensions", [5, 20, 40, 60])
def test_recipes_of_the_ablation_differ_in_their_dimensions_alone(kind: str, dimensions: int) -> None:
    first, other = (read_recipe(RECIPES / f"ablation-embedding/{kind}-{number}.toml") for number in (20, dimensions))
    assert other.network.dimensions == dimensions
    network = dataclasses.replace(other.network, dimensions=20)
    assert dataclasses.replace(other, name=first.name, about=first.about, network=network) == first
    log = (RECIPES / f"ablation-embedding/{kind}-{dimensions}.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == first.schedule.steps  # equal budgets


def tiny_voices(steps: int) -> str:
    """The recipe of voices, made small enough for a test."""
    text = (RECIPES / "voices.toml").read_text()
    singers = text[text.index("[data.singers]") : text.index("[bands]")]
    schedule = text[text.index("[schedule]") :]
    text = text.replace(singers, '[data.singers]\n"singers" = 1.0\n\n')
    text = text.replace(
        schedule, f"[schedule]\nsteps = {steps}\nbatch = 4\nlearning_rate = 0.004\nwarmup_steps = 10\naveraging = 0.9\n"
    )
    for old, new in (
        ('["duets/same-gender", "duets/mixed"]', '["duets"]'),
        ("160", "72"),
        ("single_hz = 700.0", "single_hz = 300.0"),
        ("layers = 3", "layers = 1"),
        ("groups = 16", "groups = 8"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text
