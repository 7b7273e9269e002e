import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import lfilter

SCRIPT = Path(__file__).parents[2] / "recipes/sung_songs.py"
RATE, SECONDS = 44100, 75
SUNG = ((2, 6.5), (10, 14), (18, 22.5), (24, 26), (60, 64))  # the third as the first, note for note
CHARTED = (*SUNG[:4], (26, 40), (48, 49), SUNG[4])  # two more than are known: they are of another singer
CHART = "#TITLE:A song\n#BPM:150,0\n#GAP:500\n{}\nE\n"


def sung_noise(rng, seconds):
    return lfilter([1], [1, -0.98], rng.normal(0, 0.01, (int(seconds * RATE), 2)), axis=0).astype(np.float32)


def lay_out(place, chart):
    (place / "songs/Some Body - A song/song.txt").write_text(chart)
    return run(vocals=place / "vocals", songs=place / "songs", out=place / "out")


def run(**places):
    options = [f"--{name}={path}" for name, path in places.items()]
    return subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    """A song of noise in which a voice of noise sings, and its vocals at half their level, as a separator gave them."""
    place, rng = tmp_path_factory.mktemp("sung"), np.random.default_rng(1)
    band = rng.normal(0, 0.05, (SECONDS * RATE, 2)).astype(np.float32)
    voice = np.zeros_like(band)
    for start, end in SUNG:
        voice[int(start * RATE) : int(end * RATE)] = sung_noise(rng, end - start)
    voice[18 * RATE : int(22.5 * RATE)] = voice[2 * RATE : int(6.5 * RATE)]
    band[18 * RATE : int(22.5 * RATE)] *= 0.82  # so that the first phrase is rather more like the song here
    song, other = place / "songs/Some Body - A song", place / "songs/Shearer - Can't stop it"
    for folder in (song, other, place / "vocals"):
        folder.mkdir(parents=True)
    soundfile.write(song / "audio.flac", band + voice, RATE, subtype="PCM_24")
    soundfile.write(other / "instrumental.mp3", band, RATE)
    phrases = [voice[int(start * RATE) : int(end * RATE)] / 2 for start, end in SUNG]
    phrases[1:1] = [sung_noise(rng, 3) / 2]  # of another song
    phrases[-1] *= 3
    pauses = [np.pad(phrase, ((0, RATE // 4), (0, 0))) for phrase in phrases]
    soundfile.write(place / "vocals/some-body-a-song.flac", np.concatenate(pauses), RATE)
    (place / "vocals/some-body-a-song.flac").rename(place / "vocals/some-body-a-song.ogg")
    lines = [f": {(start - 0.5) * 10:.0f} {(end - start) * 10:.0f} 3 la" for start, end in CHARTED]
    done = lay_out(place, CHART.format("\n- 60\n".join(lines)))
    assert not done.returncode, done.stderr
    return place, band, voice


def piece(place, number, name):
    return soundfile.read(place / f"out/some-body-a-song-{number}/{name}.flac", dtype="float32")[0]


def test_vocals_are_put_back_where_they_were_at_their_level(laid_out):
    place, band, voice = laid_out
    vocals, accompaniment = piece(place, 0, "vocals"), piece(place, 0, "accompaniment")
    assert abs(len(vocals) - 26 * RATE) < 0.1 * RATE
    np.testing.assert_allclose(vocals, voice[: len(vocals)], atol=0.02)
    np.testing.assert_allclose(accompaniment, band[: len(vocals)], atol=0.02)
    np.testing.assert_allclose(vocals + accompaniment, (band + voice)[: len(vocals)], atol=1e-3)


def test_between_notes_of_the_chart_all_is_accompaniment(laid_out):
    place, band, _ = laid_out
    last = piece(place, 1, "accompaniment")
    assert abs(len(last) - (SECONDS - 64 - 0.8) * RATE) < 0.1 * RATE
    np.testing.assert_allclose(last, band[-len(last) :], atol=1e-3)
    assert not (place / "out/some-body-a-song-1/vocals.flac").exists()


def test_what_is_sung_and_not_known_and_short_stretches_are_left_out(laid_out):
    found = {path.name for path in (laid_out[0] / "out").iterdir()}
    assert found == {"some-body-a-song-0", "some-body-a-song-1", "shearer-can-t-stop-it"}


def test_a_song_without_its_voice_is_all_accompaniment(laid_out):
    folder = laid_out[0] / "out/shearer-can-t-stop-it"
    assert [path.name for path in folder.iterdir()] == ["accompaniment.flac"]
    assert abs(soundfile.info(folder / "accompaniment.flac").duration - SECONDS) < 0.1


@pytest.mark.parametrize(
    ("chart", "said"),
    [("#BPM:150\n#GAP:0\nE\n", "has no notes"), ("#RELATIVE:YES\n#BPM:150\n: 0 4 0 la\nE\n", "counts from line")],
)
def test_charts_that_cannot_be_read_are_named(laid_out, chart, said):
    place = laid_out[0]
    (place / "out").rename(place / "kept")
    try:
        done = lay_out(place, chart)
    finally:
        (place / "kept").rename(place / "out")
    assert done.returncode and said in done.stderr and "song.txt" in done.stderr


def test_what_is_there_already_is_left_alone(laid_out):
    done = lay_out(laid_out[0], "")
    assert done.returncode and "is there already" in done.stderr


def test_what_is_missing_is_named_before_anything_is_written(laid_out, tmp_path):
    for vocals, named in ((laid_out[0] / "vocals", "has no song for"), (tmp_path, "instrumental.mp3 cannot be read")):
        done = run(vocals=vocals, songs=tmp_path / "nowhere", out=tmp_path / "out")
        assert done.returncode and named in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "out").exists()
