"""MUSDB18, MUSDB18-HQ, folders of songs and pairs of folders are found, read and scored as museval scores them."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("soundfile")

import soundfile

from stems.errors import AudioError, OptionError
from stems.evaluate.results import is_finished, load_track, result_path
from stems.evaluate.scoring import Estimator, baseline_estimator, given_estimator, pending, score_track
from stems.evaluate.tracks import STEMS, estimate_tracks, musdb_tracks, song_tracks

RATE = 44100


def write_song(folder: Path, stems=STEMS, seconds=2.0, rate=RATE, channels=2, suffix=".wav", seed=0, mixture=False):
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    samples = int(seconds * rate)
    audio = {name: 0.05 * generator.standard_normal((samples, channels)) for name in stems}
    for sounds in audio.values():
        sounds[1:] += sounds[:-1] * generator.uniform(-0.9, 0.9)
    if mixture:
        audio["mixture"] = np.sum(list(audio.values()), axis=0)
    for name, sounds in audio.items():
        soundfile.write(folder / f"{name}{suffix}", sounds, rate)
    return folder


@pytest.fixture(scope="module")
def high_quality(tmp_path_factory):
    """A folder in the shape of MUSDB18-HQ."""
    root = tmp_path_factory.mktemp("musdb18hq")
    write_song(root / "test" / "Band - Tune", stems=("drums", "vocals"), mixture=True)
    write_song(root / "train" / "Actions - One Minute Smile", mixture=True, seed=1)  # one for validation
    write_song(root / "train" / "Nobody - Nothing", mixture=True, seed=2)
    return root


def assert_scores_are_those_of_museval(track, musdb_track, folder):
    """Scores of our engine on disk against those of museval's `eval_mus_track` for the same estimates."""
    museval = pytest.importorskip("museval")
    song = track.load()
    estimates = baseline_estimator("irm")(song)
    expected = museval.eval_mus_track(musdb_track, {name: audio.T for name, audio in estimates.stems.items()})
    score_track(track, {"irm": Estimator(lambda song: estimates)}, folder)
    scores = load_track(result_path(folder, "irm", track.subset, track.name))
    targets = {target["name"]: target["frames"] for target in expected.scores["targets"]}
    assert set(scores) == set(STEMS) and len(targets) > 1
    for stem in STEMS:
        for metric, figures in scores[stem].items():
            # museval leaves out a stem that the track does not have; here it is there without figures.
            wanted = [float(frame["metrics"][metric]) for frame in targets[stem]] if stem in targets else np.nan
            np.testing.assert_allclose(figures, wanted, rtol=0, atol=0.01, err_msg=f"{stem} {metric}")


def test_without_ffmpeg_its_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OptionError, match="apt-get install ffmpeg"):
        musdb_tracks(tmp_path)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg decodes MUSDB18")
def test_the_excerpt_of_musdb_scores_as_in_museval(tmp_path):
    stempeg, musdb = pytest.importorskip("stempeg"), pytest.importorskip("musdb")
    excerpt = Path(stempeg.example_stem_path())
    (tmp_path / "test").mkdir()
    shutil.copy(excerpt, tmp_path / "test")
    (track,) = musdb_tracks(tmp_path)
    assert track.name == excerpt.name.removesuffix(".stem.mp4")
    assert_scores_are_those_of_museval(track, musdb.DB(root=str(tmp_path), subsets="test").tracks[0], tmp_path / "out")


def test_musdb_hq_scores_as_in_museval(high_quality, tmp_path):
    musdb = pytest.importorskip("musdb")
    (track,) = musdb_tracks(high_quality)
    reference = musdb.DB(root=str(high_quality), subsets="test", is_wav=True).tracks[0]
    assert_scores_are_those_of_museval(track, reference, tmp_path)


def test_subsets_of_musdb(high_quality):
    pytest.importorskip("musdb")
    assert [track.name for track in musdb_tracks(high_quality, "test")] == ["Band - Tune"]
    assert len(musdb_tracks(high_quality, "train")) == 2
    assert [track.name for track in musdb_tracks(high_quality, "valid")] == ["Actions - One Minute Smile"]
    with pytest.raises(OptionError, match="test, train, valid"):
        musdb_tracks(high_quality, "all")
    with pytest.raises(OptionError, match="train"):
        musdb_tracks(high_quality / "test")


def test_tracks_of_musdb_go_to_other_processes(high_quality):
    pytest.importorskip("musdb")
    (track,) = pickle.loads(pickle.dumps(musdb_tracks(high_quality)))
    song = track.load()
    np.testing.assert_allclose(sum(song.stems.values()), song.mixture, atol=1e-3)
    assert song.mixture.dtype == np.float32 and song.mixture.shape == (2, 2 * RATE)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_songs_are_found_in_any_folder(tmp_path, suffix):
    write_song(tmp_path / "album" / "one", suffix=suffix)
    write_song(tmp_path / "two", stems=("vocals", "drums"), suffix=suffix, rate=48000, channels=1)
    (tmp_path / "notes").mkdir()
    one, two = song_tracks(tmp_path)
    assert (one.name, two.name) == ("album - one", "two")
    song = two.load()
    assert (song.sample_rate, song.mixture.shape) == (48000, (1, 96000))
    assert tuple(song.stems) == STEMS
    assert not song.stems["bass"].any()
    np.testing.assert_allclose(song.mixture, song.stems["vocals"] + song.stems["drums"], atol=1e-6)


def test_lossy_stems_have_the_precision_of_16_bits(tmp_path):
    (track,) = song_tracks(write_song(tmp_path / "song", suffix=".ogg"))
    steps = track.load().stems["drums"] * 32768
    assert (steps == np.round(steps)).all()


def test_stems_of_different_length_and_width_are_fitted(tmp_path):
    folder = write_song(tmp_path / "song")
    soundfile.write(folder / "bass.wav", np.full(1000, 0.5), RATE)
    song = song_tracks(folder)[0].load()
    assert song_tracks(folder)[0].name == "song"
    assert song.stems["bass"].shape == song.mixture.shape
    assert (song.stems["bass"][:, :1000] == 0.5).all() and not song.stems["bass"][:, 1000:].any()


def test_folders_that_cannot_be_scored_say_why(tmp_path):
    with pytest.raises(OptionError, match="no song"):
        song_tracks(tmp_path)
    folder = write_song(tmp_path / "song")
    soundfile.write(folder / "bass.wav", np.zeros(1000), 48000)
    with pytest.raises(AudioError, match="several sample rates"):
        song_tracks(tmp_path)[0].load()
    (folder / "bass.wav").write_bytes(b"not audio")
    with pytest.raises(AudioError, match=r"bass\.wav is not audio"):
        song_tracks(tmp_path)[0].load()
    soundfile.write(folder / "bass.wav", np.zeros((1000, 3)), RATE)
    with pytest.raises(AudioError, match="channels"):
        song_tracks(tmp_path)[0].load()
    soundfile.write(folder / "bass.wav", np.zeros((0, 2)), RATE)
    with pytest.raises(AudioError, match="holds no samples"):
        song_tracks(tmp_path)[0].load()


@pytest.mark.parametrize("depth", [0, 1])
def test_estimates_are_matched_to_references(tmp_path, depth):
    names = ("piano", "strings", "voice")
    inner = Path(*["album"] * depth)
    truth = write_song(tmp_path / "truth" / inner / "song", names)
    guess = write_song(tmp_path / "guess" / inner / "song", names)
    (guess / "piano.wav").unlink()
    pairs = estimate_tracks(truth, guess) if depth == 0 else estimate_tracks(tmp_path / "truth", tmp_path / "guess")
    assert [track.name for track in pairs] == ["album - song" if depth else "song"]
    song = pairs[0].load()
    estimates = pairs[0].load_estimates(song)
    assert tuple(estimates) == tuple(song.stems) == names
    assert not estimates["piano"].any()
    np.testing.assert_array_equal(estimates["voice"], song.stems["voice"])
    with pytest.raises(OptionError, match="No stem"):
        estimate_tracks(truth, tmp_path)
    soundfile.write(guess / "voice.wav", np.zeros(1000), 48000)
    with pytest.raises(AudioError, match="resample"):
        pairs[0].load_estimates(song)


@pytest.mark.parametrize("name", ["vox [lead]", "a**b", "what?", "[!x]", "*"])
def test_names_are_never_patterns(tmp_path, name):
    write_song(tmp_path / "truth [1]*", (name, "drums"))
    write_song(tmp_path / "guess", (name, "drums", "vox l", "ab", "whats"))
    (track,) = estimate_tracks(tmp_path / "truth [1]*", tmp_path / "guess")
    song = track.load()
    assert tuple(song.stems) == tuple(sorted((name, "drums")))
    for stem, audio in track.load_estimates(song).items():
        np.testing.assert_array_equal(audio, soundfile.read(tmp_path / "guess" / f"{stem}.wav", dtype="float32")[0].T)
        assert audio.any()


@pytest.mark.parametrize("called", ["accompaniment", "no_vocals", "no-vocals", "instrumental"])
@pytest.mark.parametrize("truth", [("vocals", "accompaniment"), STEMS, (*STEMS, "accompaniment", "mixture")])
def test_two_stems_are_scored_as_two(tmp_path, called, truth):
    write_song(tmp_path / "truth", truth)
    write_song(tmp_path / "guess", ("vocals", called))
    (track,) = estimate_tracks(tmp_path / "truth", tmp_path / "guess")
    song = track.load()
    assert tuple(song.stems) == ("accompaniment", "vocals")
    files = {path.stem: soundfile.read(path, dtype="float32")[0].T for path in (tmp_path / "truth").iterdir()}
    parts = [files[name] for name in truth if name not in ("vocals", "accompaniment", "mixture")]
    whole = files["accompaniment"] if "accompaniment" in truth else sum(parts)
    np.testing.assert_allclose(song.stems["accompaniment"], whole, atol=1e-6)
    estimates = track.load_estimates(song)
    assert tuple(estimates) == ("accompaniment", "vocals") and estimates["accompaniment"].any()


def test_four_stems_beside_an_accompaniment_are_four(tmp_path):
    write_song(tmp_path / "truth", (*STEMS, "accompaniment"))
    write_song(tmp_path / "guess", (*STEMS, "accompaniment"))
    (track,) = estimate_tracks(tmp_path / "truth", tmp_path / "guess")
    assert set(track.load().stems) == set(STEMS)


def test_runs_resume(tmp_path):
    (track,) = song_tracks(write_song(tmp_path / "song", rate=8000))
    baselines = {name: baseline_estimator(name) for name in ("mixture", "ibm")}
    out = tmp_path / "out"
    assert score_track(track, {"mixture": baselines["mixture"]}, out, "quick").keys() == {"mixture"}
    assert pending(track, baselines, out, "quick").keys() == {"ibm"}
    assert pending(track, baselines, out, "stems").keys() == {"mixture", "ibm"}
    assert score_track(track, baselines, out, "quick").keys() == {"ibm"}
    shutil.rmtree(tmp_path / "song")
    assert score_track(track, baselines, out, "quick") == {}


def test_what_was_scored_is_kept_when_a_later_method_fails(tmp_path):
    def broken(song):
        raise RuntimeError("no separator")

    (track,) = song_tracks(write_song(tmp_path / "song", rate=8000))
    with pytest.raises(RuntimeError, match="no separator"):
        score_track(
            track, {"mixture": baseline_estimator("mixture"), "broken": Estimator(broken)}, tmp_path / "out", "quick"
        )
    assert is_finished(result_path(tmp_path / "out", "mixture", "test", "song"), "quick")
    assert not (tmp_path / "out" / "broken").exists()


def test_a_song_with_a_silent_stem_is_scored_and_says_so(tmp_path):
    (track,) = song_tracks(write_song(tmp_path / "song", stems=("drums", "vocals"), rate=8000))
    scores = score_track(track, {"irm": baseline_estimator("irm")}, tmp_path / "out")["irm"]
    silent = [name in ("bass", "other") for name in STEMS]
    assert np.isnan(scores["SDR"]).all(axis=1).tolist() == silent
    assert np.isfinite(scores["SIR"][~np.array(silent)]).all()


def test_an_unknown_baseline_is_refused():
    with pytest.raises(OptionError, match="mixture, ibm, irm, mwf"):
        baseline_estimator("magic")


@pytest.mark.parametrize("suffix", [".aiff", ".caf", ".w64", ".flac", ".ogg"])
def test_stems_are_read_in_whatever_format_they_are(tmp_path, suffix):
    folder = write_song(tmp_path / "song")
    (folder / "bass.wav").unlink()
    soundfile.write(folder / f"bass{suffix}", np.full(4000, 0.5), RATE)
    song = song_tracks(folder)[0].load()
    assert np.abs(song.stems["bass"][:, 1000:3000] - 0.5).max() < (0.1 if suffix == ".ogg" else 1e-4)


def test_of_one_stem_in_two_formats_the_exact_one_is_read(tmp_path):
    folder = write_song(tmp_path / "song")
    soundfile.write(folder / "bass.ogg", np.zeros(4000), RATE)
    soundfile.write(folder / "bass.wav", np.full(4000, 0.5), RATE)
    assert song_tracks(folder)[0].load().stems["bass"].max() > 0.49


def test_songs_whose_scores_would_replace_each_other_are_refused(tmp_path):
    for root in ("songs", "guesses"):
        write_song(tmp_path / root / "Band - Tune")
        write_song(tmp_path / root / "Band" / "Tune")
    with pytest.raises(OptionError, match="'Band - Tune': rename"):
        song_tracks(tmp_path / "songs")
    with pytest.raises(OptionError, match="'Band - Tune': rename"):
        estimate_tracks(tmp_path / "songs", tmp_path / "guesses")


def test_a_damaged_track_of_musdb_is_one_sentence(tmp_path):
    folder = write_song(tmp_path / "test" / "Band - Tune", mixture=True)
    (tmp_path / "train").mkdir()
    (track,) = musdb_tracks(tmp_path)
    (folder / "bass.wav").write_bytes(b"RIFFxxxx")
    with pytest.raises(AudioError, match=r"^Band - Tune cannot be read by musdb \(.*\): download") as failure:
        track.load()
    assert "\n" not in str(failure.value)


def test_estimates_that_are_gone_are_named(tmp_path):
    write_song(tmp_path / "true" / "song")
    guesses = write_song(tmp_path / "guesses" / "song", seed=1)
    (track,) = estimate_tracks(tmp_path / "true", tmp_path / "guesses")
    (guesses / "bass.wav").unlink()
    with pytest.raises(AudioError, match=r"bass\.wav cannot be read"):
        score_track(track, {"guesses": given_estimator(track)}, tmp_path / "out", "quick")
