"""Training on real data in MUSDB18's formats, through the command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stems.errors import RecipeError
from stems.train.material import find_tracks, musdb_tracks

RECIPES = Path(__file__).parents[2] / "recipes"
VALIDATION_SONG = "Actions - One Minute Smile"  # one of those that musdb keeps for validation


@pytest.fixture(scope="module")
def hq(material, tmp_path_factory) -> Path:
    """A folder like MUSDB18-HQ, of one song to train on and one to validate."""
    root = tmp_path_factory.mktemp("musdb")
    tracks = find_tracks(material / "songs", root / "cache")
    for name, track in zip(("Band - Song", VALIDATION_SONG), tracks, strict=False):
        place = root / "train" / name
        place.mkdir(parents=True)
        stems = {stem: recording.excerpt(0, 6 * 44100).T for stem, recording in track.stems.items()}
        for stem, audio in {**stems, "mixture": sum(stems.values())}.items():
            soundfile.write(place / f"{stem}.wav", audio, 44100)
    return root


@pytest.fixture(scope="module")
def excerpt(tmp_path_factory) -> Path:
    """The excerpt of MUSDB18 that stempeg ships, as its training subset."""
    stempeg = pytest.importorskip("stempeg")
    if shutil.which("ffmpeg") is None:
        pytest.skip("musdb reads .stem.mp4 files with ffmpeg")
    root = tmp_path_factory.mktemp("musdb")
    (root / "train").mkdir()
    shutil.copy(stempeg.example_stem_path(), root / "train")
    return root


def run(recipe: Path, musdb: Path, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).parent / "stems", "train", recipe, "--musdb", musdb, "--run", tmp_path / "run"]
    command += ["--cache", tmp_path / "cache", "--workers", "0", "--minutes", "0.001"]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}
    )


def test_the_recipe_trains_on_the_excerpt_as_it_is(excerpt, tmp_path):
    done = run(RECIPES / "musdb18.toml", excerpt, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "The model is" in done.stdout and (tmp_path / "run" / "model.safetensors").exists()


def test_hq_folders_are_trained_on_validated_and_resumed(hq, tmp_path):
    recipe = tmp_path / "small.toml"
    text = (RECIPES / "tiny.toml").read_text().replace('validation = ["songs"]', "musdb = 1.0")
    recipe.write_text(text.replace('[data.songs]\n"songs" = 1.0\n', ""))
    for step in (1, 2):
        done = run(recipe, hq, tmp_path)
        assert done.returncode == 0, done.stderr
        entry = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
        assert entry["step"] == step
        assert set(entry["sdr"]["musdb"]) == {"drums", "bass", "vocals", "other"}


def test_songs_for_validation_are_not_trained_on(hq, tmp_path):
    assert [track.name for track in musdb_tracks(hq, "train", tmp_path)] == ["Band - Song"]
    assert [track.name for track in musdb_tracks(hq, "valid", tmp_path)] == [VALIDATION_SONG]


def test_stems_of_an_hq_folder_are_what_was_written(hq, material, tmp_path):
    source = find_tracks(material / "songs", tmp_path)[0]
    (track,) = musdb_tracks(hq, "train", tmp_path)
    assert set(track.stems) == {"drums", "bass", "vocals", "other"}
    for name, recording in track.stems.items():
        np.testing.assert_allclose(recording.excerpt(0, 1000), source.stems[name].excerpt(0, 1000), atol=1e-4)


def test_stems_of_the_excerpt_are_those_that_stempeg_reads(excerpt, tmp_path):
    import stempeg

    (track,) = musdb_tracks(excerpt, "train", tmp_path)
    stems, _ = stempeg.read_stems(stempeg.example_stem_path())
    for index, name in ((1, "drums"), (2, "bass"), (3, "other"), (4, "vocals")):
        np.testing.assert_allclose(track.stems[name].excerpt(0, 20000), stems[index][:20000].T, atol=1e-3)


def test_what_is_missing_is_said_with_the_remedy(excerpt, tmp_path, monkeypatch):
    with pytest.raises(RecipeError, match="should have a folder train"):
        musdb_tracks(tmp_path, "train", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match="apt-get install ffmpeg"):
        musdb_tracks(excerpt, "train", tmp_path)
