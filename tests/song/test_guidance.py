"""What hints do to the clusters of a song, and what they leave alone."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from stems.hints import Hint
from stems.methods import METHODS, Clusters, Start
from stems.model import Model
from stems.separator import Separator
from stems.song.guidance import MOSTLY, Leaning, bands_of, begin, biased, follow, hinted_frames, lean, least_bias
from stems.song.landmarks import Cells, middles
from stems.spectrum import Bands, Grid

NAMES = ("drums", "bass", "vocals", "other")
QUIET = 10 ** (-120 / 20)


def around(centre: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    noise = torch.randn(count, len(centre), generator=torch.Generator().manual_seed(seed))
    return normalize(centre + 0.1 * noise, dim=-1)


def cells(embeddings: torch.Tensor) -> Cells:
    """One frame of these cells, all alike."""
    count = len(embeddings)
    return Cells(
        torch.empty(1, 0), torch.ones(1, count), torch.arange(count)[None], embeddings[None], torch.ones(1, count)
    )


def made_song() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Start]:
    """Anchors, cells around four of them and around a place of their own, that place, and a start at the anchors."""
    axes = torch.eye(6)
    strange = normalize(axes[3] + 0.6 * axes[4], dim=0)  # a voice that the model takes for `other`
    song = torch.cat([*(around(axes[index], 200, index) for index in range(4)), around(strange, 150, 9)])
    return axes[:4], song, strange, Start(axes[:4], 8.0)


def followed(hints: list[tuple[Hint, Cells]], names: tuple[str, ...], song: torch.Tensor, start: Start) -> Clusters:
    points = song, torch.ones(len(song))
    begun = begin(hints, names, start, points)
    return follow(hints, names, METHODS["soft"](*points, begun), points, start.kappa)


def test_a_hint_gives_its_stem_what_sounds_there_and_leaves_the_others() -> None:
    anchors, song, strange, start = made_song()
    voice = around(strange, 60, 20)
    before = METHODS["soft"](song, torch.ones(len(song)), start)
    after = followed([(Hint("vocals", 0, 3), cells(voice))], NAMES, song, start)
    assert before.shares(voice)[:, 2].mean() < 0.1
    assert after.shares(around(strange, 60, 21))[:, 2].mean() > 0.3  # the same sound elsewhere in the song
    for index in range(4):
        mine = around(anchors[index], 60, 30 + index)
        assert after.shares(mine)[:, index].mean() > before.shares(mine)[:, index].mean() - 0.1


@pytest.mark.parametrize("index", range(4))
def test_a_hint_that_the_clusters_agree_with_changes_nothing(index: int) -> None:
    anchors, song, _, start = made_song()
    points = song, torch.ones(len(song))
    clusters = METHODS["soft"](*points, start)
    hints = [(Hint(NAMES[index], 0, 3), cells(around(anchors[index], 60, 20)))]
    assert begin(hints, NAMES, start, points) is start
    assert follow(hints, NAMES, clusters, points, start.kappa) is clusters
    assert follow([], NAMES, clusters, points, start.kappa) is clusters


def test_an_own_stem_becomes_a_cluster_at_what_is_special_to_its_span() -> None:
    _, song, strange, start = made_song()
    span = torch.cat([around(strange, 60, 20), song[:15]])  # drums sound there as well, but not more than elsewhere
    hints, names = [(Hint("guitar", 0, 3), cells(span))], (*NAMES, "guitar")
    begun = begin(hints, names, start, (song, torch.ones(len(song))))
    assert begun.directions.shape == (5, 6)
    assert begun.directions[4] @ strange > 0.9 > begun.directions[4] @ start.directions[0]
    found = followed(hints, names, song, start)
    assert found.shares(around(strange, 60, 21)).mean(0)[4] > 0.4
    elsewhere = found.shares(song[:200])
    assert elsewhere.mean(0)[4] < 0.05 and elsewhere.mean(0).argmax() == 0


def test_several_hints_add_up() -> None:
    _, song, strange, start = made_song()
    near, far = around(strange, 60, 20), around(normalize(strange - 0.8 * torch.eye(6)[5], dim=0), 60, 21)

    def gain(*spans: torch.Tensor) -> float:
        hints = [(Hint("vocals", 5 * at, 5 * at + 3), cells(span)) for at, span in enumerate(spans)]
        return float(followed(hints, NAMES, song, start).shares(far)[:, 2].mean())

    assert gain(near) < gain(near, far)


@pytest.mark.parametrize("seed", range(5))
def test_the_least_bias_makes_a_hint_just_true(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    shares, weights = 0.6 * torch.rand(200, generator=random) ** 2, torch.rand(200, generator=random)
    bias = least_bias(shares, weights)
    assert bias > 0
    assert MOSTLY <= float(weights @ biased(shares, bias) / weights.sum()) < MOSTLY + 0.01
    assert float(weights @ biased(shares, bias - 0.02) / weights.sum()) < MOSTLY
    assert least_bias(biased(shares, bias), weights) == 0
    assert least_bias(torch.zeros(9), torch.ones(9)) == 0  # what cannot be made true is left


def test_assignments_lean_in_the_span_and_band_and_less_and_less_near_it() -> None:
    seconds = torch.linspace(0, 40, 401)
    shares = torch.full((401, 8, 4), 0.25)
    bands = torch.arange(8) >= 4
    found = lean(shares, seconds, [Leaning(Hint("vocals", 10, 13), 2, 1.5, bands)])
    assert torch.equal(found[:, :4], shares[:, :4])
    assert found.sum(-1).numpy() == pytest.approx(1, abs=1e-6)
    own = found[:, 5, 2]
    assert (own[100:130] > 0.5).all() and own[100:130].std() < 1e-6
    assert (own[:100].diff() >= 0).all() and (own[131:].diff() <= 0).all()
    assert own[0] < 0.26 and own[-1] == 0.25


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
def test_hinted_frames_have_their_middles_in_the_spans(rate: int) -> None:
    grid = Grid(rate)
    total = grid.frames(60 * rate)
    hints = [Hint("vocals", 3, 3.2), Hint("bass", 10, 59), Hint("drums", 0, 0.1)]
    frames = hinted_frames(hints, grid, total)
    seconds = middles(frames, grid)
    assert (frames.diff() > 0).all()
    assert all(any(hint.start <= at < hint.end for hint in hints) for at in seconds.tolist())
    assert all(((seconds >= hint.start) & (seconds < hint.end)).sum() >= 4 for hint in hints)
    assert len(frames) < 300


def test_bands_of_a_hint() -> None:
    bands = Bands()
    assert bands_of(Hint("bass", 0, 1), bands).all()
    assert bands_of(Hint("bass", 0, 1, 50, 51), bands).any()
    low = bands_of(Hint("bass", 0, 1, 0, 250), bands)
    assert low[:20].all() and not low[30:].any()
    assert bands_of(Hint("bass", 0, 1, 30_000, 40_000), bands).nonzero().tolist() == [[191]]
    assert (
        bands_of(Hint("bass", 0, 1, 1000, inf), bands).sum() + bands_of(Hint("bass", 0, 1, 0, 1000), bands).sum() == 193
    )


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_guided_stems_sum_to_the_mixture(small_model: Model, rate: int, channels: int, method: str) -> None:
    random = np.random.default_rng(0)
    audio = (0.2 * random.uniform(-1, 1, (channels, int(2.3 * rate)))).astype(np.float32)
    separator = Separator(
        small_model, method=method,
        hints=["bass=0.2-0.9@40-250Hz", "guitar=1-2", "guitar=0-0.4@300-2000Hz"],
    )  # fmt: skip
    found = separator(audio, rate)
    assert tuple(found) == separator.stems == (*NAMES, "guitar")
    assert np.abs(sum(found.values()) - audio).max() < QUIET
    alone = separator(audio, rate, stems=["guitar"])["guitar"]
    assert np.abs(alone - found["guitar"]).max() < 1e-5


def test_a_guided_song_does_not_depend_on_blocks_and_windows(
    small_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    import stems.song.masks

    audio = (0.2 * np.random.default_rng(0).uniform(-1, 1, (2, 40_000))).astype(np.float32)
    separator = Separator(small_model, hints=["bass=0.2-0.9@40-250Hz", "guitar=1-2"])
    expected = separator(audio, 8_000)
    monkeypatch.setattr(stems.song.masks, "BLOCK_FRAMES", 7)
    for name, stem in separator(audio, 8_000).items():
        assert np.abs(stem - expected[name]).max() < 1e-5


def test_a_hint_gives_its_stem_more_where_it_is_said_to_sound(
    small_model: Model, music: tuple[np.ndarray, int]
) -> None:
    audio, rate = music[0][:, : 10 * music[1]], music[1]
    span = slice(5 * rate, 8 * rate)
    before = {name: np.square(stem[:, span]).sum() for name, stem in Separator(small_model)(audio, rate).items()}
    quietest = min(before, key=before.__getitem__)
    after = Separator(small_model, hints=[f"{quietest}=5-8"])(audio, rate)[quietest][:, span]
    assert np.square(after).sum() > 1.5 * before[quietest]


def test_hints_are_checked_before_a_song_is_heard(small_model: Model) -> None:
    from stems.errors import OptionError

    with pytest.raises(OptionError, match="lies outside of the song"):
        Separator(small_model, hints=["vocals=5-8"])(np.ones((1, 16_000), np.float32), 8_000)
    with pytest.raises(OptionError, match="is silent"):
        Separator(small_model, hints=["vocals=0-1"])(np.zeros((1, 16_000), np.float32), 8_000)
