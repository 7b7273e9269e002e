"""Confidence: its ends, its order between them, and what it must not depend on."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan

import numpy as np
import pytest
import torch
from torch.nn import functional

from stems.methods import Soft
from stems.song.clustered import ClusteredSong
from stems.song.confidence import certainty, confidence, confidence_over_time, silhouette

STEMS = ("drums", "bass", "vocals", "other")
LANDMARKS, CELLS, BANDS, DIMENSIONS = 60, 8, 24, 12


def clustered(spread: float, sensitivity: float = 20.0, distance: float = 1.0, seed: int = 0) -> ClusteredSong:
    """Four clusters of cells around centroids.

    spread: of the cells around their centroids; 0 puts them on it.
    distance: of the centroids from one another, from 0, the same, to 1, at right angles.
    """
    random = torch.Generator().manual_seed(seed)
    centroids = functional.normalize(distance * torch.eye(4, DIMENSIONS) + (1 - distance) * torch.eye(5, DIMENSIONS)[4])
    owners = torch.arange(LANDMARKS * CELLS).reshape(LANDMARKS, CELLS) % 4
    noise = torch.randn(LANDMARKS, CELLS, DIMENSIONS, generator=random)
    powers = torch.rand(LANDMARKS, BANDS, generator=random) + 0.1
    return ClusteredSong(
        stems=STEMS,
        anchors=centroids,
        clusters=Soft(centroids, sensitivity),
        seconds=torch.arange(LANDMARKS) * 0.1 + 0.05,
        contexts=torch.empty(LANDMARKS, 0),
        powers=powers,
        loudest=powers.topk(CELLS, dim=1).indices,
        embeddings=functional.normalize(centroids[owners] + spread * noise, dim=-1),
    )


def figures(found: ClusteredSong) -> np.ndarray:
    """All figures of a song in one array."""
    whole = confidence(found)
    return np.array([*whole.posterior.values(), *whole.silhouette.values(), whole.song])


def test_cells_on_centroids_far_apart_give_one():
    assert figures(clustered(spread=0.0)) == pytest.approx(np.ones(9), abs=1e-3)


def test_merged_clusters_give_nothing():
    assert figures(clustered(spread=0.3, distance=0.0)) == pytest.approx(np.zeros(9), abs=1e-3)


def test_every_figure_falls_as_cells_spread():
    songs = np.array([figures(clustered(spread)) for spread in (0.0, 0.1, 0.2, 0.4, 0.8)])
    assert (np.diff(songs, axis=0) < 0).all()


def test_every_figure_falls_as_centroids_draw_near():
    songs = np.array([figures(clustered(0.1, distance=distance)) for distance in (1.0, 0.8, 0.6, 0.4, 0.2)])
    assert (np.diff(songs, axis=0) < 0).all()


def test_only_the_posterior_depends_on_sensitivity():
    soft, hard = confidence(clustered(0.2, sensitivity=4)), confidence(clustered(0.2, sensitivity=16))
    assert all(soft.posterior[stem] < hard.posterior[stem] for stem in STEMS)
    assert soft.song < hard.song


def test_gain_order_of_cells_and_rotation_make_no_difference():
    song = clustered(0.3)
    expected = figures(song)
    order = torch.randperm(LANDMARKS, generator=torch.Generator().manual_seed(1))
    shuffled = {name: getattr(song, name)[order] for name in ("seconds", "powers", "loudest", "embeddings", "contexts")}
    rotation = torch.linalg.qr(torch.randn(DIMENSIONS, DIMENSIONS, generator=torch.Generator().manual_seed(2))).Q
    turned = {name: getattr(song, name) @ rotation for name in ("anchors", "embeddings")}
    turned["clusters"] = Soft(song.centroids @ rotation, 20.0)
    for other in ({"powers": song.powers * 1e-6}, shuffled, turned):
        assert figures(replace(song, **other)) == pytest.approx(expected, abs=1e-5)


def test_stems_keep_their_figures_in_any_order():
    song = clustered(0.3)
    order = [2, 0, 3, 1]
    other = replace(song, stems=tuple(STEMS[i] for i in order), clusters=Soft(song.centroids[order], 20.0))
    for stem in STEMS:
        assert confidence(other).posterior[stem] == pytest.approx(confidence(song).posterior[stem])
        assert confidence(other).silhouette[stem] == pytest.approx(confidence(song).silhouette[stem])


def test_loud_cells_count_more():
    song = clustered(0.0)
    blurred = song.embeddings.clone()
    blurred[:30] = functional.normalize(song.centroids.sum(0), dim=0)  # half of the song cannot be told apart
    quiet = torch.where(torch.arange(LANDMARKS) < 30, 0.001, 1.0)[:, None]
    with_quiet = confidence(replace(song, embeddings=blurred, powers=song.powers * quiet)).song
    with_loud = confidence(replace(song, embeddings=blurred, powers=song.powers * (1.001 - quiet))).song
    assert with_quiet > 0.99 and with_loud < 0.01


def test_seconds_tell_where_a_song_is_clear():
    song = clustered(0.0)
    blurred = song.embeddings.clone()
    blurred[20:30] = functional.normalize(song.centroids.sum(0), dim=0)  # second 2
    steps = confidence_over_time(replace(song, embeddings=blurred))
    assert [round(step.song) for step in steps] == [1, 1, 0, 1, 1, 1]
    assert len(confidence_over_time(song, step_seconds=2.0)) == 3


def test_a_stem_that_gets_nothing_has_no_figure():
    song = clustered(0.0, sensitivity=100.0)
    embeddings = song.centroids[torch.arange(LANDMARKS * CELLS).reshape(LANDMARKS, CELLS) % 3]
    whole = confidence(replace(song, embeddings=embeddings))
    assert isnan(whole.posterior["other"]) and isnan(whole.silhouette["other"])
    assert whole.posterior["drums"] == pytest.approx(1) and whole.song == pytest.approx(1)
    assert json.loads(json.dumps(whole.as_json(), allow_nan=False))["confidence"]["other"] is None


@pytest.mark.parametrize("stems", [2, 4, 7])
def test_certainty_is_0_for_even_shares_and_1_for_sole_ones(stems):
    assert certainty(torch.full((3, stems), 1 / stems)) == pytest.approx(torch.zeros(3, stems), abs=1e-6)
    assert certainty(torch.eye(stems)).diagonal() == pytest.approx(torch.ones(stems))


@pytest.mark.parametrize("stems", [2, 4])
def test_silhouette_is_that_of_the_distances_to_own_and_nearest_other_centroid(stems):
    random = torch.Generator().manual_seed(3)
    points = functional.normalize(torch.randn(5, 3, 6, generator=random), dim=-1)
    centroids = functional.normalize(torch.randn(stems, 6, generator=random), dim=-1)
    found = silhouette(points, centroids).numpy()
    distances = 1 - points.numpy() @ centroids.numpy().T
    for place in np.ndindex(5, 3, stems):
        own, others = distances[place], np.delete(distances[place[:2]], place[2])
        assert found[place] == pytest.approx((others.min() - own) / max(others.min(), own), abs=1e-5)


@pytest.mark.parametrize("rate", [22050, 44100, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_separation_tells_its_confidence_at_every_rate(small_model, rate, channels):
    from stems.separator import Separator, _Array

    mixture = np.random.default_rng(0).standard_normal((channels, 5 * rate), np.float32) * 0.1
    observed: list[ClusteredSong] = []
    song = _Array(mixture)
    blocks = list(Separator(small_model, "cpu").separate(song, rate, observe=observed.append))
    assert len(observed) == 1 and sum(block.stems["drums"].shape[1] for block in blocks) == song.samples
    found = observed[0]
    assert found.embeddings.shape[:2] == found.loudest.shape and len(found.powers) == len(found.seconds)
    assert found.embeddings.norm(dim=-1) == pytest.approx(torch.ones(found.loudest.shape), abs=1e-4)
    assert -0.1 < found.seconds[0] < 0.1 and 4.9 < found.seconds[-1] < 5.1
    steps = confidence_over_time(found)
    assert len(steps) in (5, 6) and all(0 <= step.song <= 1 for step in steps)


def test_silence_has_no_confidence(small_model):
    from stems.separator import Separator, _Array

    observed: list[ClusteredSong] = []
    silence = _Array(np.zeros((2, 44100), np.float32))
    list(Separator(small_model, "cpu").separate(silence, 44100, observe=observed.append))
    assert np.isnan(figures(observed[0])).all()


def test_the_example_is_more_certain_of_its_singer_where_she_sings(music):
    from stems.separator import Separator, _Array

    audio, rate = music
    observed: list[ClusteredSong] = []
    next(Separator(device="cpu").separate(_Array(audio), rate, observe=observed.append))
    vocals = np.array([step.posterior["vocals"] for step in confidence_over_time(observed[0])])
    assert np.mean(vocals[5:21]) > np.mean(vocals[:4])
