"""Engines agree with museval on random and real signals, and treat silence as its users expect."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

pytest.importorskip("scipy")

from stems.errors import AudioError, OptionError
from stems.evaluate import ENGINES, bss, load_engine
from stems.evaluate.bss import BssEval
from stems.evaluate.quick import Quick

TOLERANCE = 0.01  # dB


def random_track(stems=2, channels=2, seconds=3.0, rate=8000, seed=0):
    """Coloured, correlated stems and estimates of them with leakage, filtering and noise."""
    generator = np.random.default_rng(seed)
    truth = generator.standard_normal((stems, channels, int(seconds * rate))) * 0.1
    truth[:, :, 1:] += 0.9 * truth[:, :, :-1]
    truth[:, -1] += 0.5 * truth[:, 0]
    estimates = 0.8 * truth + 0.1 * truth.sum(axis=0) + 0.2 * np.roll(truth, 7, axis=2)
    estimates += 0.01 * generator.standard_normal(truth.shape)
    return truth, estimates


def museval_scores(truth, estimates, rate, window_seconds=1.0, hop_seconds=1.0):
    museval = pytest.importorskip("museval")
    window, hop = int(window_seconds * rate), int(hop_seconds * rate)
    figures = museval.evaluate(np.moveaxis(truth, 1, 2), np.moveaxis(estimates, 1, 2), win=window, hop=hop)
    return dict(zip(("SDR", "ISR", "SIR", "SAR"), figures, strict=True))


def assert_alike(scores, expected):
    assert scores.keys() == expected.keys()
    for metric, figures in expected.items():
        np.testing.assert_allclose(scores[metric], figures, rtol=0, atol=TOLERANCE, err_msg=metric)


@pytest.mark.parametrize(
    ("stems", "channels", "rate", "window_seconds", "hop_seconds"),
    [(2, 2, 8000, 1.0, 1.0), (3, 1, 11025, 1.0, 1.0), (2, 1, 44100, 0.5, 0.3), (1, 2, 8000, 0.25, 0.5)],
)
def test_random_signals_score_as_in_museval(stems, channels, rate, window_seconds, hop_seconds):
    truth, estimates = random_track(stems, channels, 3.7, rate)
    scores = BssEval(list(truth), rate, window_seconds, hop_seconds).score(list(estimates))
    assert_alike(scores, museval_scores(truth, estimates, rate, window_seconds, hop_seconds))


def test_a_track_shorter_than_a_frame_is_one_frame():
    truth, estimates = random_track(seconds=0.6)
    scores = BssEval(list(truth), 8000).score(list(estimates))
    assert scores["SDR"].shape == (2, 1)
    assert_alike(scores, museval_scores(truth, estimates, 8000))


def test_a_frame_without_signal_is_nan_for_every_stem_as_in_museval():
    truth, estimates = random_track(seconds=4)
    truth[0, :, 8000:16000] = 0
    estimates[1, :, 24000:] = 0
    scores = BssEval(list(truth), 8000).score(list(estimates))
    assert np.isnan(scores["SIR"]).tolist() == [[False, True, False, True]] * 2
    assert_alike(scores, museval_scores(truth, estimates, 8000))


@pytest.mark.parametrize("kind", ["mono", "left only", "out of phase"])
def test_channels_that_are_alike_score_as_in_museval(kind):
    truth, estimates = random_track()
    truth[1, 1] = {"mono": 1, "left only": 0, "out of phase": -0.5}[kind] * truth[1, 0]
    assert_alike(BssEval(list(truth), 8000).score(list(estimates)), museval_scores(truth, estimates, 8000))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stem_silent_throughout_is_left_out(engine):
    truth, estimates = random_track(stems=3, channels=1)
    without = load_engine(engine)(list(truth[[0, 2]]), 8000).score(list(estimates[[0, 2]]))
    truth[1] = 0
    scores = load_engine(engine)(list(truth), 8000).score(list(estimates))
    for metric, figures in scores.items():
        assert np.isnan(figures[1]).all()
        np.testing.assert_allclose(figures[[0, 2]], without[metric])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_silent_estimate_has_no_score_and_leaves_the_others_theirs(engine):
    truth, estimates = random_track(stems=3, channels=1)
    whole = load_engine(engine)(list(truth), 8000).score(list(estimates))
    estimates[1] = 0
    scores = load_engine(engine)(list(truth), 8000).score(list(estimates))
    for metric, figures in scores.items():
        assert np.isnan(figures[1]).all()
        np.testing.assert_allclose(figures[[0, 2]], whole[metric][[0, 2]])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_silent_track_has_no_scores(engine):
    silence = [np.zeros((2, 16000))] * 2
    scores = load_engine(engine)(silence, 8000).score(silence)
    assert all(np.isnan(figures).all() and figures.shape == (2, 2) for figures in scores.values())


def test_museval_is_selectable_and_agrees():
    truth, estimates = random_track()
    by_museval = load_engine("museval")(list(truth), 8000, 0.5, 0.25).score(list(estimates))
    assert_alike(by_museval, museval_scores(truth, estimates, 8000, 0.5, 0.25))
    assert_alike(load_engine("stems")(list(truth), 8000, 0.5, 0.25).score(list(estimates)), by_museval)


def test_an_unknown_engine_is_refused():
    with pytest.raises(OptionError, match="stems, museval, quick"):
        load_engine("mir_eval")


def test_quick_sdr_is_that_of_bss_eval():
    truth, estimates = random_track()
    quick = Quick(list(truth), 8000).score(list(estimates))
    np.testing.assert_allclose(quick["SDR"], BssEval(list(truth), 8000).score(list(estimates))["SDR"])


@pytest.mark.parametrize("gain", [0.01, 0.5, -3.0])
def test_a_gain_changes_sdr_but_not_scale_invariant_sdr(gain):
    truth, estimates = random_track()
    quick = Quick(list(truth), 8000)
    scores, scaled = quick.score(list(estimates)), quick.score(list(gain * estimates))
    np.testing.assert_allclose(scaled["SI-SDR"], scores["SI-SDR"])
    assert (scaled["SDR"] < scores["SDR"] - 1).all()


def test_scale_invariant_sdr_of_noise_at_a_known_level():
    generator = np.random.default_rng(0)
    true, noise = generator.standard_normal((2, 1, 80000))
    score = Quick([true], 80000).score([2 * true + 0.2 * noise])["SI-SDR"]
    assert score == pytest.approx(20, abs=0.1)


def test_a_perfect_estimate_is_infinitely_good():
    truth, _ = random_track()
    assert np.isposinf(BssEval(list(truth), 8000).score(list(truth))["SDR"]).all()


@pytest.mark.parametrize("difference", [-3000, 3000])
def test_estimates_are_padded_or_cut_to_the_track(difference):
    truth, estimates = random_track(seconds=3)
    samples = truth.shape[2]
    engine = BssEval(list(truth), 8000)
    other = np.zeros((2, 2, samples + difference))
    other[..., : min(samples, samples + difference)] = estimates[..., : samples + difference]
    fitted = np.zeros_like(truth)
    fitted[..., : samples + difference] = other[..., :samples]
    for metric, figures in engine.score(list(fitted)).items():
        np.testing.assert_allclose(engine.score(list(other))[metric], figures)


def test_single_precision_is_enough_for_the_arrays():
    truth, estimates = random_track()
    single = BssEval(list(truth.astype(np.float32)), 8000).score(list(estimates.astype(np.float32)))
    assert_alike(single, BssEval(list(truth), 8000).score(list(estimates)))


def test_blocks_and_batches_change_nothing(monkeypatch):
    truth, estimates = random_track(seconds=5)
    whole = BssEval(list(truth), 8000, 0.5, 0.5).score(list(estimates))
    for name, value in (("CORRELATION_FFT_SIZE", 2048), ("BLOCKS_AT_ONCE", 3), ("FRAMES_AT_ONCE", 3)):
        monkeypatch.setattr(bss, name, value)
    for metric, figures in BssEval(list(truth), 8000, 0.5, 0.5).score(list(estimates)).items():
        np.testing.assert_allclose(figures, whole[metric], atol=1e-9)


def test_memory_does_not_grow_with_the_track():
    def peak(seconds):
        truth, estimates = random_track(1, 1, seconds)
        tracemalloc.start()
        BssEval(list(truth), 8000, filter_length=32).score(list(estimates))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak(160) < 1.1 * peak(40)


def test_correlations_are_those_of_the_whole_signals():
    generator = np.random.default_rng(0)
    one, other = generator.standard_normal((2, 3, 40000))
    lagged = bss.correlations([one[:2], one[2:]], [other], 40)
    assert lagged.shape == (3, 3, 40)
    for lag in (0, 1, 39):
        expected = one[:, : 40000 - lag] @ other[:, lag:].T
        np.testing.assert_allclose(lagged[..., lag], expected, atol=1e-9)


def test_gram_matrix_holds_inner_products_of_delayed_channels():
    lags = 5
    signals = np.random.default_rng(0).standard_normal((2, 100))
    delayed = np.array([np.pad(signal, (lag, lags - 1 - lag)) for signal in signals for lag in range(lags)])
    gram = bss.gram_matrix(bss.correlations([signals], [signals], lags))
    np.testing.assert_allclose(gram, delayed @ delayed.T, atol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_scored_is_refused(engine):
    make = load_engine(engine)
    truth, estimates = random_track()
    prepared = make(list(truth), 8000)
    with pytest.raises(AudioError, match="2 true stems"):
        prepared.score(list(estimates[:1]))
    with pytest.raises(AudioError, match=r"\(2, samples\)"):
        prepared.score(list(estimates[:, :1]))
    estimates[0, 0, 5] = np.inf
    with pytest.raises(AudioError, match="estimate holds NaN"):
        prepared.score(list(estimates))
    with pytest.raises(AudioError, match="one shape"):
        make([truth[0], truth[1, :, 1:]], 8000)
    with pytest.raises(AudioError, match="not empty"):
        make([np.zeros((2, 0))], 8000)
    truth[0, 0, 5] = np.nan
    with pytest.raises(AudioError, match="true stem holds NaN"):
        make(list(truth), 8000)


def test_the_room_is_light_to_enter():
    heavy = "{'numpy', 'scipy', 'torch', 'musdb', 'museval', 'matplotlib'}"
    command = f"import stems.evaluate, sys; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", command], check=True)


@pytest.mark.parametrize("engine", ["stems", "quick"])
@pytest.mark.parametrize("kind", ["int16", "int32", "uint8", "bool", "complex64"])
def test_integers_are_not_scored_beside_floats(engine, kind):
    truth, _ = random_track()
    other = [(100 * stem).astype(kind) for stem in truth]
    with pytest.raises(AudioError, match=f"not as {kind}"):
        load_engine(engine)(other, 8000)
    with pytest.raises(AudioError, match=f"not as {kind}"):
        load_engine(engine)(truth, 8000).score(other)
