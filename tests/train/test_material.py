import json

import numpy as np
import pytest
import soundfile

from stems.card import STEMS
from stems.errors import RecipeError
from stems.train.material import find_recordings, find_tracks, recording


def test_a_recording_is_decoded_once_and_read_anywhere(tmp_path):
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (5000, 2))
    soundfile.write(tmp_path / "a.wav", audio, 44100, subtype="FLOAT")
    kept = recording(tmp_path / "a.wav", tmp_path / "cache")
    assert len(kept) == 5000
    np.testing.assert_allclose(kept.excerpt(1000, 50), audio[1000:1050].T, atol=1e-4)
    beyond = kept.excerpt(4990, 30)
    assert beyond.shape == (2, 30) and not beyond[:, 10:].any() and beyond[:, :10].any()
    before = kept.excerpt(-10, 30)
    assert not before[:, :10].any()
    np.testing.assert_allclose(before[:, 10:], audio[:20].T, atol=1e-4)
    changed = kept.cache.stat().st_mtime_ns
    assert len(recording(tmp_path / "a.wav", tmp_path / "cache")) == 5000
    assert kept.cache.stat().st_mtime_ns == changed


def test_a_changed_file_is_decoded_anew(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((100, 2)), 44100)
    first = recording(tmp_path / "a.wav", tmp_path / "cache")
    soundfile.write(tmp_path / "a.wav", np.zeros((200, 2)), 44100)
    assert recording(tmp_path / "a.wav", tmp_path / "cache").cache != first.cache


@pytest.mark.parametrize("rate", [22050, 32000, 48000])
def test_other_rates_keep_their_pitch_and_length(tmp_path, rate):
    time = np.arange(rate) / rate
    soundfile.write(tmp_path / "a.flac", 0.5 * np.sin(2 * np.pi * 1000 * time), rate)
    kept = recording(tmp_path / "a.flac", tmp_path / "cache").excerpt(0, 44100)
    spectrum = np.abs(np.fft.rfft(kept[0]))
    assert abs(len(recording(tmp_path / "a.flac", tmp_path / "cache")) - 44100) <= 1
    assert np.argmax(spectrum) == 1000


def test_songs_are_found_with_the_stems_they_have(material, tmp_path):
    place = tmp_path / "songs" / "half"
    place.mkdir(parents=True)
    soundfile.write(place / "drums.wav", np.ones((100, 2)) * 0.1, 44100)
    soundfile.write(place / "notes.wav", np.ones((100, 2)) * 0.1, 44100)
    (half,) = find_tracks(tmp_path / "songs", tmp_path / "cache")
    assert set(half.stems) == {"drums"} and half.merged == () and len(half) == 100
    assert len(find_tracks(material / "songs", tmp_path / "cache")) == 3


def test_a_bass_line_in_other_is_merged_with_it(tmp_path):
    place = tmp_path / "song"
    place.mkdir()
    soundfile.write(place / "other.wav", np.ones((100, 2)) * 0.1, 44100)
    about = {"absent": ["bass"], "stems": {"other": {"energy_below_150_hz": 0.4}}}
    (place / "song.json").write_text(json.dumps(about))
    assert find_tracks(tmp_path, tmp_path / "cache")[0].merged == ("bass",)
    about["stems"]["other"]["energy_below_150_hz"] = 0.01
    (place / "song.json").write_text(json.dumps(about))
    assert find_tracks(tmp_path, tmp_path / "cache")[0].merged == ()


def test_of_a_song_with_an_accompaniment_only_vocals_are_known_apart(tmp_path):
    def files(*names):
        for name in names:
            (tmp_path / "songs/one").mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / f"songs/one/{name}.wav", np.ones((100, 2)) * 0.1, 44100)
        (song,) = find_tracks(tmp_path / "songs", tmp_path / "cache")
        return {name: kept.path.stem for name, kept in song.stems.items()}, song.merged, song.is_accompanied

    assert files("accompaniment") == ({"other": "accompaniment"}, ("drums", "bass"), True)
    both = {"vocals": "vocals", "other": "accompaniment"}
    assert files("vocals") == files("drums") == (both, ("drums", "bass"), True)
    assert files("bass", "other") == ({name: name for name in STEMS}, (), False)


def test_empty_folders_and_broken_files_are_named(tmp_path):
    with pytest.raises(RecipeError, match="holds no song"):
        find_tracks(tmp_path, tmp_path / "cache")
    with pytest.raises(RecipeError, match="holds no audio"):
        find_recordings(tmp_path, tmp_path / "cache")
    (tmp_path / "broken.wav").write_bytes(b"not audio at all")
    with pytest.raises(RecipeError, match=r"broken\.wav is not audio.*Training data must be whole"):
        find_recordings(tmp_path, tmp_path / "cache")[0].samples()
