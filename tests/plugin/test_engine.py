"""The engine computes what `stems.Stream` does, whatever the rate, channels, blocks and settings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from engine import WHOLE_HOP, Engine, EngineError, EngineModel, EngineStream
from made_models import live_model
from safetensors.numpy import load_file, save_file

from stems import Model, Stream
from stems.compatibility import EARLIER
from stems.model import ClusteringSettings

torch.set_num_threads(1)
RATES = (44_100, 48_000, 88_200, 96_000, 192_000)
STEMS = np.eye(4, dtype=np.float32)


def decibels(error: np.ndarray, signal: np.ndarray) -> float:
    """Power of an error, relative to that of the signal."""
    return float(10 * np.log10(np.square(error).mean() / np.square(signal).mean()))


def small_designs() -> dict[str, Model]:
    """Small random models of every kind that a stream may have."""
    models = {"groups": live_model(8), "whole frames": live_model()}
    models["long analysis window"] = live_model(8, reference_window=4096)
    models["three windows"] = live_model(reference_window=6144)
    changes = {
        "no texture": {"channels": 0},
        "deep": {"channels": 18, "depth": 4, "reach": 1, "overtones": (0.5, 2.0, 3.0), "groups": 4, "width": 20},
        "no reach": {"reach": 0, "depth": 1},
    }
    settings = dataclasses.replace(models["groups"].design, loudness=0.03)
    settings = dataclasses.replace(settings, clustering=ClusteringSettings(pull=0.3, weight_exponent=1.0, share=0.5))
    models["other settings"] = doubled(Model(settings, {"name": "other settings"}))
    for name, change in changes.items():
        design = models["whole frames"].design
        torch.manual_seed(2)
        changed = dataclasses.replace(design, network=dataclasses.replace(design.network, **change))
        models[name] = doubled(Model(changed, {"name": name}))
    return models


@torch.no_grad()
def doubled(model: Model) -> Model:
    """The model with larger weights, so that its embeddings differ more, as files hold them."""
    for weights in model.network.parameters():
        weights.copy_((2 * weights).half())
    return model.eval()


MODELS = small_designs()


@pytest.fixture(scope="module")
def twins(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Model, EngineModel]]:
    """Each small model, in Python and in the engine."""
    pairs = {}
    for name, model in MODELS.items():
        path = tmp_path_factory.mktemp("model") / "small.safetensors"
        model.save(path)
        pairs[name] = (Model.load(path), engine.model(path))
    return pairs


@pytest.mark.parametrize("rate", [8000, 22_050, 47_952, *RATES])
@pytest.mark.parametrize("name", MODELS)
def test_bands_of_bins(twins: dict[str, tuple[Model, EngineModel]], name: str, rate: int) -> None:
    model, same = twins[name]
    np.testing.assert_array_equal(same.band_of_bin(rate), model.design.bands.of_bins(model.grid(rate)))


@pytest.mark.parametrize("length", [2048, 2232, 4464, 8928, 4 * 557, 8 * 2063])
def test_fourier_transform(engine: Engine, length: int) -> None:
    signal = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    spectrum, back = engine.fourier(signal)
    assert decibels(np.abs(spectrum - np.fft.rfft(signal)), np.abs(spectrum)) < -120
    assert decibels(back - signal, signal) < -120


@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_embeddings(twins: dict[str, tuple[Model, EngineModel]], name: str) -> None:
    model, same = twins[name]
    levels = np.random.default_rng(0).uniform(-100, 0, (2, 40, model.design.bands.count)).astype(np.float32)
    expected = model.network(torch.from_numpy(levels)[None])[0].numpy()
    assert decibels(same.embed(levels, expected.shape[-1]) - expected, expected) < -90


@torch.inference_mode()
def test_embeddings_of_the_shipped_model(shipped: EngineModel) -> None:
    model = Model.load("openband-live")
    levels = np.random.default_rng(1).uniform(-100, 0, (2, 200, model.design.bands.count)).astype(np.float32)
    expected = model.network(torch.from_numpy(levels)[None])[0].numpy()
    assert decibels(shipped.embed(levels, expected.shape[-1]) - expected, expected) < -90


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_the_same_as_python(shipped: EngineModel, song: tuple[np.ndarray, int], rate: int, channels: int) -> None:
    audio = song[0][:channels, :60_000]
    stream, same = Stream("openband-live", rate, channels), EngineStream(shipped, rate, channels)
    assert same.latency_samples == stream.latency_samples
    expected_mixture, expected = stream.mix(audio, STEMS)
    mixture, stems = same.run_all(audio, [512])
    np.testing.assert_array_equal(mixture, expected_mixture)
    assert decibels(stems - expected, expected) < -80


def test_every_instruction_set_gives_the_same(
    engine: Engine, shipped: EngineModel, song: tuple[np.ndarray, int]
) -> None:
    fastest, audio = engine.kernels, song[0][:, :40_000]
    expected = EngineStream(shipped, song[1], 2).run(audio)[1]
    try:
        assert engine.use_kernels("portable")
        assert decibels(EngineStream(shipped, song[1], 2).run(audio)[1] - expected, expected) < -100
    finally:
        assert engine.use_kernels(fastest)
    assert not engine.use_kernels("of a machine to come")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels", [1, 2])
def test_small_models_are_the_same_as_in_python(
    twins: dict[str, tuple[Model, EngineModel]], song: tuple[np.ndarray, int], name: str, channels: int
) -> None:
    model, same = twins[name]
    audio = song[0][:channels, 100_000:150_000]
    expected = Stream(model, 48_000, channels).mix(audio, STEMS)[1]
    assert decibels(EngineStream(same, 48_000, channels).run_all(audio, [700])[1] - expected, expected) < -80


@pytest.mark.parametrize("sensitivity", [0.25, 1.0, 4.0])
def test_settings_do_what_they_do_in_python(
    shipped: EngineModel, song: tuple[np.ndarray, int], sensitivity: float
) -> None:
    audio, rate = song[0][:, :50_000], song[1]
    random = np.random.default_rng(0)
    stream, same = Stream("openband-live", rate), EngineStream(shipped, rate, 2, mixes=3)
    expected, found = [], []
    for start in range(0, audio.shape[1], 3000):  # which change from block to block
        gains = random.uniform(0, 2, (3, 4)).astype(np.float32)
        block = audio[:, start : start + 3000]
        same.set(gains, sensitivity)
        expected.append(stream.mix(block, gains, sensitivity)[1])
        found.append(same.run(block)[1])
    wanted = np.concatenate(expected, 2)
    assert decibels(np.concatenate(found, 2) - wanted, wanted) < -80


@pytest.mark.parametrize("spread", [0, 100, WHOLE_HOP])
def test_blocks_of_any_size_give_the_same_as_late_as_ever(
    shipped: EngineModel, song: tuple[np.ndarray, int], spread: int
) -> None:
    audio, rate = song[0][:, :12_000], song[1]
    plain = EngineStream(shipped, rate, 2)
    expected = plain.run(audio)[1]
    random = np.random.default_rng(0).integers(1, 4097, 50).tolist()
    for sizes in ([1], [64], [441], [512], [4096], random):
        stream = EngineStream(shipped, rate, 2, spread=spread)
        later = stream.latency_samples - plain.latency_samples
        assert later == (512 if spread == WHOLE_HOP else spread)
        mixture, stems = stream.run_all(audio, sizes)
        late = stream.latency_samples
        np.testing.assert_array_equal(mixture[:, late:], audio[:, :-late])
        np.testing.assert_array_equal(mixture[:, :late], 0)
        np.testing.assert_array_equal(stems[..., later:], expected[..., : expected.shape[2] - later], str(sizes))
        np.testing.assert_allclose(stems.sum(0), mixture, atol=2e-6)


def test_outputs_may_be_the_inputs(shipped: EngineModel, song: tuple[np.ndarray, int]) -> None:
    audio = song[0][:, :5000]
    apart, in_place = (EngineStream(shipped, song[1], 2, mixes=1) for _ in range(2))
    for start in range(0, 5000, 700):
        block = audio[:, start : start + 700]
        np.testing.assert_array_equal(in_place.run(block, in_place=True)[1], apart.run(block)[1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_audio_is_silence_for_that_block(
    shipped: EngineModel, song: tuple[np.ndarray, int], bad: float
) -> None:
    audio, rate = song[0][:, :40_000].copy(), song[1]
    audio[1, 20_100] = bad
    stream, same = Stream("openband-live", rate), EngineStream(shipped, rate, 2)
    wanted = [stream.mix(block, STEMS) for block in np.split(audio, 40, 1)]
    found = [same.run(block) for block in np.split(audio, 40, 1)]
    expected, stems = (np.concatenate([mixes for _, mixes in both], 2) for both in (wanted, found))
    assert np.isfinite(stems).all()
    assert decibels(stems - expected, expected) < -80
    late = same.latency_samples
    mixture = np.concatenate([mixture for mixture, _ in found], 1)
    assert not mixture[:, 20_000 + late : 21_000 + late].any() and not stems[..., 20_000 + late : 21_000 + late].any()


def test_silence_and_denormals(shipped: EngineModel, song: tuple[np.ndarray, int]) -> None:
    audio, rate = song[0][:, :40_000].copy(), song[1]
    audio[:, 10_000:20_000] = 0
    audio[:, 20_000:25_000] *= np.float32(1e-39)
    stream, same = Stream("openband-live", rate), EngineStream(shipped, rate, 2)
    expected, stems = stream.mix(audio, STEMS)[1], same.run_all(audio, [512])[1]
    assert decibels(stems - expected, expected) < -80


@pytest.mark.parametrize("block", [300, 512, 4096])
def test_after_a_second_of_silence_nothing_is_computed_and_nothing_is_forgotten(
    shipped: EngineModel, song: tuple[np.ndarray, int], block: int
) -> None:
    music, rate = song[0][:, :30_000], song[1]
    audio = np.concatenate([music, np.zeros((2, 100_000), np.float32), music], 1)
    stream, same = Stream("openband-live", rate), EngineStream(shipped, rate, 2)
    expected = stream.mix(audio, STEMS)[1]
    sounding, falling, silent, again = np.split(audio, [30_000, 90_000, 130_000], 1)
    found, work = [], []
    for part in (sounding, falling, silent, again):
        before = same.work_done
        found.append(same.run_all(part, [block])[1])
        work.append((same.work_done - before) / part.shape[1])
    assert decibels(np.concatenate(found, 2) - expected, expected) < -80
    assert work[2] == 0 and 0 < work[1] < work[0]
    assert work[3] == pytest.approx(work[0], rel=0.1)


@pytest.mark.parametrize("rate", [47_999, 96_097, 177_649])  # whose windows have prime factors of up to 2063
def test_rates_whose_windows_have_large_prime_factors(
    twins: dict[str, tuple[Model, EngineModel]], song: tuple[np.ndarray, int], rate: int
) -> None:
    model, same = twins["long analysis window"]
    audio = song[0][:, 100_000:140_000]
    expected = Stream(model, rate).mix(audio, STEMS)[1]
    stream, usual = EngineStream(same, rate, 2), EngineStream(same, 48_000, 2)
    assert decibels(stream.run(audio)[1] - expected, expected) < -80
    usual.run(audio)
    assert stream.work_done < 6 * usual.work_done


@pytest.mark.parametrize("seconds", [0.5, 30.0])
def test_centroids_follow_as_fast_as_they_are_told(
    shipped: EngineModel, song: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    audio, rate = song[0][:, :400_000], song[1]  # three times as long as all that sounds counts alike
    same, usual = (EngineStream(shipped, rate, 2) for _ in range(2))
    same.set(STEMS, follow_seconds=seconds)
    monkeypatch.setattr("stems.running.FOLLOW_SECONDS", seconds)
    expected, stems = Stream("openband-live", rate).mix(audio, STEMS)[1], same.run(audio)[1]
    assert decibels(stems - expected, expected) < -80
    assert decibels(usual.run(audio)[1] - expected, expected) > -60


def test_a_frozen_stream_separates_by_the_clusters_that_it_has(
    shipped: EngineModel, song: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    audio, rate = song[0][:, :150_000], song[1]
    usual, same, python = EngineStream(shipped, rate, 2), EngineStream(shipped, rate, 2), Stream("openband-live", rate)
    heard, new = np.split(audio, [75_000], 1)
    python.mix(heard, STEMS)
    for each in (usual, same):
        each.run(heard)
    monkeypatch.setattr("stems.running.RunningCentroids._move", lambda *_: None)
    same.set(STEMS, follow_seconds=0)
    expected, stems = python.mix(new, STEMS)[1], same.run(new)[1]
    assert decibels(stems - expected, expected) < -80
    assert decibels(usual.run(new)[1] - expected, expected) > -60


def test_a_stream_that_was_reset_is_as_new(shipped: EngineModel, song: tuple[np.ndarray, int]) -> None:
    audio = song[0][:, :20_000]
    stream = EngineStream(shipped, song[1], 2, spread=WHOLE_HOP)
    expected = stream.run_all(audio, [1000])[1]
    stream.run(np.random.default_rng(0).standard_normal((2, 12_345)))
    stream.reset()
    np.testing.assert_array_equal(stream.run_all(audio, [700])[1], expected)


def test_frozen_clusters_outlast_a_reset(shipped: EngineModel, song: tuple[np.ndarray, int]) -> None:
    heard, new = np.split(song[0][:, :150_000], [75_000], 1)
    stream, new_one = EngineStream(shipped, song[1], 2), EngineStream(shipped, song[1], 2)
    stream.run(heard)
    for each in (stream, new_one):
        each.set(STEMS, follow_seconds=0)
        each.reset()  # as hosts do before they render
    first = stream.run(new)[1]
    stream.reset()
    np.testing.assert_array_equal(stream.run(new)[1], first)
    assert decibels(new_one.run(new)[1] - first, first) > -60
    stream.set(STEMS, follow_seconds=3)
    new_one.set(STEMS, follow_seconds=3)
    for each in (stream, new_one):
        each.reset()
    np.testing.assert_array_equal(stream.run(new)[1], new_one.run(new)[1])


@pytest.mark.parametrize("name", ["groups", "whole frames"])
def test_files_of_the_earlier_format_are_read(
    engine: Engine, twins: dict[str, tuple[Model, EngineModel]], tmp_path: Path, name: str
) -> None:
    before = {
        "log_kappa": "log_sensitivity",
        "network.queries.": "network.hints.",
        "recurrent.input_projection.": "recurrent.entrance.",
        "recurrent.output_projection.": "recurrent.exit.",
        "recurrent.lstm.": "recurrent.",
    }
    MODELS[name].save(tmp_path / "model.safetensors")
    card = json.loads((tmp_path / "model.json").read_text())
    tensors = {}
    for key, tensor in load_file(tmp_path / "model.safetensors").items():
        for now, then in before.items():
            key = key.replace(now, then)
        tensors[key] = tensor
    save_file(tensors, tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    card |= {"format": EARLIER[0], "sha256": hashlib.sha256(content).hexdigest()}
    card["design"]["network"]["hints"] = card["design"]["network"].pop("queries")
    levels = np.random.default_rng(0).uniform(-90, 0, (2, 5, 64)).astype(np.float32)
    found = engine.parse(content, json.dumps(card).encode()).embed(levels, 8)
    np.testing.assert_array_equal(found, twins[name][1].embed(levels, 8))


@pytest.mark.parametrize("synthesis", [1, 32, 1000, 4096, -64])
def test_synthesis_windows_that_do_not_divide_the_analysis_window_are_refused(
    engine: Engine, tmp_path: Path, synthesis: int
) -> None:
    MODELS["groups"].save(tmp_path / "model.safetensors")
    card = json.loads((tmp_path / "model.json").read_text())
    card["design"]["bands"]["reference_synthesis"] = synthesis
    with pytest.raises(EngineError, match="reference_synthesis"):
        engine.parse((tmp_path / "model.safetensors").read_bytes(), json.dumps(card).encode())
