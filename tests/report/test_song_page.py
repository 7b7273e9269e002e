"""The page about a song: what it is made of, what it shows, and when it is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from stems.cli.report import report
from stems.daw.colours import colour_of
from stems.errors import AudioError, OptionError
from stems.files.audio import open_song
from stems.report import figures
from stems.report import song as song_room
from stems.report.listening import LARGEST_AUDIO, Listening, bit_rate_for
from stems.report.song import song_report
from stems.report.source import open_source
from stems.separator import Separator

RATE = 22050
STEMS = ("drums", "bass", "vocals", "other")


def run(*arguments):
    app = typer.Typer()
    app.command()(report)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_split(folder: Path, names=STEMS, suffix=".wav", channels=2, seconds=3.0, rate=RATE) -> Path:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in names:
        audio = generator.uniform(-0.2, 0.2, (int(seconds * rate), channels))
        soundfile.write(folder / f"{name}{suffix}", audio, rate)
    return folder


def stems_on(page: Path) -> list[str]:
    return re.findall(r'data-stem="([^"]*)"', page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_songs_of_any_rate_and_width_get_a_page(tmp_path, small_weights, rate, channels):
    song = write_split(tmp_path / "album", ["My <song> & me"], ".flac", channels, 2.0, rate) / "My <song> & me.flac"
    result = run(song, "--out", tmp_path / "page.html", "--model", small_weights)
    assert result.exit_code == 0, result.output
    assert stems_on(tmp_path / "page.html") == list(STEMS)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>My &lt;song&gt; &amp; me</h1>" in text and "My <song>" not in text
    assert f"{rate / 1000:g} kHz · {'mono' if channels == 1 else 'stereo'}" in text
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["page.html"]


def test_a_page_asks_for_nothing_from_elsewhere(tmp_path, small_weights):
    run(write_split(tmp_path / "song"), "--out", tmp_path / "page.html", "--model", small_weights)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    addresses = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]*)|url\(([^)]*)\)""", text)
    assert addresses
    assert all(address.startswith("data:") for pair in addresses for address in pair if address)
    assert "http" not in text and "@import" not in text


def test_hints_are_outlined_and_the_map_is_shown_before_and_after(tmp_path, small_model):
    folder = write_split(tmp_path / "song")
    hints = ["vocals=0:00.5-0:01.5", "banjo=0:02-0:03@100-2000Hz"]
    pages = []
    for given in ([], hints):
        with open_source(folder) as source:
            pages.append(song_report(source, Separator(small_model, hints=given)))
    plain, hinted = pages
    assert "<figcaption>" not in plain and 'class="told"' not in plain
    assert hinted.count("<figcaption>") == 2 and hinted.count('class="told"') == 2
    assert 'title="banjo=0:02-0:03@100-2000Hz"' in hinted and "left: 66.67%; width: 33.33%" in hinted
    maps = re.findall(r"<figure>.*?</figure>", hinted, re.DOTALL)
    assert [figure.count('class="centroid"') for figure in maps] == [4, 5]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_stems_made_earlier_are_played_and_their_sum_is_looked_into(tmp_path, small_model, suffix):
    folder = write_split(tmp_path / "Tune", ("vocals", "band", "drums"), suffix)
    separator = Separator(small_model)
    with open_source(folder) as source:
        assert source.name == "Tune"
        assert list(source.stems) == ["drums", "vocals", "band"]
        whole = sum(soundfile.read(folder / f"{name}{suffix}")[0] for name in source.stems).T
        read = source.song.read(0, source.song.samples)
        np.testing.assert_allclose(read, whole, atol=1e-6)
        by_sum = song_report(source, separator)
    soundfile.write(tmp_path / "whole.wav", read.T, RATE, subtype="FLOAT")
    with open_source(folder, tmp_path / "whole.wav") as source:
        assert source.name == "whole"
        by_song = song_report(source, separator)
    assert by_sum.replace("Tune", "whole") == by_song


@pytest.mark.parametrize("name", ["mixture", "song mixture"])  # as projects of REAPER have it beside them
def test_a_mixture_in_the_folder_is_the_song(tmp_path, name):
    folder = write_split(tmp_path / "song", ("vocals", name))
    with open_source(folder) as source:
        assert list(source.stems) == ["vocals"]
        assert source.song.path == folder / f"{name}.wav"
    shutil.copy(folder / f"{name}.wav", tmp_path / "original.wav")
    with open_source(folder, tmp_path / "original.wav") as source:
        assert list(source.stems) == ["vocals"]


@pytest.mark.parametrize("stems", [("drums", "bass", "vocals"), ("vocals",)])
def test_stems_that_do_not_sound_in_the_song_are_said_to(tmp_path, small_weights, stems):
    folder = write_split(tmp_path / "stems", stems)
    audio = sum(soundfile.read(folder / f"{name}.wav")[0] for name in stems)
    more = np.random.default_rng(1).uniform(-0.5, 0.5, audio.shape)
    soundfile.write(tmp_path / "their.wav", 0.5 * audio + more, RATE)  # louder than these stems, as other ones make it
    soundfile.write(tmp_path / "another.wav", more, RATE)
    said = {
        song: run(folder, "--song", tmp_path / f"{song}.wav", "--out", tmp_path / song, "--model", small_weights).output
        for song in ("their", "another")
    }
    assert "do not sound in" not in said["their"]
    assert f"do not sound in {tmp_path / 'another.wav'}: --song names" in said["another"].replace("\n", " ")


def test_a_sum_beside_the_stems_is_none_of_them(tmp_path):
    folder = write_split(tmp_path / "song", ("drums", "bass", "other", "vocals"))
    parts = [soundfile.read(folder / f"{name}.wav")[0] for name in ("drums", "bass", "other")]
    soundfile.write(folder / "karaoke.wav", sum(parts), RATE, subtype="FLOAT")
    with open_source(folder) as source:
        assert list(source.stems) == ["drums", "bass", "other", "vocals"] and source.left_out == ["karaoke"]
        whole = sum(soundfile.read(folder / f"{name}.wav")[0] for name in source.stems).T
        np.testing.assert_allclose(source.song.read(0, source.song.samples), whole, atol=1e-6)


def test_a_song_that_lies_among_its_stems_is_none_of_them(tmp_path):
    folder = write_split(tmp_path / "song", ("vocals", "drums", "tune"))
    with open_source(folder, folder / "tune.wav") as source:
        assert list(source.stems) == ["drums", "vocals"]


def test_what_a_page_cannot_be_made_of_is_refused(tmp_path, small_weights, monkeypatch):
    def refusal(*arguments, kind=OptionError):
        result = run(*arguments, "--model", small_weights)
        assert isinstance(result.exception, kind), result.output
        return str(result.exception)

    folder = write_split(tmp_path / "song")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert "holds no stems" in refusal(tmp_path / "empty")
    assert "holds one stem" in refusal(write_split(tmp_path / "one", ["vocals"]))
    assert "leave it out" in refusal(folder / "bass.wav", "--song", folder / "bass.wav")
    assert "does not exist" in refusal(tmp_path / "nowhere.wav", kind=AudioError)
    assert "is a folder" in refusal(folder / "bass.wav", "--out", tmp_path)
    short = write_split(tmp_path / "short", ["tune"], seconds=2.0) / "tune.wav"
    assert "is not as long as" in refusal(folder, "--song", short, kind=AudioError)
    mono = write_split(tmp_path / "mono", ["tune"], channels=1) / "tune.wav"
    assert "not as many channels" in refusal(folder, "--song", mono, kind=AudioError)
    monkeypatch.setattr(song_room, "LONGEST_MINUTES", 0.01)
    assert "longer than" in refusal(folder)
    assert not list(tmp_path.glob("*.html"))


def test_an_earlier_page_is_kept_unless_told_otherwise(tmp_path, small_weights, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_split(tmp_path / "songs" / "Tune")
    page = tmp_path / "Tune.html"
    page.write_text("mine")
    assert "--overwrite" in str(run(folder, "--model", small_weights).exception)
    assert page.read_text() == "mine"
    assert run(folder, "--model", small_weights, "--overwrite").exit_code == 0
    assert sorted(stems_on(page)) == sorted(STEMS)


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 192000])
def test_what_is_heard_is_the_stem(tmp_path, rate):
    time = np.arange(4 * rate) / rate
    tone = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), np.zeros_like(time)]).astype(np.float32)
    listening = Listening(rate, 2, tone.shape[1], 128)
    for start in range(0, tone.shape[1], 10_001):
        listening.write(tone[:, start : start + 10_001])
    (tmp_path / "stem.opus").write_bytes(listening.finish())
    with open_song(tmp_path / "stem.opus") as song:
        heard = song.read(0, song.samples).T
    assert song.format.sample_rate == 48000
    assert len(heard) == pytest.approx(4 * 48000, abs=1000)  # a frame of the codec
    spectrum = np.abs(np.fft.rfft(heard[: 4 * 48000, 0]))
    assert abs(np.argmax(spectrum) / 4 - 440) < 1
    assert np.abs(heard[:, 1]).max() < 0.01
    np.testing.assert_allclose(listening.peaks, 0.5, atol=0.02)


def test_pages_stay_small_enough_to_send():
    for minutes in (1, 4, 7):
        assert 4 * minutes * 60 * bit_rate_for(minutes * 60, 4) * 1000 / 8 <= LARGEST_AUDIO
    assert bit_rate_for(30, 4) == 96 and bit_rate_for(240, 4) == 60


def picture(content: bytes) -> np.ndarray:
    """(rows, columns, 4), 0 to 255."""
    import io

    from matplotlib.image import imread

    return np.round(255 * imread(io.BytesIO(content), format="png"))


def test_a_spectrogram_has_the_colour_of_the_stem_that_gets_a_cell_and_low_notes_at_the_bottom():
    colours = [colour_of("drums"), colour_of("bass")]
    levels = np.zeros((3, 2))  # frames, bands
    levels[2] = -100
    shares = np.zeros((3, 2, 2))
    shares[:, 0, 1] = shares[:, 1, 0] = 1  # bass has the low band, drums the high one
    shares[1] = 0.5
    pixels = picture(figures.spectrogram(levels, shares, colours))
    drums, bass = ([int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours)
    assert pixels.shape == (2, 3, 4)
    assert pixels[0, 0].tolist() == [*drums, 255] and pixels[1, 0].tolist() == [*bass, 255]
    np.testing.assert_allclose(pixels[0, 1, :3], np.add(drums, bass) / 2, atol=1)
    assert (pixels[:, 2, 3] == 0).all()  # silence is not drawn


def test_a_mask_is_as_strong_as_the_share():
    pixels = picture(figures.mask(np.zeros((3, 1)), np.array([[0.0], [0.5], [1.0]]), "#102030"))
    assert pixels[0, :, 3].tolist() == [0, 128, 255]
    assert (pixels[..., :3] == [0x10, 0x20, 0x30]).all()


def test_lines_have_gaps_where_figures_are_missing():
    path = figures.line(np.array([0.5, 1.5, 2.5, 3.5]), np.array([0, 1, np.nan, 0.5]), 4)
    assert path == "M125.0,1.000L375.0,0.000M875.0,0.500"


def test_the_plane_of_the_map_is_that_of_the_largest_spread():
    points = np.random.default_rng(0).standard_normal((500, 5)) * [0.1, 3, 0.1, 2, 0.1] + 7
    middle, axes = figures.plane(points)
    np.testing.assert_allclose(middle, points.mean(0))
    np.testing.assert_allclose(np.abs(axes), np.eye(5)[:, [1, 3]], atol=0.1)


def header(source_path: Path, model) -> str:
    with open_source(source_path) as source:
        text = song_report(source, Separator(model))
    return re.search(r"<header>(.*?)</header>", text, re.DOTALL)[1]


def test_the_header_has_title_and_tempo_and_marks_what_is_estimated(tmp_path, small_model, monkeypatch):
    from mutagen.flac import FLAC

    pytest.importorskip("librosa")
    audio, rate = soundfile.read(Path(__file__).parents[2] / "examples" / "song.ogg")
    for name, tags in {"told": {"title": "Anthem <live>", "artist": "Somebody", "bpm": "97.5"}, "untold": {}}.items():
        soundfile.write(tmp_path / f"{name}.flac", audio, rate)
        file = FLAC(tmp_path / f"{name}.flac")
        file.update(tags)
        file.save()
    told, untold = (header(tmp_path / f"{name}.flac", small_model) for name in ("told", "untold"))
    assert "<h1>Anthem &lt;live&gt;</h1>" in told and "Somebody · " in told and "97.5 bpm" in told
    assert "bpm (estimated)" not in told and re.search(r" · [A-G][#b]? (major|minor) \(estimated\) · ", told)
    assert "<h1>untold</h1>" in untold
    assert re.search(r" · 10[78](\.\d+)? bpm, [A-G][#b]? (major|minor) \(estimated\) · ", untold)
    monkeypatch.setattr(song_room, "is_installed", lambda: False)
    assert "estimated" not in header(tmp_path / "untold.flac", small_model)


def test_the_song_is_in_the_page_only_where_the_stems_do_not_add_up_to_it(tmp_path, small_model):
    folder = write_split(tmp_path / "Tune", ("vocals", "drums"))
    whole = sum(soundfile.read(folder / f"{name}.wav")[0] for name in ("vocals", "drums"))
    for gain, held in ((1.0, 2), (0.5, 3)):
        soundfile.write(tmp_path / "song.wav", gain * whole, RATE, subtype="FLOAT")
        with open_source(folder, tmp_path / "song.wav") as source:
            assert source.adds_up == (gain == 1)
            assert song_report(source, Separator(small_model)).count('id="audio-') == held
