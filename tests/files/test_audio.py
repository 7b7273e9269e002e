"""Properties of reading songs, over containers, rates, depths and channel counts, and of refusing what is no song."""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stems.errors import AudioError, OptionError
from stems.files.audio import open_song
from stems.files.formats import BIT_DEPTHS, WRITABLE_CONTAINERS, AudioFormat, output_format

RATES = (8_000, 22_050, 44_100, 48_000, 96_000, 192_000)
SUBTYPES = {
    "int8": "PCM_U8",
    "int16": "PCM_16",
    "int24": "PCM_24",
    "int32": "PCM_32",
    "float32": "FLOAT",
    "float64": "DOUBLE",
}
PCM_FILES = [
    *((container, encoding) for container in ("WAV", "AIFF", "RF64", "CAF") for encoding in list(SUBTYPES)[1:]),
    ("WAV", "int8"),
    ("FLAC", "int16"),
    ("FLAC", "int24"),
]


def music(samples: int, channels: int = 2, sample_rate: int = 44_100, seed: int = 0) -> np.ndarray:
    """Tones and bursts of noise, `(samples, channels)`: what lossy codecs give a bit rate of its own to every frame."""
    seconds = np.arange(samples) / sample_rate
    noise = np.random.default_rng(seed).standard_normal((samples, channels))
    bursts = (seconds % 0.5 < 0.1)[:, None]
    return 0.3 * np.sin(2 * np.pi * 220 * seconds)[:, None] + 0.1 * noise * bursts


def write(path: Path, samples: np.ndarray, sample_rate: int = 44_100, **encoder: object) -> Path:
    with soundfile.SoundFile(path, "w", sample_rate, samples.shape[1], **encoder) as file:
        for start in range(0, len(samples), 4096):
            file.write(samples[start : start + 4096])
    return path


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(("container", "encoding"), PCM_FILES)
def test_every_sample_of_an_uncompressed_file_is_read_exactly(
    tmp_path: Path, container: str, encoding: str, sample_rate: int, channels: int
) -> None:
    bits = int(encoding.removeprefix("int").removeprefix("float"))
    random = np.random.default_rng(sample_rate)
    if encoding.startswith("int"):
        integers = random.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (1000, channels))
        integers[:2] = [[-(2 ** (bits - 1))] * channels, [2 ** (bits - 1) - 1] * channels]
        written, expected = (integers << (32 - bits)).astype(np.int32), integers / 2 ** (bits - 1)
    else:
        written = expected = random.uniform(-2, 2, (1000, channels)).astype(encoding)
    path = write(tmp_path / "song", written, sample_rate, format=container, subtype=SUBTYPES[encoding])
    with open_song(path) as song:
        assert song.format.encoding == encoding
        assert song.format.bits == bits
        assert (song.format.sample_rate, song.format.channels, song.samples) == (sample_rate, channels, 1000)
        assert song.seconds == 1000 / sample_rate
        assert np.array_equal(song.read_exact(0, 1000), expected.T)
        block = song.read(990, 50)
        assert block.dtype == np.float32
        assert np.array_equal(block, expected[990:].T.astype(np.float32))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "encoder",
    [
        {"format": "MP3"},
        {"format": "MP3", "compression_level": 0.4, "bitrate_mode": "VARIABLE"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "FLAC", "subtype": "PCM_24"},
        {"format": "WAV", "subtype": "MS_ADPCM"},
        {"format": "WAV", "subtype": "ALAW"},
    ],
    ids=lambda encoder: "-".join(map(str, encoder.values())),
)
def test_blocks_at_any_position_equal_one_continuous_decode(
    tmp_path: Path, encoder: dict[str, object], channels: int
) -> None:
    path = write(tmp_path / "song", music(200_000, channels), **encoder)
    known = soundfile.read(path, dtype="float64", always_2d=True)[0].T
    random = np.random.default_rng(1)
    with open_song(path) as song:
        assert song.samples == known.shape[1]
        continuous = song.read_exact(0, song.samples)
        if encoder["format"] == "MP3":  # by another decoder, which rounds otherwise
            np.testing.assert_allclose(continuous, known, atol=1e-5)
        else:
            assert np.array_equal(continuous, known)
        for overlap in (0, 100, 9000):
            for start in range(0, song.samples, 20_000):
                first = max(0, start - overlap)
                assert np.array_equal(song.read_exact(first, 20_000), continuous[:, first : first + 20_000])
        for start in random.integers(0, song.samples, 10):
            assert np.array_equal(song.read_exact(start, 3000), continuous[:, start : start + 3000])


@pytest.mark.parametrize("channels", [1, 2])
def test_a_block_belongs_to_the_caller(tmp_path: Path, channels: int) -> None:
    with open_song(write(tmp_path / "song.flac", music(1000, channels))) as song:
        first = song.read_exact(0, 1000).copy()
        changed = song.read_exact(0, 1000)
        changed[:] = 0
        assert np.array_equal(song.read_exact(0, 1000), first)


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("encoder", [{"format": "MP3"}, {"format": "OGG", "subtype": "VORBIS"}])
def test_lossy_songs_are_as_long_as_what_was_encoded_and_aligned_with_it(
    tmp_path: Path, encoder: dict[str, object], sample_rate: int
) -> None:
    original = music(sample_rate * 2, 1, sample_rate)
    with open_song(write(tmp_path / "song", original, sample_rate, **encoder)) as song:
        assert song.format.is_lossy
        assert song.samples == len(original)
        decoded = song.read(0, song.samples)[0]
    correlation = [np.dot(np.roll(decoded, shift), original[:, 0]) for shift in range(-5, 6)]
    assert np.argmax(correlation) == 5


@pytest.mark.parametrize("stated", [0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_wav_written_to_a_pipe_is_read_as_far_as_it_goes(tmp_path: Path, stated: int) -> None:
    path = write(tmp_path / "song.wav", music(10_000), subtype="PCM_16")
    path.write_bytes(
        path.read_bytes().replace(struct.pack("<4sI", b"data", 40_000), struct.pack("<4sI", b"data", stated))
    )
    with open_song(path) as song:
        assert song.samples == 10_000
        assert song.read(9_000, 5_000).shape == (2, 1_000)


@pytest.mark.parametrize(
    "encoder",
    [
        {"format": "WAV", "subtype": "PCM_16"}, {"format": "WAV", "subtype": "FLOAT"},
        {"format": "AIFF", "subtype": "PCM_24"}, {"format": "FLAC"}, {"format": "OGG"},
        {"format": "MP3", "bitrate_mode": "CONSTANT"}, {"format": "MP3", "bitrate_mode": "VARIABLE"},
    ],
    ids=lambda encoder: " ".join(map(str, encoder.values())),
)  # fmt: skip
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, encoder: dict[str, str], share: float) -> None:
    path = write(tmp_path / "song", music(200_000), **encoder)
    with open_song(path) as song:
        assert song.samples == 200_000
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with (
        pytest.raises(AudioError, match=r"is (cut off|damaged) after \d\.\d s: .*download it again"),
        open_song(path) as song,
    ):
        _ = song.samples


def test_an_mp3_without_a_length_header_is_read_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "song.mp3", music(200_000), format="MP3", bitrate_mode="CONSTANT", compression_level=0.5)
    content = path.read_bytes()
    path.write_bytes(content[content.find(content[:2], content.find(b"Info")) :])
    with open_song(path) as song:
        assert 200_000 <= song.samples < 203_000


def test_blocks_outside_the_song_are_refused(tmp_path: Path) -> None:
    with open_song(write(tmp_path / "song.wav", music(100))) as song:
        assert song.read(100, 10).shape == (2, 0)
        for start in (-1, 101):
            with pytest.raises(ValueError, match="not inside"):
                song.read(start, 10)


def refused(path: Path) -> str:
    """The one sentence by which a file is refused, on opening, counting or reading."""
    with pytest.raises(AudioError) as refusal, open_song(path) as song:
        for start in range(0, song.samples, 10_000):
            song.read(start, 10_000)
    message = str(refusal.value)
    assert str(path) in message
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "song.wav")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "song.wav")
    assert "not a regular file" in refused(tmp_path / "song.wav")


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"RIFF")
    refused(tmp_path / "song.wav" / "song.wav")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"R", "not audio"),
        (b"A shopping list: milk, eggs, strings.\n" * 100, "not audio"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + np.random.default_rng(0).bytes(5000), "not audio"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not audio"),
        (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\2\0", "not audio"),
        (b"FORM\0\0\0\x24AIFFCOMM", "not audio"),
        (b"fLaC\0\0\0\x22", "not audio"),
        (b"OggS\0\2", "not audio"),
        (b"ID3\4\0\0\0\0\0\0", "not audio"),
    ],
    ids=["empty", "one byte", "text", "jpg", "wav header", "wav format", "aiff header", "flac header", "ogg", "mp3"],
)
@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".flac"])
def test_a_file_that_is_not_audio_is_refused(tmp_path: Path, content: bytes, reason: str, suffix: str) -> None:
    path = tmp_path / f"song{suffix}"
    path.write_bytes(content)
    assert reason in refused(path)


@pytest.mark.parametrize("encoder", [{"format": "WAV"}, {"format": "AIFF"}, {"format": "OGG"}])
def test_a_file_without_samples_is_refused(tmp_path: Path, encoder: dict[str, object]) -> None:
    assert "no samples" in refused(write(tmp_path / "song", np.empty((0, 2)), **encoder))


@pytest.mark.parametrize("channels", [3, 6])
def test_surround_is_refused(tmp_path: Path, channels: int) -> None:
    assert f"{channels} channels" in refused(write(tmp_path / "song.wav", music(100, channels)))


@pytest.mark.parametrize("sample_rate", [4_000, 7_999, 192_001, 384_000])
def test_rates_that_no_song_has_are_refused(tmp_path: Path, sample_rate: int) -> None:
    assert f"{sample_rate} Hz" in refused(write(tmp_path / "song.wav", music(100), sample_rate))


@pytest.mark.parametrize("encoding", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_with_their_time(tmp_path: Path, value: float, encoding: str) -> None:
    samples = music(44_100)
    samples[33_075, 1] = value
    assert "0.750 s" in refused(write(tmp_path / "song.wav", samples, subtype=encoding))


@pytest.mark.parametrize(
    "encoder", [{"format": "FLAC"}, {"format": "MP3"}, {"format": "OGG"}], ids=lambda encoder: encoder["format"]
)
def test_damage_in_a_compressed_file_is_found_before_it_is_read(tmp_path: Path, encoder: dict[str, object]) -> None:
    path = write(tmp_path / "song", music(400_000), **encoder)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 9_000] = np.random.default_rng(0).bytes(9_000)
    path.write_bytes(content)
    with open_song(path) as song, pytest.raises(AudioError, match=r"is damaged after \d\.\d s"):
        _ = song.samples


def test_a_file_that_is_cut_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "song.wav", music(44_100), subtype="PCM_16")
    with open_song(path) as song:
        os.truncate(path, 44 + 4 * 22_050)
        with pytest.raises(AudioError, match=r"damaged after 0\.5 s"):
            song.read(0, song.samples)


def test_an_mp3_whose_length_nothing_states_is_decoded_to_its_end(tmp_path: Path) -> None:
    loud_then_silent = np.zeros((44_100 * 25, 1))
    loud_then_silent[: 44_100 * 3] = np.random.default_rng(0).uniform(-0.9, 0.9, (44_100 * 3, 1))
    path = write(tmp_path / "song.mp3", loud_then_silent, format="MP3", compression_level=0.2, bitrate_mode="VARIABLE")
    content = path.read_bytes()
    with_header = content.find(b"Xing")
    second_frame = content.find(content[:2], with_header)
    path.write_bytes(content[second_frame:])
    with open_song(path) as song:
        assert 44_100 * 25 <= song.samples < 44_100 * 25 + 3 * 1152


def test_an_unknown_codec_in_a_wav_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "song.wav", music(1000), subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[20:22] = struct.pack("<H", 0x0161)  # Windows Media Audio
    path.write_bytes(content)
    assert "codec" in refused(path)


def test_a_file_that_may_not_be_read_is_refused(unprivileged: Path) -> None:
    path = unprivileged / "song.wav"
    user = os.geteuid()
    os.seteuid(os.getuid())
    write(path, music(100))
    path.chmod(stat.S_IWUSR)
    os.seteuid(user)
    assert "permission" in refused(path)


@pytest.mark.parametrize("container", ["wav", "aiff"])
@pytest.mark.parametrize("encoding", ["int16", "int24", "int32", "float32", "float64"])
def test_stems_have_the_format_of_the_song(container: str, encoding: str) -> None:
    song = AudioFormat(container, encoding, 44_100, 2)
    assert output_format(song) == song


def test_formats_that_stems_should_not_have_are_replaced() -> None:
    lossy = AudioFormat("mp3", "lossy", 48_000, 1)
    assert output_format(lossy) == AudioFormat("wav", "float32", 48_000, 1)
    assert output_format(lossy, "mp3") == lossy
    assert output_format(lossy, "flac") == AudioFormat("flac", "int24", 48_000, 1)
    assert output_format(lossy, bit_depth=16) == AudioFormat("wav", "int16", 48_000, 1)
    assert output_format(AudioFormat("wav", "int8", 44_100, 2)) == AudioFormat("wav", "int16", 44_100, 2)
    assert output_format(AudioFormat("wav", "int32", 44_100, 2), "flac") == AudioFormat("flac", "int24", 44_100, 2)


@pytest.mark.parametrize("container", WRITABLE_CONTAINERS)
@pytest.mark.parametrize("bit_depth", BIT_DEPTHS)
def test_a_bit_depth_is_kept_or_refused_with_those_that_are_possible(container: str, bit_depth: str) -> None:
    song = AudioFormat("wav", "int16", 44_100, 2)
    possible = {"wav": BIT_DEPTHS, "aiff": BIT_DEPTHS, "flac": ("16", "24"), "alac": ("16", "24")}.get(container, ())
    if bit_depth in possible:
        assert output_format(song, container, bit_depth).encoding == BIT_DEPTHS[bit_depth]
    else:
        with pytest.raises(OptionError, match="16 or 24" if possible else "leave the bit depth out"):
            output_format(song, container, bit_depth)


def test_options_that_do_not_exist_are_refused_with_those_that_do() -> None:
    song = AudioFormat("wav", "int16", 96_000, 2)
    with pytest.raises(OptionError, match="wav, aiff, flac, alac, ogg, mp3, m4a or opus"):
        output_format(song, "wma")
    with pytest.raises(OptionError, match="16, 24, 32 or float"):
        output_format(song, bit_depth=20)
    with pytest.raises(OptionError, match="96000 Hz"):
        output_format(song, "mp3")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_song_that_is_deleted_while_it_is_read_is_read_on_or_fails_in_one_sentence(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"song{suffix}"
    soundfile.write(path, music(30_000), 44_100)
    with open_song(path) as song:
        path.unlink()
        try:
            assert song.read(0, 40_000).shape == (2, 30_000)
        except AudioError as error:
            assert str(error) == f"{path} was moved or deleted while it was read: put it back, or leave it out."
        else:
            assert suffix == ".wav"  # which is opened once
