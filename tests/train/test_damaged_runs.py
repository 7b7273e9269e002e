"""Checkpoints, logs, recipes and caches, damaged in every way: a sentence, or training as if they were not there."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from damaged import damaged, damaged_files
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from stems.errors import ModelError, RecipeError
from stems.model import Model
from stems.train.checkpoint import Progress, read_checkpoint, write_checkpoint
from stems.train.curves import draw_curves
from stems.train.log import add_to_log, read_log
from stems.train.loop import mean_score
from stems.train.material import recording
from stems.train.recipe import Recipe, read_recipe

TINY = Path(__file__).parents[2] / "recipes" / "tiny.toml"
ENTRY = {
    "step": 3, "minutes": 0.5, "affinity": 0.1, "stems": 0.2, "sdr": {"songs": {"drums": 1.0, "bass": float("nan")}},
}  # fmt: skip


def a_run(folder: Path) -> tuple[Recipe, Model, Model, torch.optim.Optimizer]:
    recipe = read_recipe(TINY)
    torch.manual_seed(0)
    model, average = Model(recipe.design), Model(recipe.design)
    optimiser = torch.optim.Adam(model.parameters())
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimiser.step()
    write_checkpoint(folder, recipe, Progress(1, 0.1), model, average, optimiser)
    return recipe, model, average, optimiser


def read(path: Path, content: bytes, run: tuple) -> None:
    path.write_bytes(content)
    recipe, *rest = run
    try:
        progress = read_checkpoint(path.parent, recipe, *rest)
    except ModelError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        assert "unable" not in str(error) and "size mismatch" not in str(error)
    else:
        assert type(progress.step) is int and progress.minutes >= 0


def test_every_key_of_a_checkpoints_notes(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    notes = {key: json.loads(text) for key, text in header["__metadata__"].items()}
    count = 0
    for changed in damaged(notes):
        texts = {key: json.dumps(value) for key, value in changed.items()} if isinstance(changed, dict) else changed
        text = json.dumps({**header, "__metadata__": texts}).encode()
        read(path, struct.pack("<Q", len(text)) + text + content[8 + size :], run)
        count += 1
    assert count > 500


@pytest.mark.parametrize("kind", ["gone", "shape", "type", "nan", "empty"])
def test_every_tensor_of_a_checkpoint(tmp_path: Path, kind: str) -> None:
    run = a_run(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    with safe_open(path, "pt") as file:
        notes = file.metadata()
    tensors = {name: value.clone() for name, value in load_file(path).items()}  # or they would lie in the file
    for name, value in tensors.items():
        changed = {
            "gone": None,
            "shape": torch.zeros(3, 1, 2),
            "type": value.to(torch.complex64) if kind == "type" else None,
            "nan": torch.full_like(value, torch.nan) if value.is_floating_point() else None,
            "empty": torch.zeros(0),
        }[kind]
        rest = {key: tensor for key, tensor in tensors.items() if key != name}
        save_file(rest if changed is None else {**rest, name: changed}, tmp_path / "other", notes)
        if kind == "nan" and changed is None:
            continue
        path.write_bytes((tmp_path / "other").read_bytes())
        with pytest.raises(ModelError, match=r"checkpoint\.safetensors"):
            read_checkpoint(tmp_path, *run)


def test_a_checkpoint_cut_off_anywhere(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    content = path.read_bytes()
    for length in (0, 1, 8, 9, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ModelError, match="remove it to start the run anew"):
            read_checkpoint(tmp_path, *run)


def test_damaged_lines_of_a_log_are_passed_over(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    log = tmp_path / "log.jsonl"
    lines = [json.dumps(entry) for entry in damaged(ENTRY)]
    log.write_bytes("\n".join([*lines, "[" * 100_000, "\udc80", '{"step": 1']).encode("utf-8", "surrogateescape"))
    add_to_log(log, ENTRY)
    entries = read_log(log)
    assert json.dumps(entries[-1]) == json.dumps(ENTRY)
    assert all(isinstance(mean_score(entry), float) for entry in entries)
    draw_curves(log, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_every_key_of_a_recipe(tmp_path: Path) -> None:
    usual = json.loads(json.dumps(asdict(read_recipe(TINY))))
    path, refused, count = tmp_path / "recipe.toml", 0, 0
    for _ in damaged_files(usual, path):
        count += 1
        try:
            Model(read_recipe(path).design)
        except RecipeError as error:
            refused += 1
            assert str(error).startswith(str(path)) and "\n" not in str(error)
    assert count > 500 and refused > count / 2


@pytest.mark.parametrize("content", [b"", b"x", b"\x93NUMPY\x01\x00", "object", "float", "one dimension"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, content: bytes | str) -> None:
    pytest.importorskip("scipy")
    song = tmp_path / "song.wav"
    soundfile.write(song, np.linspace(-0.5, 0.5, 1000), 44_100)
    expected = recording(song, tmp_path / "good").samples()
    kept = recording(song, tmp_path)
    arrays = {"object": np.array([{}]), "float": np.zeros((3, 1)), "one dimension": np.zeros(3, np.int16)}
    if isinstance(content, bytes):
        kept.cache.write_bytes(content)
    else:
        np.save(kept.cache, arrays[content])
    assert np.array_equal(kept.samples(), expected)
