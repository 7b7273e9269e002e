"""Properties of separation in real time, over block sizes, rates and channel counts."""

from __future__ import annotations

import copy
import dataclasses
import gc
import math
import tracemalloc

import numpy as np
import pytest
import torch
from made_models import live_model
from made_songs import made_song
from torch.nn import functional

from stems.errors import AudioError, ModelError, OptionError
from stems.evaluate.tracks import Song
from stems.model import Model
from stems.running import (
    ANCHORED,
    ANCHORED_SECONDS,
    FAINTEST,
    FOLLOW_SECONDS,
    GATE,
    LOUDNESS_SECONDS,
    PRIOR_SECONDS,
    RunningCentroids,
    RunningLoudness,
)
from stems.separator import Separator, loudness
from stems.spectrum import OverlapAdd, analyse
from stems.stream import Stream

torch.set_num_threads(1)
RATES = (22_050, 44_100, 48_000, 96_000)


@pytest.fixture(scope="module", params=[(0, 2048), (8, 2048), (8, 8192)])
def small_live_model(request: pytest.FixtureRequest) -> Model:
    """One that hears whole frames, one that hears groups of bands, and one with a long analysis window."""
    return live_model(*request.param)


def mixture(rate: int = 44_100, seconds: float = 1.0, channels: int = 2, seed: int = 0) -> np.ndarray:
    """float32 (channels, samples): all stems of a synthetic song together."""
    parts = made_song(np.random.default_rng(seed), rate, seconds)
    return np.ascontiguousarray(sum(parts.values()).T[:channels], np.float32)


def streamed(stream: Stream, audio: np.ndarray, sizes: list[int], **settings: float) -> np.ndarray:
    """All stems of audio that is given in blocks of these sizes, over and over: (stems, channels, samples)."""
    out, start, turn = [], 0, 0
    while start < audio.shape[1]:
        size = sizes[turn % len(sizes)]
        out.append(np.stack(list(stream(audio[:, start : start + size], **settings).values())))
        start, turn = start + size, turn + 1
    return np.concatenate(out, 2)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_stems_sum_to_the_input_delayed_by_the_latency(small_live_model: Model, rate: int, channels: int) -> None:
    stream, audio = Stream(small_live_model, rate, channels), mixture(rate, 0.5, channels)
    late, grid = stream.latency_samples, small_live_model.grid(rate)
    stems = streamed(stream, audio, [512])
    assert late == grid.synthesis_window - 1
    assert late / rate == pytest.approx(2047 / 44_100, rel=5e-3)
    assert stems.shape == (4, channels, audio.shape[1])
    np.testing.assert_allclose(stems.sum(0)[:, late:], audio[:, :-late], atol=1e-6)
    np.testing.assert_allclose(stems.sum(0)[:, :late], 0, atol=1e-6)
    assert all(np.abs(stem).max() > 1e-3 for stem in stems)


@pytest.mark.parametrize("rate", RATES)
def test_block_sizes_do_not_matter(small_live_model: Model, rate: int) -> None:
    audio = mixture(rate, 0.6)
    expected = streamed(Stream(small_live_model, rate), audio, [512])
    random = np.random.default_rng(rate).integers(0, 3000, 20).tolist()
    for sizes in ([64], [441], [4096], [audio.shape[1]], random):
        stems = streamed(Stream(small_live_model, rate), audio, sizes)
        np.testing.assert_allclose(stems, expected, atol=1e-5, err_msg=str(sizes))


@pytest.mark.parametrize("channels", [1, 2])
def test_single_samples_give_what_blocks_give(small_live_model: Model, channels: int) -> None:
    audio = mixture(22_050, 0.2, channels)
    expected = streamed(Stream(small_live_model, 22_050, channels), audio, [512])
    stems = streamed(Stream(small_live_model, 22_050, channels), audio, [1])
    np.testing.assert_allclose(stems, expected, atol=1e-5)


def test_long_blocks_are_separated_piece_by_piece(small_live_model: Model, music: tuple[np.ndarray, int]) -> None:
    audio, rate = music[0][:, : 4 * music[1]], music[1]
    whole = streamed(Stream(small_live_model, rate), audio, [audio.shape[1]])
    np.testing.assert_allclose(whole, streamed(Stream(small_live_model, rate), audio, [2048]), atol=1e-5)


@torch.inference_mode()
def expected_stems(model: Model, audio: np.ndarray, rate: int, sensitivity: float) -> np.ndarray:
    """What a stream should give, but computed for the whole signal and without any state."""
    grid, bands, clustering = model.grid(rate), model.design.bands, model.design.clustering
    silence = np.zeros((len(audio), grid.window - grid.hop), np.float32)
    frames = audio.shape[1] // grid.hop
    spectra = analyse(torch.from_numpy(np.concatenate([silence, audio[:, : frames * grid.hop]], 1)), grid)

    powers = np.square(audio[:, : frames * grid.hop]).mean(0).reshape(frames, grid.hop).mean(1)
    gains = []
    for frame in range(frames):
        heard = np.array([power for power in powers[: frame + 1] if power > FAINTEST], np.float64)
        heard = heard[-math.ceil(LOUDNESS_SECONDS / grid.frame_seconds) :]
        loud = heard[heard >= heard.max(initial=0) * GATE]
        gains.append(model.design.loudness / np.sqrt(loud.mean()) if len(loud) else 1.0)
    levels = bands.levels(spectra * torch.tensor(gains, dtype=torch.float32)[:, None], grid)
    embeddings = model.network(levels[None])[0]

    loudest, chosen = bands.powers(levels, grid).topk(round(model.design.clustering.share * bands.count))
    weights = model.weigh(loudest)
    kappa = float(model.kappa) * sensitivity
    usual = model.weigh(2 * 10**-5.5 * bands.widths(grid)).topk(loudest.shape[1]).values.sum()
    sums, weight, fades, found, heard = [model.anchors * usual / 4], [usual], [1.0], [], 0.0
    for frame in range(frames):
        kept = np.cumprod([1.0] + [1 - fade for fade in fades[:0:-1]])[::-1]
        ages = torch.tensor(kept * np.array(fades), dtype=torch.float32)
        mean = (torch.stack(sums) * ages[:, None, None]).sum(0) / (torch.stack(weight) * ages).sum()
        clusters = functional.normalize(mean + clustering.pull / 4 * model.anchors, dim=-1)
        anchored = max(ANCHORED, ANCHORED_SECONDS / (ANCHORED_SECONDS + heard))
        centroids = functional.normalize((1 - anchored) * clusters + anchored * model.anchors, dim=-1)
        found.append(model.shares(embeddings[frame], centroids, kappa))
        some = chosen[frame]
        sums.append((found[-1][some] * weights[frame][:, None]).T @ embeddings[frame, some])
        weight.append(weights[frame].sum())
        seconds = grid.frame_seconds if weight[-1] > 0 else 0.0
        heard += seconds
        fades.append(1 - math.exp(-seconds / min(FOLLOW_SECONDS, PRIOR_SECONDS + heard)))
    masks = bands.spread(torch.stack(found).permute(2, 0, 1).contiguous(), grid)
    stems = OverlapAdd(grid)(masks[:, None] * spectra).numpy()
    late = np.zeros((*stems.shape[:2], grid.hop - 1), np.float32)
    return np.concatenate([late, stems], 2)[..., : audio.shape[1]]


@pytest.mark.parametrize(("rate", "sensitivity"), [(44_100, 1.0), (22_050, 3.0)])
def test_a_stream_gives_what_its_definition_gives(small_live_model: Model, rate: int, sensitivity: float) -> None:
    audio = mixture(rate, 1.0)
    audio[:, rate // 3 : rate // 2] *= 1e-5  # a pause, which must not count
    stems = streamed(Stream(small_live_model, rate), audio, [700], sensitivity=sensitivity)
    np.testing.assert_allclose(stems, expected_stems(small_live_model, audio, rate, sensitivity), atol=2e-5)


@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_a_song_at_once_gives_what_a_stream_gives(
    small_live_model: Model, monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    audio = mixture(rate, 1.0)
    model = copy.copy(small_live_model)  # whose centroids stay at the anchors, since those of a stream know no future
    model.design = dataclasses.replace(
        model.design, clustering=dataclasses.replace(model.design.clustering, iterations=0)
    )
    gain = model.design.loudness / loudness(Song(rate, audio, {}))
    monkeypatch.setattr(RunningCentroids, "_move", lambda *heard: None)
    monkeypatch.setattr(RunningLoudness, "_gain", lambda *heard: gain**2)
    monkeypatch.setattr("stems.song.encoded.fastest_precision", lambda device: torch.float32)
    stream = Stream(model, rate)
    late = stream.latency_samples
    stems = streamed(stream, np.pad(audio, ((0, 0), (0, late))), [512])[..., late:]
    found = np.stack(list(Separator(model)(audio, rate).values()))
    assert np.abs(stems - found).max() < 5e-3 * np.abs(audio).max()  # contexts of songs are kept in half precision


def test_output_depends_on_nothing_that_is_still_to_come(small_live_model: Model) -> None:
    audio = mixture(seconds=0.5)
    other = audio.copy()
    other[:, 10_000:] = mixture(seconds=0.5, seed=1)[:, 10_000:]
    first, second = (streamed(Stream(small_live_model), each, [441]) for each in (audio, other))
    np.testing.assert_array_equal(first[..., :10_000], second[..., :10_000])
    assert np.abs(first - second)[..., 10_000:].max() > 1e-2


@pytest.mark.parametrize("gain", [0.01, 10.0])
def test_quiet_music_is_separated_like_loud_music(small_live_model: Model, gain: float) -> None:
    audio = mixture(seconds=1.0)
    usual = streamed(Stream(small_live_model), audio, [512])
    scaled = streamed(Stream(small_live_model), audio * np.float32(gain), [512]) / gain
    assert np.square(scaled - usual).sum() < 1e-5 * np.square(usual).sum()


def test_loudness_follows_within_seconds_and_rests_in_pauses() -> None:
    loudness, hop = RunningLoudness(100, 0.1), 64
    assert loudness.gains(torch.zeros(2, hop), hop).item() == 1
    for level in (0.5, 0.002, 0.1):  # root mean squares that are far apart
        gains = loudness.gains(torch.full((2, 100 * hop), level), hop)
        assert gains[-1].item() == pytest.approx((0.1 / level) ** 2, rel=1e-4)
    rested = loudness.gains(torch.full((2, 300 * hop), 1e-5), hop)
    np.testing.assert_allclose(rested, gains[-1].item(), rtol=1e-6)


@torch.inference_mode()
def test_centroids_follow_their_stems_while_that_of_a_silent_stem_stays_by_its_anchor(small_live_model: Model) -> None:
    grid = small_live_model.grid(44_100)
    model = copy.deepcopy(small_live_model)
    model.raw_anchors.copy_(torch.eye(4, 8))
    running = RunningCentroids(model, grid, model.design.bands.widths(grid).float())
    anchors = model.anchors
    assert torch.equal(running.now, anchors)
    away = functional.normalize(anchors + 0.3 * torch.randn(4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    sounding = torch.arange(64) % 3  # the fourth stem is silent
    embeddings = away[sounding].expand(400, -1, -1)
    for _ in range(round(5 * FOLLOW_SECONDS / grid.frame_seconds / 400)):
        running.follow(embeddings, torch.full((400, 64), 1e-4), kappa=30.0)
    between = functional.normalize((1 - ANCHORED) * away + ANCHORED * anchors, dim=-1)
    cosines = (running.now * between).sum(-1)
    assert (cosines[:3] > (anchors * between).sum(-1)[:3]).all()
    assert (cosines[:3] > 0.998).all()
    assert (running.now[3] @ anchors[3]) > 0.98
    rested = running.now.clone()
    running.follow(embeddings, torch.zeros(400, 64), kappa=30.0)
    assert torch.equal(running.now, rested)


@torch.inference_mode()
def test_centroids_leave_the_anchors_by_and_by(small_live_model: Model) -> None:
    grid = small_live_model.grid(44_100)
    running = RunningCentroids(small_live_model, grid, small_live_model.design.bands.widths(grid).float())
    random = torch.Generator().manual_seed(0)
    embeddings = functional.normalize(torch.randn(20, 64, 8, generator=random), dim=-1)
    steps, before = [], running.now
    for _ in range(8):
        running.follow(embeddings, torch.full((20, 64), 1e-4), kappa=5.0)
        steps.append((running.now - before).norm(dim=-1).max().item())
        before = running.now
    assert 0 < max(steps[1:]) < 1 / 4  # nobody hears stems swap
    assert steps[-1] < steps[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_a_damaged_block_is_silence_and_nothing_else_is_harmed(small_live_model: Model, bad: float) -> None:
    audio = mixture(seconds=0.5)
    silent, damaged = audio.copy(), audio.copy()
    silent[:, 10 * 512 : 11 * 512] = 0
    damaged[1, 10 * 512 + 100] = bad
    stream = Stream(small_live_model)
    stems, expected = streamed(stream, damaged, [512]), streamed(Stream(small_live_model), silent, [512])
    hole = slice(10 * 512 + stream.latency_samples, 11 * 512 + stream.latency_samples)
    assert not stems[..., hole].any()
    expected[..., hole] = 0
    np.testing.assert_array_equal(stems, expected)


@pytest.mark.parametrize("level", [0.0, 1e-40, 1e-25, 1e-12])
def test_silence_and_the_faintest_sounds_come_out_as_they_are(small_live_model: Model, level: float) -> None:
    stream, audio = Stream(small_live_model), mixture(seconds=0.3) * np.float32(level)
    stems = streamed(stream, audio, [512])
    assert np.isfinite(stems).all()
    np.testing.assert_allclose(
        stems.sum(0)[:, stream.latency_samples :], audio[:, : -stream.latency_samples], atol=1e-14
    )


@pytest.mark.parametrize("sizes", [[512], [441], [100_000]])
def test_after_a_second_of_silence_the_network_rests_until_something_sounds(
    small_live_model: Model, sizes: list[int]
) -> None:
    audio, heard = mixture(seconds=0.5), []

    def streamed_with_pause(hops: int) -> np.ndarray:
        stream = Stream(small_live_model)
        network = stream._network
        stream._network = lambda levels: heard.append(levels.shape[1]) or network(levels)
        heard.clear()
        return streamed(stream, np.concatenate([audio, np.zeros((2, hops * 512), np.float32), audio], 1), sizes)

    after_three, after_ten = (streamed_with_pause(hops)[..., -audio.shape[1] :] for hops in (258, 861))
    assert sum(heard) < (2 * audio.shape[1] + 1.2 * 44_100) / 512
    np.testing.assert_allclose(after_ten, after_three, atol=1e-6)
    after_none = streamed_with_pause(0)[..., -audio.shape[1] :]
    assert np.abs(after_ten - after_none).max() > 1e-5  # a pause is heard, as long as it is short


def test_a_change_of_gain_fades_in(small_live_model: Model) -> None:
    stream, steady = Stream(small_live_model, channels=1), np.ones((1, 512), np.float32)
    levels = [0.0] * 12 + [1.0] * 12
    out = np.concatenate([stream.mix(steady, np.full((1, 4), level))[1][0, 0] for level in levels])
    assert out[5000] == pytest.approx(0, abs=1e-6)
    assert out[-1] == pytest.approx(1, abs=1e-5)
    assert np.abs(np.diff(out)).max() < 3 / stream.grid.synthesis_window


def test_reset_forgets_everything(small_live_model: Model) -> None:
    stream, audio = Stream(small_live_model), mixture(seconds=0.3)
    first = streamed(stream, audio, [512])
    assert not np.array_equal(first, streamed(stream, audio, [512]))
    stream.reset()
    np.testing.assert_array_equal(first, streamed(stream, audio, [512]))


def test_streams_of_one_model_do_not_disturb_each_other(small_live_model: Model) -> None:
    audio, other = mixture(seconds=0.3), mixture(seconds=0.3, seed=1)
    alone = streamed(Stream(small_live_model), audio, [512])
    first, second = Stream(small_live_model), Stream(small_live_model)
    together = []
    for start in range(0, audio.shape[1], 512):
        together.append(np.stack(list(first(audio[:, start : start + 512]).values())))
        second(other[:, start : start + 512])
    np.testing.assert_array_equal(np.concatenate(together, 2), alone)


def test_memory_does_not_grow(small_live_model: Model) -> None:
    stream, block = Stream(small_live_model), mixture(seconds=0.1)[:, :512]

    def held() -> int:
        for _ in range(150):
            stream(block)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        held()
        before = held()
        assert held() - before < 150 * block.nbytes / 20
    finally:
        tracemalloc.stop()


def test_a_model_that_hears_the_future_is_refused_with_the_remedy(small_model: Model) -> None:
    with pytest.raises(ModelError, match=r"bidirectional = false.*openband-live"):
        Stream(small_model)


def test_a_model_that_hears_several_frames_as_one_is_refused_with_the_remedy() -> None:
    model = live_model(8)
    network = dataclasses.replace(model.design.network, stride=2)
    with pytest.raises(ModelError, match="`stride = 1`"):
        Stream(Model(dataclasses.replace(model.design, network=network)))


def test_what_cannot_be_streamed_is_refused(small_live_model: Model) -> None:
    with pytest.raises(OptionError, match="8000 to 192000 Hz"):
        Stream(small_live_model, 4000)
    with pytest.raises(AudioError, match="1 or 2 channels"):
        Stream(small_live_model, channels=6)
    stream = Stream(small_live_model)
    with pytest.raises(AudioError, match=r"\(2, samples\)"):
        stream(np.zeros((1, 512), np.float32))
    stream(np.zeros((2, 512), np.float32))
    with pytest.raises(OptionError, match="reset"):
        stream.mix(np.zeros((2, 512), np.float32), np.ones((1, 4), np.float32))


def test_float64_gives_what_float32_gives(small_live_model: Model) -> None:
    audio = mixture()
    expected = streamed(Stream(small_live_model), audio, [512])
    got = streamed(Stream(small_live_model), audio.astype(np.float64), [512])
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float16, bool, np.complex64])
def test_audio_that_no_stream_takes_leaves_it_as_it_was(small_live_model: Model, dtype: type) -> None:
    audio, stream = mixture(), Stream(small_live_model)
    first = streamed(stream, audio[:, :5000], [512])
    with pytest.raises(TypeError, match=f"floating point audio, not {np.dtype(dtype)}"):
        stream(np.zeros((2, 512), dtype))
    rest = streamed(stream, audio[:, 5000:], [512])
    expected = streamed(Stream(small_live_model), audio, [512])
    np.testing.assert_allclose(np.concatenate([first, rest], 2), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(4,), (1, 3), (3, 5), (1, 4, 1)])
def test_gains_of_other_stems_leave_a_stream_as_it_was(small_live_model: Model, shape: tuple[int, ...]) -> None:
    stream = Stream(small_live_model)
    with pytest.raises(OptionError, match=r"shape \(mixes, 4\)"):
        stream.mix(mixture(), np.ones(shape, np.float32))
    assert stream.mix(mixture(), np.ones((1, 4), np.float32))[1].shape == (1, *mixture().shape)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["backwards", "read-only", "transposed", "broadcast", "integers"])
def test_gains_may_lie_in_memory_in_any_way(small_live_model: Model, kind: str) -> None:
    audio = np.random.default_rng(0).standard_normal((2, 8192)).astype(np.float32)
    gains = np.eye(4, dtype=np.float32)[::-1]
    plain = np.ascontiguousarray(gains)
    if kind == "read-only":
        gains = plain.copy()
        gains.flags.writeable = False
    elif kind == "transposed":
        gains = np.asfortranarray(plain)
    elif kind == "broadcast":
        gains = np.broadcast_to(np.float32(0.5), (4, 4))
        plain = gains.copy()
    elif kind == "integers":
        gains = plain.astype(int)
    mixes = Stream(small_live_model).mix(audio, gains)[1]
    np.testing.assert_array_equal(mixes, Stream(small_live_model).mix(audio, plain)[1])


@pytest.mark.parametrize("gain", [np.nan, np.inf, -np.inf])
def test_gains_that_are_no_numbers_are_refused(small_live_model: Model, gain: float) -> None:
    stream, audio = Stream(small_live_model), np.ones((2, 4096), np.float32)
    with pytest.raises(OptionError, match="finite"):
        stream.mix(audio, gain * np.ones((1, 4)))
    assert np.isfinite(stream.mix(audio, np.ones((1, 4)))[1]).all()
