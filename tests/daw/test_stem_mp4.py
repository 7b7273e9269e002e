from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from split_songs import ODD_NAMES

from stems.daw import stem_mp4
from stems.daw.colours import PALETTE
from stems.daw.session import session_in
from stems.errors import ExportError
from stems.files.audio import open_song

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg is not installed"
)


def read(path: Path) -> tuple[npt.NDArray[np.float64], int]:
    """Return `(streams, samples, channels)` and the rate, as stempeg decodes them."""
    stempeg = pytest.importorskip("stempeg")
    return stempeg.read_stems(str(path))  # type: ignore[no-any-return]


def probe(path: Path) -> list[dict[str, Any]]:
    command = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", f"file:{path}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["streams"]  # type: ignore[no-any-return]


def manifest(path: Path) -> dict[str, Any]:
    """Read the `stem` box independently of the code that wrote it."""
    moov = path.read_bytes().split(b"moov", 1)[1]
    udta = moov.split(b"udta", 1)[1]
    head, body = udta.split(b"stem{", 1)
    size = int.from_bytes(head[-4:], "big")
    return json.loads(b"{" + body[: size - 9])  # type: ignore[no-any-return]


def lag(found: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> int:
    """Return by how many samples `found` comes later than `expected`."""
    size = 2 * max(len(found), len(expected))
    product = np.fft.rfft(found, size) * np.conj(np.fft.rfft(expected, size))
    peak = int(np.argmax(np.fft.irfft(product, size)))
    return peak if peak < size // 2 else peak - size


@needs_ffmpeg
@pytest.mark.parametrize(
    ("codec", "rate", "channels", "samples"),
    [("aac", 44_100, 2, 20_011), ("aac", 48_000, 1, 20_480), ("alac", 44_100, 2, 20_011), ("alac", 48_000, 1, 700)],
)
def test_streams_are_the_mixture_and_its_stems_in_place(
    make_split: Callable, tmp_path: Path, codec: str, rate: int, channels: int, samples: int
) -> None:
    split = make_split(rate=rate, channels=channels, samples=samples)
    stem_mp4.write(session_in(split.folder, split.song), tmp_path / "song.stem.mp4", codec)
    streams, found_rate = read(tmp_path / "song.stem.mp4")
    assert found_rate == rate
    expected = [split.mixture, *(split.stems[name] for name in ("drums", "bass", "other", "vocals"))]
    assert streams.shape == (5, streams.shape[1], 2)
    for stream, samples_of_stem in zip(streams, expected, strict=True):
        both = np.broadcast_to(samples_of_stem, (samples, 2))
        if codec == "alac":
            np.testing.assert_allclose(stream[:samples], both, atol=2**-22)
        else:
            assert lag(stream[:, 0], both[:, 0]) == 0
            assert np.corrcoef(stream[:samples, 1], both[:, 1])[0, 1] > 0.7  # white noise is the coder's worst case
    for stream_description in probe(tmp_path / "song.stem.mp4"):
        assert stream_description["duration_ts"] == samples
        assert stream_description["start_pts"] == 0


@needs_ffmpeg
@pytest.mark.parametrize(("rate", "played_at"), [(88_200, 44_100), (192_000, 48_000), (32_000, 32_000)])
def test_rates_that_decks_do_not_play_are_converted_in_place(
    make_split: Callable, tmp_path: Path, rate: int, played_at: int
) -> None:
    split = make_split(rate=rate, samples=50_000)
    clicks = np.zeros((50_000, 2))
    clicks[40_000] = 0.5
    for path in [*split.folder.iterdir(), split.song]:
        soundfile.write(path, clicks, rate, subtype="PCM_24")
    stem_mp4.write(session_in(split.folder, split.song), tmp_path / "song.stem.mp4", "alac")
    streams, found_rate = read(tmp_path / "song.stem.mp4")
    assert found_rate == played_at
    assert np.argmax(np.abs(streams[:, :, 0]), axis=1).tolist() == [40_000 * played_at // rate] * 5


@needs_ffmpeg
def test_without_a_mixture_the_stems_are_added_up(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    stem_mp4.write(session_in(split.folder), tmp_path / "song.stem.mp4", "alac")
    streams, _ = read(tmp_path / "song.stem.mp4")
    np.testing.assert_allclose(streams[0, :20_011], split.mixture, atol=2**-20)


@needs_ffmpeg
def test_missing_stems_are_silent(make_split: Callable, tmp_path: Path) -> None:
    split = make_split(["vocals", "backing"])
    stem_mp4.write(session_in(split.folder, split.song), tmp_path / "song.stem.mp4", "alac")
    streams, _ = read(tmp_path / "song.stem.mp4")
    np.testing.assert_allclose(streams[1, :20_011], split.stems["vocals"], atol=2**-22)
    assert not streams[3:].any()
    assert [stem["name"] for stem in manifest(tmp_path / "song.stem.mp4")["stems"]] == ["vocals", "backing", "", ""]


@needs_ffmpeg
def test_the_box_names_and_colours_the_stems_and_leaves_the_sound_alone(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    stem_mp4.write(session_in(split.folder, split.song), tmp_path / "song.stem.mp4")
    found = manifest(tmp_path / "song.stem.mp4")
    assert found["version"] == 1
    assert {stem["name"]: stem["color"] for stem in found["stems"]} == PALETTE
    assert [stem["name"] for stem in found["stems"]] == ["drums", "bass", "other", "vocals"]
    assert not found["mastering_dsp"]["compressor"]["enabled"]
    assert not found["mastering_dsp"]["limiter"]["enabled"]
    stempeg = pytest.importorskip("stempeg")
    example = next((Path(stempeg.__file__).parent / "data").glob("*.stem.mp4"))  # made by the format's inventors
    assert found.keys() == manifest(example).keys()
    for part, settings in manifest(example)["mastering_dsp"].items():
        assert found["mastering_dsp"][part].keys() == settings.keys()


@needs_ffmpeg
def test_ordinary_players_play_the_mixture(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    session = replace(session_in(split.folder, split.song), tempo_bpm=97.6, tags={"artist": "Ä & B", "year": "1999"})
    stem_mp4.write(session, tmp_path / "song.stem.mp4")
    streams = probe(tmp_path / "song.stem.mp4")
    assert [stream["disposition"]["default"] for stream in streams] == [1, 0, 0, 0, 0]
    assert [stream["tags"]["handler_name"] for stream in streams] == ["mixture", "drums", "bass", "other", "vocals"]
    mutagen_mp4 = pytest.importorskip("mutagen.mp4")
    tags = mutagen_mp4.MP4(tmp_path / "song.stem.mp4").tags
    assert (tags["\xa9nam"], tags["\xa9ART"], tags["\xa9day"], tags["tmpo"]) == (["song"], ["Ä & B"], ["1999"], [98])
    content = (tmp_path / "song.stem.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@needs_ffmpeg
def test_odd_names_survive(make_split: Callable) -> None:
    names = [*ODD_NAMES, "-i", "http:__x", "a=b:c;[d]", "Kick", "kick"]
    for some in (names[0:4], names[4:8], names[8:12]):
        split = make_split(some, song=some[-1])
        stem_mp4.write(session_in(split.folder, split.song), split.folder / "out.stem.mp4")
        assert {stem["name"] for stem in manifest(split.folder / "out.stem.mp4")["stems"]} == set(some)
        handlers = [stream["tags"]["handler_name"] for stream in probe(split.folder / "out.stem.mp4")]
        assert set(handlers) == {"mixture", *some}


def test_five_stems_are_refused(make_split: Callable, tmp_path: Path) -> None:
    session = session_in(make_split(["drums", "bass", "other", "vocals", "piano"]).folder)
    with pytest.raises(ExportError, match="piano"):
        stem_mp4.write(session, tmp_path / "song.stem.mp4")


@pytest.mark.parametrize(("codec", "most"), [("aac", 1.5), ("alac", 1.5), ("alac", 0.5)])
def test_what_integers_clip_is_said(make_split: Callable, tmp_path: Path, codec: str, most: float) -> None:
    split = make_split()
    audio = split.stems["drums"] / np.abs(split.stems["drums"]).max() * most
    soundfile.write(split.folder / "drums.wav", audio, split.rate, subtype="FLOAT")
    said = stem_mp4.write(replace(session_in(split.folder), mixture=None), tmp_path / "song.stem.mp4", codec)
    clipped = int((np.abs(audio) > 1).sum())
    if codec == "alac" and clipped:
        assert said.startswith("song.stem.mp4 has ") and said.endswith(" samples above full scale, which it clips.")
        assert clipped <= int(said.split()[2]) <= 3 * clipped  # the sum of the stems, in front of them, is as loud
    else:
        assert said == ""


def test_surround_is_refused(make_split: Callable, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="stereo"):
        stem_mp4.write(session_in(make_split(channels=6).folder), tmp_path / "song.stem.mp4")


def test_no_ffmpeg_is_needed(make_split: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    split = make_split()
    stem_mp4.write(session_in(split.folder, split.song), tmp_path / "song.stem.mp4", "alac")
    with open_song(tmp_path / "song.stem.mp4") as song:
        np.testing.assert_allclose(song.read_exact(0, song.samples), split.mixture.T, atol=2**-22)


def test_a_stem_that_cannot_be_read_leaves_nothing(make_split: Callable, tmp_path: Path) -> None:
    session = session_in(make_split().folder)
    session.tracks[0].path.write_bytes(b"no longer audio")
    with pytest.raises(ExportError, match=r"song\.stem\.mp4 cannot be written: .* is not audio"):
        stem_mp4.write(session, tmp_path / "out" / "song.stem.mp4")
    assert list((tmp_path / "out").iterdir()) == []


@needs_ffmpeg
def test_music_keeps_its_place_and_sound(tmp_path: Path) -> None:
    """The format's own example, decoded and written anew."""
    stempeg = pytest.importorskip("stempeg")
    example = next((Path(stempeg.__file__).parent / "data").glob("*.stem.mp4"))
    streams, rate = read(example)
    streams = streams[:, : 3 * rate]
    for name, samples in zip(("mixture", "drums", "bass", "other", "vocals"), streams, strict=True):
        (tmp_path / "song").mkdir(exist_ok=True)
        soundfile.write(tmp_path / "song" / f"{name}.wav", samples, rate, subtype="PCM_24")
    stem_mp4.write(session_in(tmp_path / "song"), tmp_path / "song.stem.mp4")
    found, _ = read(tmp_path / "song.stem.mp4")
    for stream, samples in zip(found[:, : 3 * rate], streams, strict=True):
        if samples.any():
            assert lag(stream[:, 0], samples[:, 0]) == 0
            error = np.sum((stream - samples) ** 2) / np.sum(samples**2)
            assert 10 * np.log10(error) < -15
