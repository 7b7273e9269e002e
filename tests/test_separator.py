"""Properties of the separation that hold whatever the weights are; seams are looked for with the shipped ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import stems.separator
import stems.song.encoded
import stems.song.masks
from stems.cores import Cores
from stems.errors import AudioError, Cancelled, ModelError, OptionError
from stems.model import Model
from stems.separator import Separator, choose_device
from stems.song.encoded import audio_of_frames
from stems.song.level import Readable, loudness
from stems.spectrum import Grid, analyse

RATES = (8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000)
NAMES = ("drums", "bass", "vocals", "other")
QUIET = 10 ** (-120 / 20)


def noise(channels: int, samples: int, seed: int = 0) -> np.ndarray:
    """float32 (channels, samples), louder now and then."""
    random = np.random.default_rng(seed)
    swell = 0.2 + np.abs(np.sin(np.arange(samples) / 3000))
    return (0.2 * swell * random.uniform(-1, 1, (channels, samples))).astype(np.float32)


@pytest.fixture(scope="module")
def separator(small_model: Model) -> Separator:
    return Separator(small_model)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_stems_sum_to_the_mixture_at_every_rate(separator: Separator, rate: int, channels: int) -> None:
    audio = noise(channels, int(2.3 * rate) + 7)
    found = separator(audio, rate)
    assert tuple(found) == NAMES
    assert all(stem.shape == audio.shape and stem.dtype == np.float32 for stem in found.values())
    assert np.abs(sum(found.values()) - audio).max() < QUIET
    assert min(np.abs(stem).max() for stem in found.values()) > 1e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int16, np.int32, np.int8])
@pytest.mark.parametrize("layout", ["samples", "channels first", "samples first", "mono column", "not contiguous"])
def test_results_come_in_the_layout_of_the_audio(separator: Separator, dtype: type, layout: str) -> None:
    stereo = noise(2, 9_000)
    audio = {
        "samples": stereo[0],
        "channels first": stereo,
        "samples first": np.ascontiguousarray(stereo.T),
        "mono column": stereo[:1].T,
        "not contiguous": np.repeat(stereo, 2, axis=1)[:, ::2],
    }[layout]
    scale = -float(np.iinfo(dtype).min) if np.issubdtype(dtype, np.integer) else 1.0
    given = (audio * scale).astype(dtype)
    found = separator(given, 16_000)
    expected = np.float64 if dtype is np.float64 else np.float32
    assert all(stem.shape == given.shape and stem.dtype == expected for stem in found.values())
    assert np.abs(sum(found.values()) - given / scale).max() < QUIET
    straight = separator((stereo * scale).astype(dtype), 16_000)
    if layout in ("channels first", "samples first", "not contiguous"):
        again = found["bass"].T if layout == "samples first" else found["bass"]
        assert np.array_equal(again, straight["bass"])


def test_stereo_columns_are_not_taken_for_samples(separator: Separator) -> None:
    left = np.concatenate([noise(1, 8_000), np.zeros((1, 8_000), np.float32)], 1)
    right = left[:, ::-1]
    found = separator(np.concatenate([left, right]).T, 8_000)
    for stem in found.values():
        assert np.abs(stem[12_000:, 0]).max() < 1e-6
        assert np.abs(stem[:4_000, 1]).max() < 1e-6


@pytest.mark.parametrize("samples", [1, 2, 3, 10, 185, 186, 187, 1000])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_very_short_audio(separator: Separator, samples: int, rate: int) -> None:
    for audio in (noise(1, samples)[0], noise(2, samples)):
        found = separator(audio, rate)
        assert all(stem.shape == audio.shape for stem in found.values())
        assert np.abs(sum(found.values()) - audio).max() < QUIET


@pytest.mark.parametrize("frames", [*range(252, 261), 512, 513, 515, 516])
def test_audio_that_ends_anywhere_in_a_block(separator: Separator, frames: int) -> None:
    hop = separator.model.grid(8_000).hop
    for samples in ((frames - 3) * hop - 1, (frames - 3) * hop):
        audio = noise(1, samples)
        assert np.abs(sum(separator(audio, 8_000).values()) - audio).max() < QUIET


def test_songs_of_every_length_are_read_within_their_ends(separator: Separator, tmp_path: Path) -> None:
    import soundfile

    hop = separator.model.grid(8_000).hop
    for samples in (1, 253 * hop - 5, 254 * hop, 255 * hop, 256 * hop + 1):
        path = tmp_path / f"{samples}.wav"
        audio = noise(2, samples)
        soundfile.write(path, audio.T, 8_000, subtype="FLOAT")
        found = separator(path)
        assert all(stem.shape == audio.shape for stem in found.values())
        assert np.abs(sum(found.values()) - audio).max() < QUIET


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.999])
def test_an_impulse_stays_where_it_was(separator: Separator, rate: int, place: float) -> None:
    audio = np.zeros((2, 2 * rate), np.float32)
    number = int(place * audio.shape[1])
    audio[:, number] = 0.9
    for stem in separator(audio, rate).values():
        assert (np.abs(stem).argmax(axis=1) == number).all()
        assert (np.abs(stem[:, number]) > 0.01).all()


@pytest.mark.parametrize("delay", [1, 100, 1024, 5_000, 50_001])
def test_delayed_audio_gives_delayed_stems(separator: Separator, delay: int) -> None:
    rate, burst = 44_100, noise(1, 30_000)[0] * np.hanning(30_000).astype(np.float32)
    audio = np.pad(burst, (20_000, 60_000))
    stems, delayed = separator(audio, rate), separator(np.pad(audio, (delay, 0))[: len(audio)], rate)
    for name, stem in stems.items():
        spectra = [np.fft.rfft(each, 2 * len(audio)) for each in (delayed[name], stem)]
        correlation = np.fft.irfft(spectra[0] * spectra[1].conj())
        assert correlation.argmax() == delay, name


@pytest.mark.parametrize("gain", [2.0**-100, 1e-6, 0.01, 0.5, 4.0, 1e6])
def test_a_gain_on_the_audio_is_a_gain_on_the_stems(separator: Separator, gain: float) -> None:
    audio = noise(2, 20_000)
    expected, found = separator(audio, 8_000), separator(audio * np.float32(gain), 8_000)
    for name in NAMES:
        assert np.abs(found[name] / np.float32(gain) - expected[name]).max() < 2e-3 * np.abs(audio).max()


def test_channels_that_change_places_do_so_in_the_stems(separator: Separator) -> None:
    audio = noise(2, 20_000)
    found, swapped = separator(audio, 8_000), separator(audio[::-1], 8_000)
    for name in NAMES:
        assert np.abs(found[name] - swapped[name][::-1]).max() < 1e-5


def test_mono_gives_what_two_equal_channels_give(separator: Separator) -> None:
    audio = noise(1, 20_000)
    mono, stereo = separator(audio, 8_000), separator(np.repeat(audio, 2, axis=0), 8_000)
    for name in NAMES:
        assert np.abs(mono[name] - stereo[name]).max() < 1e-5


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_gives_silence(separator: Separator, channels: int) -> None:
    found = separator(np.zeros((channels, 20_000), np.float32), 8_000)
    assert not any(stem.any() for stem in found.values())


@pytest.mark.parametrize("frames", [1, 7, 100])
def test_stems_do_not_depend_on_the_length_of_blocks(
    separator: Separator, monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    audio = noise(2, 30_000)
    expected = separator(audio, 8_000)
    monkeypatch.setattr(stems.song.masks, "BLOCK_FRAMES", frames)
    monkeypatch.setattr(stems.song.encoded, "BLOCK_FRAMES", 3 * frames)
    for name, stem in separator(audio, 8_000).items():
        assert np.abs(stem - expected[name]).max() < 1e-5


def test_blocks_follow_each_other_without_a_gap(separator: Separator) -> None:
    audio = noise(2, 60_001)
    done = 0
    for block in separator.separate(_Array(audio), 8_000):
        assert block.start == done
        assert len({stem.shape for stem in block.stems.values()}) == 1
        done += block.stems["bass"].shape[1]
    assert done == audio.shape[1]


class _Array:
    def __init__(self, audio: np.ndarray) -> None:
        self.audio = audio
        self.samples = audio.shape[1]

    def read(self, start: int, count: int) -> np.ndarray:
        assert 0 <= start <= start + count <= self.samples
        return self.audio[:, start : start + count]


def heard_whole(
    song: Readable,
    model: Model,
    grid: Grid,
    gain: float,
    keep: torch.Tensor,
    cores: Cores,
    report: Callable[[float], None],
    all_levels: bool,
) -> SimpleNamespace:
    """What `encode_song` gives, found at once and in single precision."""
    audio = audio_of_frames(song, grid, 0, grid.frames(song.samples))
    levels = model.design.bands.levels(analyse(audio * gain, grid), grid)
    contexts = model.network.context(levels[None])[0]
    return SimpleNamespace(
        context=lambda first, count: contexts[first : first + count],
        total=levels.shape[1],
        kept=keep,
        kept_contexts=contexts[keep],
        kept_levels=levels[:, keep],
        landmarks=None,
        forget_kept=lambda: None,
        close=lambda: None,
    )


@pytest.mark.parametrize("disturbance", [0.0, 0.5])
def test_blocks_agree_with_the_whole_song_no_less_where_they_meet(
    music: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch, disturbance: float
) -> None:
    audio, rate = music
    model, block = Model.load(), 100
    torch.manual_seed(0)
    with torch.no_grad():  # for it must not depend on how well the weights behave
        for weights in model.network.recurrent.parameters():
            weights += disturbance * weights.std() * torch.randn_like(weights)
    separator = Separator(model)
    monkeypatch.setattr(stems.song.encoded, "fastest_precision", lambda device: torch.float32)
    monkeypatch.setattr(stems.song.encoded, "BLOCK_FRAMES", block)
    in_blocks = separator(audio, rate)
    monkeypatch.setattr(stems.separator, "encode_song", heard_whole)
    whole = separator(audio, rate)
    grid = model.grid(rate)
    meeting = np.zeros(audio.shape[1], bool)
    for frame in range(block, grid.frames(audio.shape[1]), block):
        meeting[(frame - 13) * grid.hop : (frame + 10) * grid.hop] = True
    assert 0.1 < meeting.mean() < 0.5
    for name in NAMES:
        error = in_blocks[name] - whole[name]
        assert 0 < np.square(error).sum() < 1e-6 * np.square(whole[name]).sum(), name  # 60 dB
        at_borders, elsewhere = (np.square(error[:, part]).mean() for part in (meeting, ~meeting))
        unheard = 1e-7 * np.square(audio).mean()
        assert at_borders <= max(elsewhere, unheard), name


@pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()),
    reason="bfloat16 is never chosen without oneDNN, which has no recurrent layers of it below AVX-512",
)
def test_in_bfloat16_stems_stay_within_60_db_of_single_precision(
    music: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    separator, audio = Separator(), music[0][:, : 10 * music[1]]
    found = {}
    for precision in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(stems.song.encoded, "fastest_precision", lambda device, precision=precision: precision)
        found[precision] = separator(audio, music[1])
        again = separator(audio, music[1])
        assert all(np.array_equal(stem, again[name]) for name, stem in found[precision].items())
    for name in NAMES:
        error = found[torch.bfloat16][name] - found[torch.float32][name]
        assert 0 < np.square(error).mean() < 1e-6 * np.square(audio).mean(), name


def test_progress_goes_from_0_to_1(separator: Separator) -> None:
    for samples in (1, 100_000):
        shares: list[float] = []
        separator(noise(1, samples), 8_000, progress=shares.append)
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert len(set(shares)) > 6


def test_a_separation_can_be_cancelled_at_any_time(separator: Separator) -> None:
    audio = noise(1, 60_000)
    shares: list[float] = []
    separator(audio, 8_000, progress=shares.append)
    for last in range(len(shares)):
        asked = iter([False] * last + [True])
        heard: list[float] = []
        with pytest.raises(Cancelled):
            separator(audio, 8_000, progress=heard.append, cancelled=lambda asked=asked: next(asked))
        assert heard == shares[:last]


@pytest.mark.parametrize("wanted", [("vocals",), ("other",), ("bass", "drums"), NAMES[:3], NAMES[::-1], NAMES])
def test_some_stems_equal_those_of_all(separator: Separator, wanted: tuple[str, ...]) -> None:
    audio = noise(2, 30_000)
    expected, found = separator(audio, 8_000), separator(audio, 8_000, stems=wanted)
    assert set(found) == set(wanted)
    for name in wanted:
        assert np.abs(found[name] - expected[name]).max() < 1e-5


def test_one_stem_may_be_named_alone(separator: Separator) -> None:
    audio = noise(2, 10_000)
    alone, listed = (separator(audio, 8_000, stems=stems) for stems in ("bass", ["bass"]))
    assert np.array_equal(alone["bass"], listed["bass"])


def test_higher_sensitivity_cuts_harder(separator: Separator) -> None:
    audio = noise(1, 60_000)

    def evenness(sensitivity: float) -> float:
        """How far stems are from a quarter of the mixture each: 0 where all bleed into all."""
        found = separator(audio, 8_000, sensitivity=sensitivity)
        return float(np.mean([np.square(stem - audio / 4).mean() for stem in found.values()]))

    softest, soft, usual, hard, hardest = (evenness(value) for value in (0.1, 0.5, 1, 2, 10))
    assert softest < 1e-2 * np.square(audio).mean()
    assert softest < soft < usual < hard < hardest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stems": ["drums", "piano"]}, "no stem 'piano': choose from drums, bass, vocals, other"),
        ({"stems": []}, "No stem is named: choose from drums, bass, vocals, other"),
        ({"stems": "piano"}, "no stem 'piano'"),
        ({"sensitivity": 0.09}, "sensitivity must be from 0.1 to 10, not 0.09"),
        ({"sensitivity": 10.1}, "sensitivity must be from 0.1 to 10"),
        ({"sensitivity": float("nan")}, "sensitivity must be from 0.1 to 10"),
        ({"sample_rate": 7_999}, "sample rate must be from 8000 to 192000 Hz, not 7999"),
        ({"sample_rate": 192_001}, "sample rate must be"),
        ({"sample_rate": float("nan")}, "sample rate must be"),
        ({"sample_rate": None}, "needs its sample rate"),
    ],
)
def test_impossible_arguments_are_refused(separator: Separator, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        separator(noise(1, 1_000), **{"sample_rate": 8_000, **arguments})


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((2, 0), np.float32), r"not \(2, 0\)"),
        (np.zeros((2, 10, 2), np.float32), r"not \(2, 10, 2\)"),
        (np.float32(0), r"not \(\)"),
        (np.zeros((3, 1000), np.float32), "has 3 channels"),
        (np.zeros((1000, 6), np.float32), "has 6 channels"),
        (np.full((2, 1000), np.nan, np.float32), "NaN or infinite"),
        (np.array([0.0, np.inf]), "NaN or infinite"),
        (np.array([0.0, 1e300]), "NaN or infinite"),
        (np.zeros(100, complex), "floats or signed integers, not complex128"),
        (np.zeros(100, np.uint8), "floats or signed integers, not uint8"),
        (np.zeros(100, bool), "floats or signed integers, not bool"),
    ],
)
def test_arrays_that_are_not_audio_are_refused(separator: Separator, audio: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        separator(audio, 8_000)


def test_a_nan_anywhere_is_refused(separator: Separator) -> None:
    audio = noise(2, 50_000)
    audio[1, 49_999] = np.nan
    with pytest.raises(AudioError, match="NaN"):
        separator(audio, 8_000)


def test_a_path_gives_what_its_samples_give(
    separator: Separator, music: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    import soundfile

    audio, rate = music[0][:, :50_000], music[1]
    soundfile.write(tmp_path / "song.flac", audio.T, rate, subtype="PCM_24")
    with_path = separator(tmp_path / "song.flac")
    expected = separator(soundfile.read(tmp_path / "song.flac", dtype="float32")[0].T, rate)
    for name in NAMES:
        assert np.abs(with_path[name] - expected[name]).max() < 1e-6
    with pytest.raises(AudioError, match=r"nosuch\.wav does not exist"):
        separator(str(tmp_path / "nosuch.wav"))


def test_devices_and_models_that_are_not_there() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(OptionError, match="no device 'tpu': choose auto, cpu, cuda or mps"):
        choose_device("tpu")
    for name in ("cuda", "mps"):
        if choose_device("auto").type == "cpu":
            with pytest.raises(OptionError, match=f"has no {name} device"):
                choose_device(name)
    with pytest.raises(ModelError, match="openband"):
        Separator("nosuch")


def test_loudness_is_that_of_the_parts_that_sound() -> None:
    tone = np.sin(np.arange(2048 * 20) / 10).astype(np.float32)[None]
    assert loudness(_Array(tone)) == pytest.approx(0.5**0.5, rel=1e-3)
    with_silence = np.concatenate([tone, np.zeros((1, 2048 * 200), np.float32)], 1)
    assert loudness(_Array(with_silence)) == pytest.approx(0.5**0.5, rel=1e-3)
    assert loudness(_Array(tone * np.float32(1e-30))) == pytest.approx(0.5**0.5 * 1e-30, rel=1e-3)
    assert loudness(_Array(np.zeros((2, 5000), np.float32))) == 0
