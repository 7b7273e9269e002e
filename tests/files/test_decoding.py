"""Songs of every codec against ffmpeg's own decoding: as long, in time and, where the codec is exact, equal.

`STEMS_ALL_CODECS=1` tries every combination of codec, rate, channels and length instead of some of each.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stems.errors import AudioError, OptionError
from stems.files.audio import Reading, Song, open_song
from stems.files.downmix import coefficients

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, which makes the songs, is missing")

ANY = (8_000, 22_050, 44_100, 48_000, 96_000)
USUAL = (22_050, 44_100, 48_000)
LOSSLESS = {
    "alac.m4a": ("alac", ANY, "int16"),
    "alac-24.m4a": ("alac -sample_fmt s32p", ANY, "int24"),
    "flac.oga": ("flac", ANY, "int16"),
    "flac-24.oga": ("flac -sample_fmt s32", ANY, "int24"),
    "flac.mkv": ("flac", ANY, "int16"),
    "wavpack.wv": ("wavpack", ANY, "int16"),
    "wavpack-32.wv": ("wavpack -sample_fmt s32p", ANY, "int32"),
    "wavpack-float.wv": ("wavpack -sample_fmt fltp", ANY, "float32"),
    "tta.tta": ("tta", ANY, "int16"),
    "pcm.mov": ("pcm_s16be", ANY, "int16"),
    "pcm-24.mkv": ("pcm_s24le", ANY, "int24"),
    "pcm-float.mkv": ("pcm_f32le", ANY, "float32"),
    "pcm.avi": ("pcm_s16le", USUAL, "int16"),
    "pcm.au": ("pcm_s16be", ANY, "int16"),
    "pcm.w64": ("pcm_s32le", USUAL, "int32"),
    "pcm.caf": ("pcm_s24be", ANY, "int24"),
    "alac.caf": ("alac", ANY, "int16"),
}
LOSSY = {
    "aac.m4a": ("aac", USUAL),
    "aac.aac": ("aac", USUAL),
    "aac.mkv": ("aac", USUAL),
    "aac.ts": ("aac", USUAL),
    "opus.opus": ("libopus", (8_000, 48_000)),
    "opus.webm": ("libopus", (48_000,)),
    "opus.mp4": ("libopus -strict -2", (48_000,)),
    "vorbis.ogg": ("libvorbis", USUAL),
    "vorbis.webm": ("libvorbis", USUAL),
    "mp3.mp3": ("libmp3lame", (8_000, *USUAL)),
    "mp3-vbr.mp3": ("libmp3lame -q:a 2", USUAL),
    "mp3-bare.mp3": ("libmp3lame -q:a 2 -write_xing 0", USUAL),
    "mp3.avi": ("libmp3lame", (44_100,)),
    "mp2.mp2": ("mp2", (44_100, 48_000)),
    "ac3.ac3": ("ac3", (44_100, 48_000)),
    "wma.wma": ("wmav2", USUAL),
}
NO_SHORT = ("mp2.mp2", "wma.wma", "aac.aac")  # of which ffmpeg writes nothing that it reads
LENGTHS = (1_000, 44_101, 100_003)


def combinations(rates: dict[str, tuple[int, ...]]) -> list[tuple[str, int, int, int]]:
    """Every codec, at one rate, number of channels and length after the other, or at all of them."""
    every = [
        [case for case in product([name], rates[name], (1, 2), LENGTHS) if name not in NO_SHORT or case[-1] > 1_000]
        for name in rates
    ]
    if os.environ.get("STEMS_ALL_CODECS"):
        return [case for cases in every for case in cases]
    return [cases[(5 * number + step) % len(cases)] for number, cases in enumerate(every) for step in (0, 7)]


def made(path: Path, codec: str, sample_rate: int, channels: int, length: int) -> np.ndarray:
    """Writes a song by ffmpeg and returns what it was made of, (channels, samples)."""
    random = np.random.default_rng(length)
    samples = random.normal(0, 0.1, (length, channels)).cumsum(0)
    samples = np.round((samples - samples.mean(0)) / np.abs(samples).max() * 0.5 * 2**15) / 2**15
    source = path.with_name("source.wav")
    soundfile.write(source, samples, sample_rate, "PCM_16")
    ffmpeg("-i", str(source), "-c:a", *codec.split(), str(path))
    return samples.T


def ffmpeg(*arguments: str) -> bytes:
    return subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments], check=True, capture_output=True
    ).stdout


def by_ffmpeg(path: Path, channels: int) -> np.ndarray:
    """ffmpeg's own decoding, (channels, samples)."""
    content = ffmpeg("-i", str(path), "-map", "0:a:0", "-f", "f64le", "-c:a", "pcm_f64le", "-")
    return np.frombuffer(content).reshape(-1, channels).T


def whole(song: Song) -> np.ndarray:
    """A song read in blocks, (channels, samples)."""
    return np.concatenate([song.read_exact(start, 10_007) for start in range(0, song.samples, 10_007)], 1)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "sample_rate", "channels", "length"),
    combinations({name: rates for name, (_, rates, _) in LOSSLESS.items()}),
)
def test_a_lossless_song_is_read_sample_by_sample(
    tmp_path: Path, name: str, sample_rate: int, channels: int, length: int
) -> None:
    codec, _, encoding = LOSSLESS[name]
    original = made(tmp_path / name, codec, sample_rate, channels, length)
    with open_song(tmp_path / name) as song:
        assert (song.format.encoding, song.format.sample_rate, song.format.channels) == (
            encoding,
            sample_rate,
            channels,
        )
        read = whole(song)
    if name.endswith("w64"):  # in which ffmpeg counts up to 7 bytes of padding as sound
        read, padding = read[:, :length], read[:, length:]
        assert padding.shape[1] * channels * 4 < 8
        assert not padding.any()
    assert np.array_equal(read, original)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "sample_rate", "channels", "length"), combinations({name: rates for name, (_, rates) in LOSSY.items()})
)
def test_a_lossy_song_is_as_ffmpeg_decodes_it(
    tmp_path: Path, name: str, sample_rate: int, channels: int, length: int
) -> None:
    made(tmp_path / name, LOSSY[name][0], sample_rate, channels, length)
    known = by_ffmpeg(tmp_path / name, channels)
    with open_song(tmp_path / name) as song:
        read = whole(song)
        assert song.format.is_lossy
    assert read.shape[1] in (length, known.shape[1])
    both = min(read.shape[1], known.shape[1])  # ffmpeg 5.1 cuts the end of a short Vorbis too late, of others too early
    read, known = read[:, :both], known[:, :both]
    if "aac" in name:  # some of its noise is random in every decoding
        error = np.sqrt(np.mean((read - known) ** 2) / np.mean(known**2))
        assert error < 0.02
    else:
        np.testing.assert_allclose(read, known, atol=1e-4)


@needs_ffmpeg
@pytest.mark.parametrize(("name", "codec"), [("a.ogg", "libvorbis"), ("a.opus", "libopus"), ("a.oga", "flac")])
@pytest.mark.parametrize("lengths", [(48_000, 3_000), (3_000, 48_000, 20_011)])
def test_a_chain_of_oggs_is_its_links_one_after_the_other(
    tmp_path: Path, name: str, codec: str, lengths: tuple[int, ...]
) -> None:
    links, content = [], b""
    for number, length in enumerate(lengths):
        path = tmp_path / f"{number}{name}"
        made(path, codec, 48_000, 2, length)
        content += path.read_bytes()
        with open_song(path) as song:
            assert song.samples == length
            links.append(whole(song))
    chain = tmp_path / name
    chain.write_bytes(content)
    with open_song(chain) as song:
        assert song.samples == sum(lengths)
        np.testing.assert_allclose(whole(song), np.concatenate(links, 1), atol=1e-6)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["aac.m4a", "alac.m4a", "opus.opus", "opus.webm", "flac.oga", "vorbis.ogg", "wma.wma"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_song_that_is_cut_off_is_refused(tmp_path: Path, name: str, share: float) -> None:
    codec = {**LOSSLESS, **LOSSY}[name][0]
    path = tmp_path / name
    made(path, f"{codec} -movflags faststart" if name.endswith("m4a") else codec, 48_000, 2, 48_000 * 8)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(AudioError, match=r"is (cut off|damaged) after"), open_song(path) as song:
        _ = song.samples


@pytest.mark.parametrize("container", ["WAV", "RF64", "W64", "CAF", "AIFF", "OGG"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_half_a_file_is_no_whole_one(tmp_path: Path, container: str, share: float) -> None:
    path = tmp_path / "song"
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (100_000, 2))
    soundfile.write(path, samples, 44_100, format=container)
    with open_song(path) as song:
        assert song.samples == 100_000
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(AudioError, match=r"cut off after \d\.\d s"), open_song(path):
        pass


@pytest.mark.parametrize("missing", [1, 27, 300])
def test_an_ogg_cut_in_its_last_page_is_refused(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "song.ogg"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (100_000, 2)), 44_100)
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(AudioError, match="cut off"), open_song(path):
        pass


@pytest.mark.parametrize(
    "around",
    [
        (b"\0" * 300, b""),
        (b"\r\n", b""),
        (b"some junk bytes", b""),
        (b"ID3\x03\0\0\0\0\x07\x68" + bytes(3000), b""),
        (b"", bytes(40_000)),
        (b"", b"TAG" + b"a tag of 1996".ljust(125)),
    ],
    ids=["zeros", "line", "junk", "padding", "zeros behind", "tag behind"],
)
def test_what_lies_around_an_mp3_does_not_matter(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], around: tuple[bytes, bytes]
) -> None:
    path = tmp_path / "song.mp3"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (100_000, 2)), 44_100)
    with open_song(path) as song:
        known = whole(song)
    path.write_bytes(around[0] + path.read_bytes() + around[1])
    with open_song(path) as song:
        assert np.array_equal(whole(song), known)
    assert capfd.readouterr().err == ""


@needs_ffmpeg
@pytest.mark.parametrize("with_edit_list", [False, True])
def test_itunes_says_where_a_song_ends(tmp_path: Path, with_edit_list: bool) -> None:
    from mutagen.mp4 import MP4, MP4FreeForm

    path, length = tmp_path / "song.m4a", 100_003
    original = made(path, f"aac -b:a 256k -use_editlist {int(with_edit_list)}", 44_100, 2, length)
    tagged = MP4(path)
    padding = -(length + 1024) % 1024
    fields = (0, 1024, padding, length)
    text = " {:08X} {:08X} {:08X} {:016X}".format(*fields) + " 00000000" * 8
    tagged["----:com.apple.iTunes:iTunSMPB"] = [MP4FreeForm(text.encode())]
    tagged.save()
    with open_song(path) as song:
        assert song.samples == length
        read = whole(song)
    matches = [np.sum(np.roll(read, shift, 1) * original) for shift in range(-3, 4)]
    assert np.argmax(matches) == 3


@needs_ffmpeg
def test_an_edit_list_says_where_a_song_ends(tmp_path: Path) -> None:
    made(tmp_path / "song.m4a", "aac -movie_timescale 44100", 44_100, 2, 100_003)
    with open_song(tmp_path / "song.m4a") as song:
        assert song.samples == 100_003


@needs_ffmpeg
def test_a_track_of_a_video_is_chosen(tmp_path: Path) -> None:
    for number, level in ((1, 0.25), (2, 0.5)):
        soundfile.write(tmp_path / f"{number}.wav", np.full((5_000, 2), level), 44_100)
    sounds = [argument for number in (1, 2) for argument in ("-i", str(tmp_path / f"{number}.wav"))]
    picture = ("-f", "lavfi", "-i", "color=size=16x16:duration=0.1")
    maps = ("-map", "2:v", "-map", "0:a", "-map", "1:a", "-c:a", "pcm_s16le", "-c:v", "mpeg4")
    ffmpeg(*sounds, *picture, *maps, str(tmp_path / "film.mkv"))
    for track, level in ((1, 0.25), (2, 0.5)):
        with open_song(tmp_path / "film.mkv", Reading(track=track)) as song:
            assert np.array_equal(whole(song), np.full((2, 5_000), level))
    with pytest.raises(OptionError, match="2 audio tracks and no track 3"):
        open_song(tmp_path / "film.mkv", Reading(track=3))


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize(("begin", "end"), [(0.0, 0.5), (0.25, None), (0.5, 1.25), (1.0, 99.0)])
def test_a_passage_is_that_of_the_whole_song(tmp_path: Path, container: str, begin: float, end: float | None) -> None:
    path = tmp_path / "song"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (88_200, 2)), 44_100, format=container)
    with open_song(path) as song:
        known = whole(song)[:, round(begin * 44_100) : None if end is None else round(end * 44_100)]
    with open_song(path, Reading(begin=begin, end=end)) as song:
        assert np.array_equal(whole(song), known)
        assert np.array_equal(song.read_exact(100, 50), known[:, 100:150])


def test_a_passage_behind_the_song_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", np.zeros((44_100, 2)), 44_100)
    for reading in (Reading(begin=1.0), Reading(begin=5.0, end=6.0), Reading(begin=0.5, end=0.5)):
        with open_song(tmp_path / "song.wav", reading) as song, pytest.raises(OptionError, match=r"is 1\.0 s long"):
            _ = song.samples


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
@pytest.mark.parametrize("channels", [3, 4, 5, 6, 8])
def test_a_downmix_of_all_channels_at_full_scale_is_at_full_scale(tmp_path: Path, subtype: str, channels: int) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.full((1_000, channels), 0.5), 44_100, subtype)
    with pytest.raises(AudioError, match="stems split --downmix"):
        open_song(path)
    with open_song(path, Reading(downmix=True)) as song:
        assert song.format.encoding == "float32"
        mixed = whole(song)
    assert mixed.shape == (2, 1_000)
    np.testing.assert_allclose(mixed, 0.5, atol=1e-4)


def test_a_downmix_weighs_speakers_as_the_recommendation_does() -> None:
    sides = coefficients(["FL", "FR", "FC", "LFE", "SL", "SR"])
    assert sides is not None
    assert np.allclose(20 * np.log10(sides[2] / sides[0, 0]), -3.01, atol=0.01)
    assert np.allclose(20 * np.log10(sides[4, 0] / sides[0, 0]), -3.01, atol=0.01)
    assert not sides[3].any()
    assert np.allclose(sides.sum(0), 1)


@pytest.mark.parametrize("name", ["song.jpg", "song.m3u8", "song.txt", "song.mp4"])
def test_lists_and_pictures_are_no_songs(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / "other.wav", np.zeros((44_100, 2)), 44_100)
    content = {
        "song.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(1000),
        "song.m3u8": b"#EXTM3U\n#EXTINF:1,\nother.wav\n#EXT-X-ENDLIST\n",
        "song.txt": b"ffconcat version 1.0\nfile other.wav\n",
        "song.mp4": struct.pack(">I4s", 16, b"ftyp") + b"isom" * 2,
    }
    (tmp_path / name).write_bytes(content[name])
    with pytest.raises(AudioError, match="is not audio"):
        open_song(tmp_path / name)


def test_speakers_that_are_not_known_are_not_to_be_mixed_down_once_more(tmp_path: Path) -> None:
    path = tmp_path / "ten.wav"
    soundfile.write(path, np.full((4_410, 10), 0.1), 44_100)
    with pytest.raises(AudioError, match="in a DAW") as failure:
        open_song(path, Reading(downmix=True))
    assert "--downmix" not in str(failure.value)


@pytest.mark.parametrize("track", [-1, 0, 2])
def test_a_track_that_is_not_there_is_refused(tmp_path: Path, track: int) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.full((4_410, 2), 0.1), 44_100)
    with pytest.raises(OptionError, match=f"no track {track}"):
        open_song(path, Reading(track))
