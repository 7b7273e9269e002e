"""Models on disk: what is saved comes back, and what is damaged or foreign is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stems.card import find_model, read_card, shipped_models
from stems.clustering import cluster
from stems.compatibility import FORMAT
from stems.errors import ModelError
from stems.model import ClusteringSettings, Design, Model, design_from
from stems.network.embedding import NetworkShape
from stems.spectrum import FLOOR_DB, Bands


def levels(seed: int = 0, frames: int = 20, bands: int = 96) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(FLOOR_DB, 0, (1, 2, frames, bands)).astype(np.float32))


def edit_card(path: Path, **changes: Any) -> None:
    card_path = path.with_suffix(".json")
    card_path.write_text(json.dumps({**json.loads(card_path.read_text()), **changes}))


def seal(path: Path) -> None:
    """Makes a card match its damaged weights."""
    edit_card(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def saved(small_weights: Path, tmp_path: Path) -> Path:
    for file in (small_weights, small_weights.with_suffix(".json")):
        shutil.copy(file, tmp_path)
    return tmp_path / small_weights.name


@pytest.mark.parametrize("half", [False, True])
def test_what_is_saved_comes_back(small_model: Model, tmp_path: Path, half: bool) -> None:
    path = tmp_path / "new folder" / "model.safetensors"
    small_model.save(path, half=half)
    loaded = Model.load(path)
    assert loaded.design == small_model.design
    assert not loaded.training
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}
    assert loaded.card["name"] == "small"
    for name, value in small_model.state_dict().items():
        again = loaded.state_dict()[name]
        exact = not half or value.ndim == 0
        assert torch.equal(again, value) if exact else torch.allclose(again, value, rtol=1e-3, atol=1e-6), name
    with torch.inference_mode():
        difference = loaded.network(levels()) - small_model.network(levels())
    assert difference.abs().max() < (0.02 if half else 1e-7)
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.json", "model.safetensors"]


def test_half_precision_halves_the_file(small_model: Model, tmp_path: Path) -> None:
    for half in (True, False):
        small_model.save(tmp_path / f"{half}.safetensors", half=half)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (True, False)]
    assert sizes[0] < 0.6 * sizes[1]


def test_saving_again_changes_neither_weights_nor_card(saved: Path, tmp_path: Path) -> None:
    before = read_card(saved)
    Model.load(saved).save(tmp_path / "again.safetensors")
    assert read_card(tmp_path / "again.safetensors") == before
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()


def test_the_card_is_of_the_weights_beside_it(small_model: Model, tmp_path: Path) -> None:
    card = {"format": "x", "sha256": "x", "parameters": 1, "design": {}, "about": "Kept."}
    Model(small_model.design, card).save(tmp_path / "model.safetensors")
    written = read_card(tmp_path / "model.safetensors")
    assert written["format"] == FORMAT
    assert written["parameters"] == sum(value.numel() for value in small_model.state_dict().values())
    assert written["about"] == "Kept."
    assert Model.load(tmp_path / "model.safetensors").design == small_model.design


def test_embeddings_and_anchors_have_unit_length(small_model: Model) -> None:
    with torch.inference_mode():
        embeddings = small_model.network(levels())
    assert embeddings.shape == (1, 20, 96, 6)
    assert embeddings.norm(dim=-1).numpy() == pytest.approx(1, abs=1e-5)
    assert small_model.anchors.detach().norm(dim=-1).numpy() == pytest.approx(1, abs=1e-6)
    assert small_model.kappa > 0


@pytest.mark.parametrize("channels", [0, 4])
@pytest.mark.parametrize("groups", [0, 8])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_only_a_bidirectional_network_knows_the_future(channels: int, groups: int, bidirectional: bool) -> None:
    torch.manual_seed(0)
    shape = NetworkShape(96, 4, 2, 8, bidirectional=bidirectional, channels=channels, groups=groups, width=8, stride=1)
    network = Model(Design(bands=Bands(count=96), network=shape)).eval().network
    other_future = levels()
    other_future[:, :, 12:] -= 20
    with torch.inference_mode():
        one, other = network(levels()), network(other_future)
    assert one.shape == (1, 20, 96, 4)
    assert torch.allclose(one[:, :12], other[:, :12], atol=1e-6) != bidirectional


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate_with_hash(path: Path) -> None:
    truncate(path)
    seal(path)


def foreign_with_hash(path: Path) -> None:
    path.write_bytes(b"RIFF....WAVE" * 100)
    seal(path)


def without_a_tensor(path: Path) -> None:
    tensors = load_file(path)
    del tensors["raw_anchors"]
    save_file(tensors, path)
    seal(path)


def with_another_tensor(path: Path) -> None:
    save_file({**load_file(path), "extra": torch.zeros(3)}, path)
    seal(path)


def of_another_size(path: Path) -> None:
    save_file({**load_file(path), "raw_anchors": torch.zeros(4, 7)}, path)
    seal(path)


def with_a_nan(path: Path) -> None:
    tensors = load_file(path)
    next(value for value in tensors.values() if value.ndim).view(-1)[0] = float("nan")
    save_file(tensors, path)
    edit_card(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])  # the last is beyond half precision
def test_weights_that_are_no_numbers_are_not_saved(saved: Path, value: float) -> None:
    model, before = Model.load(saved), saved.read_bytes()
    with torch.no_grad():
        next(weights for weights in model.parameters() if weights.ndim).view(-1)[0] = value
    with pytest.raises(ModelError, match="no longer numbers"):
        model.save(saved)
    assert saved.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_bit, "is damaged"),
        (truncate, "is damaged"),
        (append, "is damaged"),
        (empty, "is damaged"),
        (truncate_with_hash, "does not fit its card"),
        (foreign_with_hash, "does not fit its card"),
        (without_a_tensor, "raw_anchors"),
        (with_another_tensor, "extra"),
        (of_another_size, "raw_anchors"),
        (lambda path: edit_card(path, design=None), "describes no model of ours"),
        (lambda path: edit_card(path, design=[]), "describes no model of ours"),
        (lambda path: edit_card(path, design={"colour": 1}), "colour"),
        (lambda path: edit_card(path, design={"network": {"bands": "many"}}), "describes no model of ours"),
        (lambda path: edit_card(path, design={"network": {"bands": 100}}), "100 bands where there are 192"),
        (lambda path: edit_card(path, design={"bands": {"count": 7}}), "do not fit"),
        *(
            (
                lambda path, part=part, key=key, value=value: edit_card(path, design={part: {key: value}}),
                f"{part}.{key}",
            )
            for part, key in (
                ("clustering", "iterations"),
                ("network", "layers"),
                ("network", "units"),
                ("bands", "count"),
            )
            for value in (10**30, -1, 1e9, float("nan"), "4", None, [], True)
        ),
        *(
            (lambda path, stems=stems: edit_card(path, design={"stems": stems}), "describes no model of ours")
            for stems in ("drums", [""], ["a/b"], ["a", "a"], [3], ["a\x1b[31m"], 100 * ["a"], None)
        ),
        (with_a_nan, "weights that are no numbers"),
        (lambda path: edit_card(path, sha256=None), "is damaged"),
        (lambda path: edit_card(path, format="nussl"), "is not the card of a stems model"),
        (lambda path: path.with_suffix(".json").write_text("[1, 2]"), "is not the card of a stems model"),
        (lambda path: path.with_suffix(".json").write_text("{"), "is not a model card"),
        (lambda path: path.with_suffix(".json").write_bytes(b"\xff\xfe\x00"), "is not a model card"),
        (lambda path: path.with_suffix(".json").unlink(), "has no card: small.json must lie beside it"),
    ],
)
def test_damaged_and_foreign_files_are_refused_in_one_sentence(
    saved: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(saved)
    with pytest.raises(ModelError) as caught:
        Model.load(saved)
    assert message in str(caught.value)
    assert "small." in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_card_of_another_model_is_refused(saved: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    Model(Design(bands=Bands(count=96), network=NetworkShape(96, 6, 1, 16))).save(tmp_path / "other.safetensors")
    shutil.copy(tmp_path / "other.json", saved.with_suffix(".json"))
    with pytest.raises(ModelError, match="is damaged"):
        Model.load(saved)


@pytest.mark.parametrize("name", ["nosuch", "nosuch.safetensors", "."])
def test_an_unknown_name_lists_the_shipped_models(name: str) -> None:
    assert "openband" in shipped_models()
    with pytest.raises(ModelError) as caught:
        find_model(name)
    assert repr(name) in str(caught.value)
    assert all(shipped in str(caught.value) for shipped in shipped_models())


@pytest.mark.parametrize("name", sorted(shipped_models()))
def test_shipped_models_load_and_their_cards_say_what_they_are(name: str) -> None:
    model = Model.load(name)
    of_songs, of_voices = ("drums", "bass", "vocals", "other"), ("voice-1", "voice-2")
    assert model.design.stems == (of_songs if model.design.clustering.anchored else of_voices)
    assert {"about", "licence", "parameters"} <= set(model.card)
    assert Model.load(shipped_models()[name]).design == model.design


def test_a_design_survives_json() -> None:
    design = Design(stems=("voice", "rest"), bands=Bands(count=96), network=NetworkShape(bands=96))
    assert design_from(json.loads(json.dumps(asdict(design)))) == design


def test_a_model_without_anchors_starts_at_seeds_of_each_song(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = NetworkShape(bands=96, dimensions=6, layers=1, units=16)
    design = Design(("voice-1", "voice-2"), Bands(count=96), network, ClusteringSettings(pull=0.0, anchored=False))
    Model(design, {"name": "voices"}).save(tmp_path / "voices.safetensors")
    model = Model.load(tmp_path / "voices.safetensors")
    assert (
        model.design == design
        and read_card(tmp_path / "voices.safetensors")["design"]["clustering"]["anchored"] is False
    )
    with torch.inference_mode():
        embeddings = model.network(levels()).flatten(1, 2)
        weights = torch.ones(embeddings.shape[:2])
        found = model.centroids(embeddings, weights)
        assert found.shape == (1, 2, 6)
        again = cluster(embeddings, weights, found, model.kappa, 0.0, 1)
        assert torch.allclose(cluster(embeddings, weights, found.flip(1), model.kappa, 0.0, 1), again.flip(1))
    with pytest.raises(ModelError, match="voices has no anchors"):
        _ = model.anchors
