"""Properties of the processors, beside pedalboard's own plugins on the same inputs."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
import pytest
import torch
from made_models import live_model
from made_songs import made_song
from pedalboard_native._internal import AddLatency

import stems
from stems import Isolate, Model, Remix, Remove, Separator, Split, Stream
from stems.errors import AudioError, ModelError, OptionError

torch.set_num_threads(1)
STEMS = ("drums", "bass", "vocals", "other")
RATES = (22_050, 44_100, 48_000, 96_000)


@pytest.fixture(scope="module")
def models(small_model: Model, small_live_model: Model) -> dict[str, Model]:
    return {"model": small_model, "live_model": small_live_model}


def mixture(rate: int = 44_100, seconds: float = 0.5, channels: int = 2) -> np.ndarray:
    parts = made_song(np.random.default_rng(0), rate, seconds)
    return np.ascontiguousarray(sum(parts.values()).T[:channels], np.float32)


def streamed(plugin: Any, audio: np.ndarray, rate: float = 44_100, size: int = 512) -> list[np.ndarray]:
    blocks = [audio[..., start : start + size] for start in range(0, audio.shape[-1], size)]
    return [plugin.process(block, rate, reset=False) for block in blocks]


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(3000,), (1, 3000), (3000, 1), (2, 3000), (3000, 2), (2, 2), (1, 1), (1, 2), (0,), (2, 0), (0, 2)]
)
def test_shapes_and_types_are_those_of_pedalboard(
    models: dict[str, Model], shape: tuple[int, ...], dtype: type, reset: bool
) -> None:
    audio = np.random.default_rng(0).uniform(-0.1, 0.1, shape).astype(dtype)
    ours, theirs = Isolate("drums", **models), AddLatency(Isolate("drums", **models).latency_samples)
    for plugin in (ours, theirs):
        if shape == (2, 2):  # pedalboard wants to have seen the layout before
            plugin.process(np.zeros((2, 10), dtype), 44_100, reset=False)
    got, expected = ours.process(audio, 44_100, reset=reset), theirs.process(audio, 44_100, reset=reset)
    assert (got.shape, got.dtype, got.flags.c_contiguous) == (expected.shape, expected.dtype, True)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float16, bool, np.complex64])
def test_types_that_pedalboard_refuses_are_refused_alike(models: dict[str, Model], dtype: type) -> None:
    audio = np.zeros((2, 100), dtype)
    with pytest.raises(TypeError) as theirs:
        pedalboard.Gain()(audio, 44_100)
    with pytest.raises(TypeError) as ours:
        Isolate("drums", **models)(audio, 44_100)
    assert "32-bit and 64-bit floating point audio" in str(theirs.value)
    assert "32-bit and 64-bit floating point audio" in str(ours.value)


@pytest.mark.parametrize("size", [100, 512, 2047, 5000])
def test_blocks_come_as_those_of_a_native_plugin_with_that_latency(models: dict[str, Model], size: int) -> None:
    audio, remix = mixture(), Remix(**models)
    native = AddLatency(remix.latency_samples)
    for ours, theirs in zip(streamed(remix, audio, size=size), streamed(native, audio, size=size), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("reference_window", [2048, 4096, 8192])
def test_latency_is_the_same_before_a_stream_runs(small_model: Model, reference_window: int) -> None:
    remix = Remix(model=small_model, live_model=live_model(reference_window=reference_window))
    before = remix.latency_samples
    came = remix.process(np.zeros((2, 10_000), np.float32), 44_100, reset=False)
    assert before == remix.latency_samples == 10_000 - came.shape[1]


@pytest.mark.parametrize("layout", ["planes", "frames", "mono"])
def test_all_layouts_give_the_same(models: dict[str, Model], layout: str) -> None:
    audio = mixture(channels=1 if layout == "mono" else 2)
    shaped = {"planes": audio, "frames": np.ascontiguousarray(audio.T), "mono": audio[0]}[layout]
    back = {"planes": lambda out: out, "frames": lambda out: out.T, "mono": lambda out: out[None]}[layout]
    isolate = Isolate("vocals", **models)
    np.testing.assert_array_equal(back(isolate(shaped, 44_100)), isolate(audio, 44_100))
    expected = np.concatenate(streamed(isolate, audio), 1)
    isolate.reset()
    samples = shaped.shape[0] if layout == "frames" else shaped.shape[-1]
    for size in (512, 1):
        isolate.reset()
        isolate.process(shaped[:3] if layout == "frames" else shaped[..., :3], 44_100, reset=False)
        parts = []
        for start in range(3, min(samples, 3 + 3000), size):
            block = shaped[start : start + size] if layout == "frames" else shaped[..., start : start + size]
            parts.append(back(isolate.process(block, 44_100, reset=False)))
        out = np.concatenate(parts, 1)
        np.testing.assert_allclose(out, expected[:, : out.shape[1]], atol=1e-5)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_what_is_isolated_and_what_is_left_make_the_input(
    models: dict[str, Model], rate: int, channels: int, reset: bool
) -> None:
    audio = mixture(rate, 0.3, channels)
    for stem in STEMS:
        isolated = Isolate(stem, **models).process(audio, rate, reset=reset)
        left = Remove(stem, **models).process(audio, rate, reset=reset)
        late = audio.shape[1] - isolated.shape[1]
        assert (late == 0) if reset else (0 < late / rate <= 0.05)
        np.testing.assert_allclose(isolated + left, audio[:, : audio.shape[1] - late], atol=1e-6)
        assert min(np.abs(isolated).max(), np.abs(left).max()) > 1e-3


@pytest.mark.parametrize("reset", [True, False])
def test_a_remix_is_the_sum_of_its_stems_at_their_levels(models: dict[str, Model], reset: bool) -> None:
    audio = mixture()
    levels = {"drums_db": -6.0, "bass_db": -math.inf, "vocals_db": 3.0, "other_db": 0.0}
    remixed = Remix(**levels, sensitivity=2, **models).process(audio, 44_100, reset=reset)
    found = Split(sensitivity=2, **models).process(audio, 44_100, reset=reset)
    expected = sum(found[stem] * 10 ** (levels[f"{stem}_db"] / 20) for stem in STEMS)
    np.testing.assert_allclose(remixed, expected, atol=1e-6)


@pytest.mark.parametrize("reset", [True, False])
def test_a_remix_at_0_db_changes_no_bit(models: dict[str, Model], reset: bool) -> None:
    audio = mixture()
    out = Remix(**models).process(audio, 44_100, reset=reset)
    np.testing.assert_array_equal(out, audio[:, : out.shape[1]])


def test_whole_signals_go_through_the_separator_and_blocks_through_the_stream(models: dict[str, Model]) -> None:
    audio = mixture()
    whole = Isolate("bass", sensitivity=0.5, **models)(audio, 44_100)
    np.testing.assert_array_equal(whole, Separator(models["model"])(audio, 44_100, sensitivity=0.5)["bass"])
    stream = Stream(models["live_model"])
    expected = stream(audio, 0.5)["bass"][:, stream.latency_samples :]
    blocks = Isolate("bass", sensitivity=0.5, **models).process(audio, 44_100, reset=False)
    np.testing.assert_allclose(blocks, expected, atol=1e-6)


def test_real_music_is_remixed_at_its_own_rate(models: dict[str, Model], music: tuple[np.ndarray, int]) -> None:
    audio, rate = music[0][:, 4 * music[1] : 7 * music[1]], music[1]
    remove = Remove("vocals", **models)
    out = np.concatenate(streamed(remove, audio, rate, 4096), 1)
    late = audio.shape[1] - out.shape[1]
    assert late == remove.latency_samples
    assert 0 < np.square(out - audio[:, :-late]).mean() < np.square(audio).mean()


@pytest.mark.parametrize("size", [1, 7, 8192, 100_000])
def test_buffer_sizes_do_not_matter(models: dict[str, Model], size: int) -> None:
    audio, isolate = mixture(), Isolate("other", **models)
    np.testing.assert_array_equal(isolate(audio, 44_100, buffer_size=size), isolate(audio, 44_100))
    with pytest.raises(ValueError, match="at least 1 sample"):
        isolate(audio, 44_100, buffer_size=0)


@pytest.mark.parametrize("change", ["rate", "channels", "reset", "whole"])
def test_what_starts_a_new_stream(models: dict[str, Model], change: str) -> None:
    audio, used = mixture(), Isolate("drums", **models)
    streamed(used, audio)
    rate = 48_000 if change == "rate" else 44_100
    audio = audio[:1] if change == "channels" else audio
    if change == "reset":
        used.reset()
    if change == "whole":
        used(audio, rate)
    again, fresh = streamed(used, audio, rate), streamed(Isolate("drums", **models), audio, rate)
    np.testing.assert_array_equal(np.concatenate(again, 1), np.concatenate(fresh, 1))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("vocals_db", 24.1, "vocals_db must be from -inf to 24 dB, not 24.1"),
        ("drums_db", math.nan, "drums_db must be from -inf to 24 dB, not nan"),
        ("sensitivity", 0.0, "sensitivity must be from 0.1 to 10, not 0"),
        ("sensitivity", 11, "sensitivity must be from 0.1 to 10, not 11"),
    ],
)
def test_values_out_of_range_are_refused_with_range_and_unit(
    models: dict[str, Model], name: str, value: float, told: str
) -> None:
    remix = Remix(**models)
    before = getattr(remix, name)
    for kind in (ValueError, OptionError):
        with pytest.raises(kind, match=told):
            setattr(remix, name, value)
        with pytest.raises(kind, match=told):
            Remix(**{name: value}, **models)
    assert getattr(remix, name) == before
    with pytest.raises(TypeError, match="must be a number"):
        setattr(remix, name, "loud")


def test_unknown_stems_are_refused_with_the_known_ones(models: dict[str, Model]) -> None:
    isolate = Isolate("drums", **models)
    with pytest.raises(ValueError, match="drums, bass, vocals, other"):
        isolate.stem = "guitar"
    assert isolate.stem == "drums"


def test_parameters_that_are_set_while_running_are_heard(models: dict[str, Model]) -> None:
    audio = mixture(seconds=1.0)
    remix = Remix(**models)
    out = streamed(remix, audio[:, : 20 * 512])
    for stem in STEMS:
        setattr(remix, f"{stem}_db", -math.inf)
    out += streamed(remix, audio[:, 20 * 512 : 40 * 512])
    joined = np.concatenate(out, 1)
    changed = 20 * 512 - remix.latency_samples
    np.testing.assert_array_equal(joined[:, :changed], audio[:, :changed])
    np.testing.assert_allclose(joined[:, changed + 2 * 2048 :], 0, atol=1e-6)


def test_parameters_may_be_set_from_another_thread(models: dict[str, Model]) -> None:
    audio, remix, running = mixture(seconds=1.0), Remix(**models), True

    def turn_knobs() -> None:
        turn = 0
        while running:
            turn += 1
            remix.vocals_db, remix.bass_db, remix.sensitivity = -(turn % 60), -math.inf if turn % 2 else 0, 1 + turn % 9

    thread = threading.Thread(target=turn_knobs)
    thread.start()
    try:
        out = np.concatenate(streamed(remix, audio), 1)
    finally:
        running = False
        thread.join()
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 2 * np.abs(audio).max()


def test_damaged_blocks_never_give_nan(models: dict[str, Model]) -> None:
    audio = mixture()
    audio[0, 6000], audio[1, 9000] = np.nan, np.inf
    for processor in (Isolate("vocals", **models), Remove("vocals", **models), Remix(vocals_db=6, **models)):
        out = np.concatenate(streamed(processor, audio), 1)
        assert np.isfinite(out).all()
        assert not out[:, 11 * 512 : 12 * 512].any()
        assert out[:, 13 * 512 :].any()


def test_models_that_do_not_fit_are_refused_with_the_remedy(models: dict[str, Model], tmp_path: Path) -> None:
    audio = mixture(seconds=0.1)
    with pytest.raises(ModelError, match="bidirectional = false"):
        Isolate("drums", model=models["model"], live_model=models["model"]).process(audio, 44_100, reset=False)
    with pytest.raises(ModelError, match="no model 'nowhere'"):
        Isolate("drums", model="nowhere")
    path = tmp_path / "own.safetensors"
    models["live_model"].save(path, half=False)
    by_path = Isolate("drums", model=models["model"], live_model=path).process(audio, 44_100, reset=False)
    np.testing.assert_array_equal(by_path, Isolate("drums", **models).process(audio, 44_100, reset=False))


def test_audio_that_is_neither_mono_nor_stereo_is_refused(models: dict[str, Model]) -> None:
    for reset in (True, False):
        with pytest.raises(AudioError, match="mono or stereo"):
            Isolate("drums", **models).process(np.zeros((6, 1000), np.float32), 44_100, reset=reset)
        with pytest.raises(AudioError, match=r"\(channels, samples\)"):
            Isolate("drums", **models).process(np.zeros((2, 10, 10), np.float32), 44_100, reset=reset)


def test_representations_name_every_parameter_as_pedalboard_does(models: dict[str, Model]) -> None:
    remix = Remix(bass_db=-math.inf, vocals_db=3, **models)
    shown = "<stems.Remix drums_db=0 bass_db=-inf vocals_db=3 other_db=0 sensitivity=1 at 0x"
    assert repr(remix).startswith(shown)
    assert repr(Isolate("vocals", sensitivity=2.5, **models)).startswith(
        "<stems.Isolate stem=vocals sensitivity=2.5 at 0x"
    )
    assert repr(pedalboard.Delay(0.5)).startswith("<pedalboard.Delay delay_seconds=0.5 feedback=0 mix=0.5 at 0x")


def test_the_names_are_there_for_everybody() -> None:
    assert {"Board", "Isolate", "Mix", "Remix", "Remove", "Split", "Stream"} <= set(stems.__all__)


COPIES = [copy.copy, copy.deepcopy, lambda processor: pickle.loads(pickle.dumps(processor))]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("make", [lambda **m: Isolate("vocals", 2.0, **m), lambda **m: Remix(bass_db=-6, **m)])
def test_a_copy_has_the_parameters_and_a_past_of_its_own(make: Any, copied: Any, models: dict[str, Model]) -> None:
    audio = mixture(seconds=0.3)
    original = make(**models)
    expected = streamed(original, audio)
    original.reset()
    streamed(original, audio[:, :5_000])
    twin = copied(original)
    for one, other in zip(expected, streamed(twin, audio), strict=True):
        np.testing.assert_array_equal(one, other)
    twin.sensitivity = 0.5
    assert original.sensitivity != 0.5
    assert repr(original).split(" at ")[0] != repr(twin).split(" at ")[0]


@pytest.mark.parametrize("rate", ["44100", None, [44100], True, 1j])
def test_a_sample_rate_that_is_no_number_is_a_type_error(rate: Any, models: dict[str, Model]) -> None:
    with pytest.raises(TypeError, match="sample rate must be a number"):
        Isolate("vocals", **models)(mixture(seconds=0.1), rate)


@pytest.mark.parametrize("reset", [True, False])
def test_levels_of_stems_that_the_model_lacks_are_refused(models: dict[str, Model], reset: bool) -> None:
    two = {}
    for key, model in models.items():
        two[key] = copy.copy(model)
        two[key].design = replace(model.design, stems=("vocals", "rest", "noise", "crowd"))
    audio = mixture()
    remix = Remix(drums_db=-6, **two)
    with pytest.raises(OptionError, match="no stem 'drums'"):
        remix.process(audio, 44_100, reset=reset)
    remix.drums_db, remix.vocals_db = 0, -6
    assert np.isfinite(remix.process(audio, 44_100, reset=reset)).all()
