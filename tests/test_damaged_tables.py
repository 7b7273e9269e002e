"""Cards, presets, hints, states and scores, damaged in every key and type: a sentence, or as if they were not there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from damaged import damaged, damaged_files

from stems.batch.presets import load_preset
from stems.batch.watch import STATE_FILE, Watch
from stems.errors import ModelError, OptionError, PresetError, StemsError
from stems.hints import gather
from stems.model import Model

LEAKED = (
    "Traceback",
    "object",
    "NoneType",
    "__init__",
    "argument",
    "dtype",
    "Value error",
    "unhashable",
    "size mismatch",
)


def said_well(error: Exception, path: Path) -> bool:
    text = str(error).replace(str(path), "")
    return path.name in str(error) and "\n" not in text and not any(word in text for word in LEAKED)


def test_every_key_of_a_card(small_weights: Path, tmp_path: Path) -> None:
    weights = Path(shutil.copy(small_weights, tmp_path / "m.safetensors"))
    card, refused = json.loads(small_weights.with_suffix(".json").read_text()), 0
    forms = list(damaged(card))
    for form in forms:
        (tmp_path / "m.json").write_text(json.dumps(form))
        try:
            Model.load(weights)
        except ModelError as error:
            refused += 1
            assert said_well(error, tmp_path / "m.json") or said_well(error, weights), form
    assert len(forms) > 300 and refused > len(forms) / 2


@pytest.mark.parametrize(
    ("table", "read", "error"),
    [
        (
            {
                "about": "Mine.",
                "outputs": {"mine": ["drums", "bass"], "vocals": ["vocals"]},
                "chains": {"vocals": [{"plugin": "Gain", "gain_db": 3.0}], "drums": [{"plugin": "LadderFilter"}]},
            },
            load_preset,
            PresetError,
        ),
        (
            {"vocals": ["0:01-0:02", "0:03-0:04"], "own": ["0:05-0:06@40-250Hz"]},
            lambda path: gather([path], ("drums", "vocals")),
            OptionError,
        ),
    ],
    ids=["preset", "hints"],
)
def test_every_key_of_what_people_write(table: dict, read: object, error: type[StemsError], tmp_path: Path) -> None:
    path, refused, count = tmp_path / "mine.toml", 0, 0
    for form in damaged_files(table, path):
        count += 1
        try:
            read(str(path))
        except error as fault:
            refused += 1
            assert said_well(fault, path) or "hint" in str(fault), form
    assert count > 50 and refused > count / 3


def test_every_key_of_the_state_of_a_watched_folder(tmp_path: Path) -> None:
    song = tmp_path / "song.wav"
    song.write_bytes(b"RIFF")
    status = song.stat()
    sound = {"done": {"song.wav": [status.st_size, status.st_mtime_ns]}}
    for form in damaged(sound):
        (tmp_path / STATE_FILE).write_text(json.dumps(form))
        watch = Watch(tmp_path, 0.0)
        fresh = watch.arrived(0.0)
        assert fresh in ([song], []), form
        if fresh:
            watch.mark_done(song)
            assert json.loads((tmp_path / STATE_FILE).read_text()) == sound


def test_every_key_of_scores(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    from stems.evaluate.prediction import predictions
    from stems.evaluate.results import is_finished, load_method, summarise

    metrics = dict.fromkeys(("SDR", "ISR", "SIR", "SAR"), 1.5)
    frame = {"time": 0.0, "duration": 1.0, "metrics": metrics}
    scores = {
        "targets": [{"name": "vocals", "frames": [frame, frame]}],
        "engine": "stems",
        "confidence": {"vocals": 0.5},
    }
    path = tmp_path / "method" / "test" / "song.json"
    path.parent.mkdir(parents=True)
    for form in damaged(scores, deepest=7):
        path.write_text(json.dumps(form))
        is_finished(path, "stems")
        try:
            tracks = load_method(tmp_path / "method")
            summarise("method", tracks)
            list(predictions(tmp_path / "method", "method", tracks))
        except StemsError as error:
            assert said_well(error, path), form
