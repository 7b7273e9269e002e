import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import lfilter

RECIPES = Path(__file__).parents[2] / "recipes"
RATE = 44100
SUNG = ((2.0, 6.5), (10.0, 14.0))  # seconds
NOT_KNOWN = (14.0, 30.0)  # sung by the chart, and not among the vocals
CHART = """#TITLE:A song
#BPM:{bpm}
#GAP:500
: {notes[0]} 40 3 La
- 60
* {notes[1]} 35 3 la
R {notes[2]} 155 3 la
E
"""


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    """A song of noise in which a voice of noise sings, and the vocals that a separator made of it."""
    place, rng = tmp_path_factory.mktemp("sung"), np.random.default_rng(1)
    band = rng.normal(0, 0.05, (40 * RATE, 2)).astype(np.float32)
    voice = np.zeros_like(band)
    for start, end in SUNG:
        noise = rng.normal(0, 0.01, (int((end - start) * RATE), 2))
        voice[int(start * RATE) : int(end * RATE)] = lfilter([1], [1, -0.98], noise, axis=0)
    song, other = place / "songs/Some Body - A song", place / "songs/Shearer - Can't stop it"
    song.mkdir(parents=True)
    other.mkdir()
    soundfile.write(song / "audio.flac", band + voice, RATE, subtype="PCM_24")
    soundfile.write(other / "instrumental.mp3", band, RATE)
    ticks = [int((start - 0.5) * 10) for start in (SUNG[0][0], SUNG[1][0], NOT_KNOWN[0])]
    (song / "song.txt").write_text(CHART.format(bpm="150,0", notes=ticks))
    pause = np.zeros((RATE // 4, 2), np.float32)
    phrases = [voice[int(start * RATE) : int(end * RATE)] / 2 for start, end in SUNG]
    (place / "vocals").mkdir()
    soundfile.write(place / "vocals/some-body-a-song.ogg", np.concatenate([phrases[0], pause, phrases[1]]), RATE)
    places = [f"--{name}={place / name}" for name in ("vocals", "songs", "out")]
    subprocess.run([sys.executable, RECIPES / "sung_songs.py", *places], check=True)
    return place / "out", band, voice


def test_vocals_are_put_back_where_they_were_at_their_level(laid_out):
    out, band, voice = laid_out
    vocals, _ = soundfile.read(out / "some-body-a-song-0/vocals.flac", dtype="float32")
    accompaniment, _ = soundfile.read(out / "some-body-a-song-0/accompaniment.flac", dtype="float32")
    assert abs(len(vocals) - NOT_KNOWN[0] * RATE) < RATE
    error = accompaniment - band[: len(vocals)]
    assert np.square(error).sum() < 0.05 * np.square(voice).sum()
    np.testing.assert_allclose(vocals + accompaniment, (band + voice)[: len(vocals)], atol=1e-3)


def test_what_is_sung_and_not_known_is_left_out(laid_out):
    out, band, _ = laid_out
    last, _ = soundfile.read(out / "some-body-a-song-1/accompaniment.flac", dtype="float32")
    silent, _ = soundfile.read(out / "some-body-a-song-1/vocals.flac", dtype="float32")
    assert not silent.any() and abs(len(last) - (40 - NOT_KNOWN[1]) * RATE) < 2 * RATE
    np.testing.assert_allclose(last, band[-len(last) :], atol=1e-3)
    assert {path.name for path in out.iterdir()} == {
        "some-body-a-song-0",
        "some-body-a-song-1",
        "shearer-can-t-stop-it",
    }
