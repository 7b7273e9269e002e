"""Separation into clusters without names, as arrays and as files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from made_songs import made_song
from torch.nn.functional import normalize

from stems.blind import BlindClusters, BlindSeparator, count_clusters
from stems.errors import OptionError
from stems.methods import METHODS
from stems.model import ClusteringSettings, Design, Model
from stems.network.embedding import NetworkShape
from stems.separator import _Array
from stems.spectrum import Bands

EXAMPLE = Path(__file__).parents[1] / "examples" / "song.ogg"
Run = Callable[..., tuple[int, str, str]]
NAMES = ("drums", "bass", "vocals", "other")


@pytest.fixture(scope="module")
def voices() -> Model:
    """A model without anchors, of untrained weights."""
    torch.manual_seed(3)
    network = NetworkShape(bands=96, dimensions=6, layers=1, units=16)
    design = Design(("voice-1", "voice-2"), Bands(count=96), network, ClusteringSettings(pull=0.0, anchored=False))
    return Model(design, {"name": "voices", "licence": "CC0"}).eval()


def noise(channels: int, samples: int) -> np.ndarray:
    swell = 0.2 + np.abs(np.sin(np.arange(samples) / 3000))
    return (0.2 * swell * np.random.default_rng(0).uniform(-1, 1, (channels, samples))).astype(np.float32)


@pytest.mark.parametrize("clusters", [2, 5, 12, None])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2)])
def test_clusters_sum_to_the_mixture_the_one_of_most_energy_first(
    small_model: Model, clusters: int | None, rate: int, channels: int
) -> None:
    audio = noise(channels, 2 * rate)
    found = BlindSeparator(clusters, small_model)(audio, rate)
    assert tuple(found) == tuple(f"cluster-{number + 1}" for number in range(clusters or len(found)))
    assert len(found) >= 2
    assert np.abs(sum(found.values()) - audio).max() < 10 ** (-120 / 20)
    energies = [np.square(stem).sum() for stem in found.values()]
    assert energies[0] > energies[-1]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_clusters_blindly(small_model: Model, method: str) -> None:
    audio = noise(2, 20_000)
    found = BlindSeparator(3, small_model, method=method)(audio, 8_000)
    assert len(found) == 3 and np.abs(sum(found.values()) - audio).max() < 10 ** (-120 / 20)


@pytest.mark.parametrize("clusters", [3, 5, 6, 8, 12])
@pytest.mark.parametrize("song", ["real", "made"])
def test_no_two_clusters_of_a_song_are_alike(song: str, clusters: int) -> None:
    if song == "real":
        audio, rate = soundfile.read(EXAMPLE, dtype="float32")
        audio = audio[: 8 * rate].T
    else:
        rate, parts = 44_100, made_song(np.random.default_rng(4), 44_100, 5.0)
        audio = np.ascontiguousarray(sum(parts.values()).T, np.float32)
    found = np.stack([stem.ravel() for stem in BlindSeparator(clusters)(audio, rate).values()])
    assert (np.corrcoef(found) - np.eye(clusters)).max() < 0.9


def test_clusters_say_what_they_resemble(small_model: Model) -> None:
    observed: list[BlindClusters] = []
    song = _Array(noise(2, 30_000))
    list(BlindSeparator(3, small_model).separate(song, 8_000, observe=observed.append))
    assert tuple(observed[0].resembles) == observed[0].stems == ("cluster-1", "cluster-2", "cluster-3")
    for parts in observed[0].resembles.values():
        assert tuple(parts) == NAMES and sum(parts.values()) == pytest.approx(1, abs=1e-4)


def test_a_model_without_anchors_clusters_what_its_design_says(voices: Model) -> None:
    audio, observed = noise(1, 30_000), []
    found = BlindSeparator(2, voices)(audio, 8_000)
    assert tuple(found) == ("cluster-1", "cluster-2")
    assert np.abs(sum(found.values()) - audio).max() < 10 ** (-120 / 20)
    list(BlindSeparator(2, voices).separate(_Array(audio), 8_000, observe=observed.append))
    assert observed[0].resembles == {}


@pytest.mark.parametrize("clusters", [2, 3, 4, 6, 8])
def test_the_number_of_clear_clusters_is_found(clusters: int) -> None:
    random = np.random.default_rng(clusters)
    basis, _ = np.linalg.qr(random.standard_normal((12, clusters)))
    centres = torch.from_numpy(basis.T.copy())[random.integers(0, clusters, 1500)]
    points = normalize(centres + 0.1 * torch.from_numpy(random.standard_normal((1500, 12))), dim=-1)
    assert count_clusters(points, torch.ones(1500, dtype=points.dtype), 20.0) == clusters


@pytest.mark.parametrize("clusters", [-1, 0, 1, 13])
def test_impossible_numbers_are_refused(small_model: Model, clusters: int) -> None:
    with pytest.raises(OptionError, match=f"2 to 12 clusters, not {clusters}"):
        BlindSeparator(clusters, small_model)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of its own, with a song."""
    monkeypatch.chdir(tmp_path)
    soundfile.write("song.wav", noise(2, 16_000).T, 8_000, subtype="PCM_16")


def written() -> list[str]:
    return sorted(path.name for path in Path("separated/song").iterdir())


def test_clusters_are_written_and_null_against_the_song(stems: Run, small_weights: Path) -> None:
    command = ("cluster", "song.wav", "--model", small_weights)
    code, said, complaints = stems(*command, "--clusters", 5)
    assert (code, complaints) == (0, "")
    assert "    cluster-1: " in said and " % " in said and said.endswith("1 done.\n")
    assert written() == [f"cluster-{number}.wav" for number in range(1, 6)]
    assert b"cluster-2 of song" in Path("separated/song/cluster-2.wav").read_bytes()[:400]  # its description
    total = sum(soundfile.read(path, dtype="int16")[0].astype(int) for path in Path("separated/song").iterdir())
    assert np.array_equal(total, soundfile.read("song.wav", dtype="int16")[0])
    assert "skipped" in stems(*command, "--clusters", 5)[1]
    assert "skipped" in stems(*command)[1]  # as many as there are will do for auto
    assert stems(*command, "--clusters", 3)[0] == 0
    assert written() == ["cluster-1.wav", "cluster-2.wav", "cluster-3.wav"]
    code, said, _ = stems(*command, "--overwrite", "--json", "--format", "flac", "--method", "spectral", "--out", "b")
    line = json.loads(said)
    assert code == 0 and set(line["resembles"]) == set(line["outputs"]) and len(line["outputs"]) >= 2
    assert all(Path(path).suffix == ".flac" and Path(path).exists() for path in line["outputs"].values())


@pytest.mark.parametrize(("container", "clips"), [("flac", True), ("mp3", True), ("wav", False)])
def test_clusters_of_a_song_above_full_scale_say_what_is_clipped(
    stems: Run, small_weights: Path, container: str, clips: bool
) -> None:
    soundfile.write("loud.wav", 5 * noise(2, 16_000).T, 8_000, subtype="FLOAT")
    command = ("cluster", "loud.wav", "--model", small_weights, "--clusters", 2, "--format", container)
    assert ("clipped " in stems(*command)[1]) == clips
    assert ("clipped " in json.loads(stems(*command, "--overwrite", "--json")[1]).get("note", "")) == clips
    assert "--clip-mode" not in stems(*command, "--overwrite")[1]  # which clusters have not


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_song_is_not_replaced_by_its_own_clusters(stems: Run, small_weights: Path, options: tuple[str, ...]) -> None:
    before = Path("song.wav").rename("cluster-1.wav").read_bytes()
    command = ("cluster", "cluster-1.wav", "--model", small_weights, "--out", ".", "--name", "{stem}.{ext}")
    code, said, _ = stems(*command, *options)
    assert code == 1 and "is the song itself" in said
    assert Path("cluster-1.wav").read_bytes() == before and not Path("cluster-2.wav").exists()


def test_voices_are_split_by_a_model_without_anchors(stems: Run, voices: Model, tmp_path: Path) -> None:
    voices.save(tmp_path / "voices.safetensors")
    code, said, complaints = stems("cluster", "song.wav", "--model", "voices.safetensors", "--clusters", 2)
    assert (code, complaints) == (0, "") and "cluster-1:" not in said
    assert written() == ["cluster-1.wav", "cluster-2.wav"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--clusters", "many"], "give one from 2 to 12, or auto"), (["--clusters", "1"], "2 to 12 clusters, not 1"),
     (["--model", "nosuch"], "'nosuch'"), (["--name", "{track}.{ext}"], "add {stem}")],
)  # fmt: skip
def test_impossible_options_say_why(stems: Run, small_weights: Path, arguments: list[str], message: str) -> None:
    code, _, complaints = stems("cluster", "song.wav", "--model", small_weights, *arguments)
    assert code == 1 and message in complaints
    assert not Path("separated").exists()
