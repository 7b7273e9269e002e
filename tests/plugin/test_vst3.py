"""The VST3 plugins inside pedalboard and DawDreamer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pedalboard import Gain, Pedalboard, load_plugin
from test_engine import decibels

from stems import Stream

FADERS = ("drums", "bass", "vocals", "other")


@pytest.fixture
def plugin(plugins: Path) -> Any:
    """The stereo plugin in pedalboard."""
    return load_plugin(str(plugins / "Stems.vst3"))


@pytest.fixture(scope="module")
def passage(song: tuple[np.ndarray, int]) -> np.ndarray:
    """Two seconds of music, (2, samples)."""
    return song[0][:, : 2 * song[1]]


def expected_stems(audio: np.ndarray, rate: float, **settings: float) -> dict[str, np.ndarray]:
    """What `stems.Stream` makes of audio, in time with it; rows are left out where it is mono."""
    stream = Stream("openband-live", rate, len(audio))
    late = stream.latency_samples
    found = stream(np.pad(audio, ((0, 0), (0, late))), **settings)
    return {stem: part[:, late:] for stem, part in found.items()}


def test_parameters_have_names_and_units(plugin: Any) -> None:
    shown = {name: (parameter.label, parameter.range[:2]) for name, parameter in plugin.parameters.items()}
    for stem in FADERS:
        assert shown[f"{stem}_db"] == ("dB", (-np.inf, 12))
        assert getattr(plugin, f"{stem}_db") == 0
        assert not getattr(plugin, f"mute_{stem}") and not getattr(plugin, f"solo_{stem}")
    assert shown["sensitivity_x"] == ("x", (0.25, 4)) and plugin.sensitivity_x == 1
    assert shown["follow_s"] == ("s", (1, 30)) and plugin.follow_s == pytest.approx(3)
    assert not plugin.freeze and not plugin.bypass


def test_the_chain_is_in_time_and_faders_at_rest_change_nothing(
    plugin: Any, passage: np.ndarray, song: tuple[np.ndarray, int]
) -> None:
    out = Pedalboard([Gain(0), plugin, Gain(0)])(passage, song[1])
    assert out.shape == passage.shape
    np.testing.assert_allclose(out, passage, atol=1e-6)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_one_stem_alone_is_what_python_makes_of_it(plugin: Any, passage: np.ndarray, rate: int) -> None:
    for stem in FADERS:
        setattr(plugin, f"{stem}_db", 0 if stem == "bass" else -np.inf)
    expected = expected_stems(passage, rate)["bass"]
    assert decibels(Pedalboard([Gain(0), plugin, Gain(0)])(passage, rate) - expected, expected) < -80


def test_faders_mutes_solos_and_sensitivity(plugin: Any, passage: np.ndarray, song: tuple[np.ndarray, int]) -> None:
    stems = expected_stems(passage, song[1])
    mix = sum(stems.values())
    cases: list[tuple[dict[str, Any], np.ndarray]] = [
        ({"vocals_db": 6.0, "drums_db": -12.0}, mix + 0.9953 * stems["vocals"] - 0.7488 * stems["drums"]),
        ({"mute_vocals": True}, mix - stems["vocals"]),
        ({"solo_vocals": True, "solo_bass": True}, stems["vocals"] + stems["bass"]),
        ({"solo_vocals": True, "mute_vocals": True}, 0 * stems["vocals"]),
        ({"sensitivity_x": 2.5, "solo_drums": True}, expected_stems(passage, song[1], sensitivity=2.5)["drums"]),
    ]
    for settings, expected in cases:
        for name, value in settings.items():
            setattr(plugin, name, value)
        out = plugin(passage, song[1])
        for name in settings:
            setattr(plugin, name, {"db": 0.0, "x": 1.0}.get(name.split("_")[-1], False))
        np.testing.assert_allclose(out, expected, atol=1e-4, err_msg=str(settings))


def test_bypass_keeps_the_latency(plugin: Any, passage: np.ndarray, song: tuple[np.ndarray, int]) -> None:
    plugin.mute_drums = True
    plugin.bypass = True
    np.testing.assert_array_equal(Pedalboard([Gain(0), plugin, Gain(0)])(passage, song[1]), passage)


def test_another_rate_starts_anew(plugin: Any, passage: np.ndarray) -> None:
    plugin.solo_bass = True
    expected = plugin(passage, 44_100)
    other = plugin(passage, 96_000)
    assert decibels(other - expected, expected) > -40
    np.testing.assert_array_equal(plugin(passage, 44_100), expected)


def test_the_mono_plugin(plugins: Path, passage: np.ndarray, song: tuple[np.ndarray, int]) -> None:
    plugin = load_plugin(str(plugins / "StemsMono.vst3"))
    plugin.solo_other = True
    expected = expected_stems(passage[:1], song[1])["other"]
    assert decibels(plugin(passage[:1], song[1]) - expected, expected) < -80


def test_a_saved_state_comes_back(
    plugins: Path, plugin: Any, passage: np.ndarray, song: tuple[np.ndarray, int]
) -> None:
    plugin.solo_bass = True
    plugin.bass_db = 3
    expected = plugin(passage, song[1])
    other = load_plugin(str(plugins / "Stems.vst3"))
    other.raw_state = plugin.raw_state
    assert other.solo_bass and other.bass_db == pytest.approx(3, abs=0.01)
    np.testing.assert_array_equal(other(passage, song[1]), expected)


def test_every_output_of_stems_multi_in_dawdreamer(
    plugins: Path, passage: np.ndarray, song: tuple[np.ndarray, int]
) -> None:
    daw = pytest.importorskip("dawdreamer")
    audio, rate = passage, song[1]
    engine = daw.RenderEngine(rate, 512)
    source = engine.make_playback_processor("song", audio)
    plugin = engine.make_plugin_processor("stems", str(plugins / "StemsMulti.vst3"))
    assert plugin.get_num_output_channels() == 10
    engine.load_graph([(source, []), (plugin, ["song"])])
    engine.render(audio.shape[1] / rate)
    late = 2047 + 512
    heard = engine.get_audio()[:, late : audio.shape[1]].reshape(5, 2, -1)
    expected = np.stack(list(expected_stems(audio, rate).values()))[..., : heard.shape[2]]
    np.testing.assert_allclose(heard[0], audio[:, : heard.shape[2]], atol=1e-5)
    for part, stem in zip(heard[1:], expected, strict=True):
        assert decibels(part - stem, stem) < -80


def test_dawdreamer_hears_it_late(plugins: Path, passage: np.ndarray, song: tuple[np.ndarray, int]) -> None:
    daw = pytest.importorskip("dawdreamer")
    audio, rate = passage, song[1]
    engine = daw.RenderEngine(rate, 512)
    source = engine.make_playback_processor("song", audio)
    plugin = engine.make_plugin_processor("stems", str(plugins / "Stems.vst3"))
    assert plugin.get_num_input_channels() == plugin.get_num_output_channels() == 2
    numbers = {about["name"]: about["index"] for about in plugin.get_parameters_description()}
    plugin.set_parameter(numbers["Solo Vocals"], 1.0)
    engine.load_graph([(source, []), (plugin, ["song"])])
    engine.render(audio.shape[1] / rate)
    late = plugin.get_latency_samples() if hasattr(plugin, "get_latency_samples") else 2047 + 512
    expected = expected_stems(audio, rate)["vocals"][:, :-late]
    heard = engine.get_audio()[:, late : audio.shape[1]]
    assert decibels(heard - expected[:, : heard.shape[1]], expected) < -80
