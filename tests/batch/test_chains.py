"""Properties of effects that are fed in blocks: they equal pedalboard's on the whole stem, and stay in time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from stems.batch.chains import outputs
from stems.batch.presets import Preset, build_chain, plugins
from stems.errors import PresetError
from stems.separator import Block

RATE = 44_100
PIECE_AT_THE_END = 8192  # where pedalboard flushes by itself, in a piece of another length


def music(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    """Noise of falling spectrum, in which a shift by a sample shows."""
    white = np.random.default_rng(seed).standard_normal((channels, samples))
    coloured = np.apply_along_axis(np.convolve, 1, white, np.exp(-np.arange(100) / 20))
    return (0.05 * coloured[:, :samples]).astype(np.float32)


def in_blocks(stems: dict[str, np.ndarray], seed: int, longest: int) -> Iterator[Block]:
    random, start = np.random.default_rng(seed), 0
    while start < next(iter(stems.values())).shape[1]:
        count = int(random.integers(1, longest))
        block = {name: audio[:, start : start + count] for name, audio in stems.items()}
        yield Block(start, block, sum(block.values()))
        start += count


def run(stems: dict[str, np.ndarray], preset: Preset, rate: int = RATE, longest: int = 9_000) -> dict[str, np.ndarray]:
    samples = next(iter(stems.values())).shape[1]
    pieces = list(outputs(in_blocks(stems, samples, longest), preset, rate, samples))
    return {name: np.concatenate([piece[name] for piece in pieces], 1) for name in preset.outputs}


def preset(*chain: dict[str, object], stem: str = "vocals") -> Preset:
    return Preset("mine", "", {"vocals": ("vocals",), "rest": ("drums", "bass")}, {stem: chain})


def stems(channels: int = 2, samples: int = 60_000) -> dict[str, np.ndarray]:
    return {name: music(channels, samples, seed) for seed, name in enumerate(("drums", "bass", "vocals"))}


def lag(audio: np.ndarray, reference: np.ndarray) -> int:
    """Samples by which audio comes after its reference."""
    size = 4 * audio.shape[1]
    spectra = [np.fft.rfft(each[0], size) for each in (audio, reference)]
    found = int(np.abs(np.fft.irfft(spectra[0] * spectra[1].conj())).argmax())
    return found if found < size // 2 else found - size


@pytest.mark.parametrize("longest", [50, 9_000, 10**6])
def test_without_chains_outputs_are_sums_of_stems(longest: int) -> None:
    parts = stems(samples=10_000)
    found = run(parts, Preset("x", "", {"a": ("vocals",), "b": ("drums", "bass")}), longest=longest)
    assert np.array_equal(found["a"], parts["vocals"])
    assert np.array_equal(found["b"], parts["drums"] + parts["bass"])


@pytest.mark.parametrize("name", sorted(plugins()))
@pytest.mark.parametrize("channels", [1, 2])
def test_every_plugin_gives_in_blocks_what_it_gives_for_the_whole(name: str, channels: int) -> None:
    parts = stems(channels)
    found = run(parts, preset({"plugin": name}))
    whole = build_chain([{"plugin": name}], "here")(parts["vocals"], RATE)
    assert found["vocals"].shape == parts["vocals"].shape == whole.shape
    assert np.array_equal(found["rest"], parts["drums"] + parts["bass"])
    if name == "GSMFullRateCompressor":  # has no two runs alike
        assert abs(lag(found["vocals"], whole)) <= 12
    else:
        assert np.abs(found["vocals"] - whole)[:, :-PIECE_AT_THE_END].max() < 1e-4 * np.abs(whole).max()


@pytest.mark.parametrize(
    "table",
    [
        {"plugin": "PitchShift", "semitones": 0},
        {"plugin": "BrickwallLimiter", "lookahead_ms": 20.0},
        {"plugin": "Resample", "target_sample_rate": 32_000},
        {"plugin": "MP3Compressor"},
        {"plugin": "Gain", "gain_db": 0},
    ],
)
@pytest.mark.parametrize("samples", [30_000, 8192 * 8])
def test_plugins_with_latency_stay_in_time(table: dict[str, object], samples: int) -> None:
    parts = stems(samples=samples)
    found = run(parts, preset(table, {"plugin": "Gain", "gain_db": -6}))
    assert found["vocals"].shape == (2, samples)
    assert lag(found["vocals"], parts["vocals"]) == 0
    similarity = np.corrcoef(found["vocals"][0], parts["vocals"][0])[0, 1]
    assert similarity > 0.9


@pytest.mark.parametrize("name", ["PitchShift", "MP3Compressor", "Reverb"])
@pytest.mark.parametrize("samples", [1, 100, 8191, 8192])
def test_short_stems_keep_their_length(name: str, samples: int) -> None:
    found = run(stems(samples=samples), preset({"plugin": name}))
    assert all(audio.shape == (2, samples) and np.isfinite(audio).all() for audio in found.values())


def test_the_effect_is_heard_in_its_stem_only() -> None:
    parts = stems(samples=20_000)
    mix = Preset("x", "", {"mix": ("drums", "vocals")}, {"drums": ({"plugin": "Gain", "gain_db": -20.0},)})
    assert np.abs(run(parts, mix)["mix"] - (0.1 * parts["drums"] + parts["vocals"])).max() < 1e-6


def test_a_rate_that_a_plugin_cannot_process_is_an_error_of_the_preset() -> None:
    with pytest.raises(PresetError, match="mine: chain of vocals: MP3 only supports"):
        run(stems(samples=20_000), preset({"plugin": "MP3Compressor"}), rate=96_000)


def test_effects_that_make_no_audio_fail_the_song(monkeypatch: pytest.MonkeyPatch) -> None:
    import stems.batch.chains

    class Broken:
        def __init__(self, value: float) -> None:
            self.value = value

        def process(self, audio: np.ndarray, *_: object, **__: object) -> np.ndarray:
            return np.full_like(audio, self.value)

    stems_ = {"vocals": np.zeros((2, 20_000), np.float32)}
    preset = Preset("p", "", {"vocals": ("vocals",)}, {"vocals": ({"plugin": "Gain"},)})
    for value in (np.nan, np.inf, 1e30):
        monkeypatch.setattr(stems.batch.chains, "build_chain", lambda *_, value=value: Broken(value))
        with pytest.raises(PresetError, match="no audio any more"):
            list(outputs(in_blocks(stems_, 0, 5_000), preset, RATE, 20_000))
