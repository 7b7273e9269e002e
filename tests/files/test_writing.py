"""Properties of written stems: they add up to the song, keep its shape, and appear only when all are complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import stems.files.riff
from stems.errors import AudioError, OptionError
from stems.files.adding_up import integers_adding_up
from stems.files.audio import open_song
from stems.files.formats import AudioFormat, output_format
from stems.files.writing import StemFiles

NAMES = ("drums", "bass", "vocals", "other")
RATES = (8_000, 22_050, 44_100, 48_000, 96_000, 192_000)
FORMATS = [
    *((container, encoding) for container in ("wav", "aiff") for encoding in ("int16", "int24", "int32")),
    *((container, encoding) for container in ("wav", "aiff") for encoding in ("float32", "float64")),
    ("flac", "int16"),
    ("flac", "int24"),
]
INTEGERS = [(container, encoding) for container, encoding in FORMATS if encoding.startswith("int")]


def split(mixture: np.ndarray, level: float = 0.3, seed: int = 0) -> dict[str, np.ndarray]:
    """32-bit float stems that add up to the mixture to float precision, the second of them silent."""
    random = np.random.default_rng(seed)
    stems = random.uniform(-level, level, (4, *mixture.shape)) + random.dirichlet(np.ones(4))[:, None, None] * mixture
    stems[1] = 0
    stems[3] = mixture - stems[:3].sum(axis=0)
    return dict(zip(NAMES, stems.astype(np.float32), strict=True))


def mixture_of(format: AudioFormat, samples: int, level: float = 1.0, seed: int = 0) -> np.ndarray:
    """What `Song.read_exact` gives for noise in a format; half of the samples of a level of 2 are at full scale."""
    noise = np.random.default_rng(seed).uniform(-level, level, (format.channels, samples))
    if not format.is_integer:
        return noise.astype(format.encoding if format.bits else "float32").astype(np.float64)
    full_scale = 2.0 ** (format.bits - 1)
    return np.clip(np.round(noise * full_scale), -full_scale, full_scale - 1) / full_scale


def write(
    folder: Path, format: AudioFormat, mixture: np.ndarray, stems: dict[str, np.ndarray], blocks: tuple[int, ...] = ()
) -> dict[str, Path]:
    """Writes stems in blocks of the given lengths, the last of them repeated until the end."""
    paths = {stem: folder / f"{stem}{format.suffix}" for stem in stems}
    lengths = list(blocks or (mixture.shape[1],))
    with StemFiles(paths, format, mixture.shape[1]) as files:
        start = 0
        while start < mixture.shape[1]:
            block = slice(start, start + lengths[0])
            files.write(mixture[:, block], {stem: samples[:, block] for stem, samples in stems.items()})
            start += lengths.pop(0) if len(lengths) > 1 else lengths[0]
    return paths


def read(path: Path) -> np.ndarray:
    with open_song(path) as song:
        return song.read_exact(0, song.samples)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(("container", "encoding"), FORMATS)
@pytest.mark.parametrize("level", [0.5, 2.0])
def test_stems_keep_the_shape_of_the_song_and_add_up_to_it(
    tmp_path: Path, container: str, encoding: str, sample_rate: int, channels: int, level: float
) -> None:
    format = AudioFormat(container, encoding, sample_rate, channels)
    mixture = mixture_of(format, 999, level)
    paths = write(tmp_path, format, mixture, split(mixture), (400,))
    for path in paths.values():
        with open_song(path) as stem:
            assert (stem.format, stem.samples) == (format, 999)
    error = sum(read(path) for path in paths.values()) - mixture
    if format.is_integer:
        assert not error.any()
        assert not read(paths["bass"]).any()
    else:
        assert np.abs(error).max() < 10 ** (-120 / 20)


@pytest.mark.parametrize(("container", "encoding"), INTEGERS)
@pytest.mark.parametrize("source", ["int16", "int24", "int32", "float32", "float64", "lossy"])
def test_stems_of_another_depth_add_up_to_the_song_rounded_to_it(
    tmp_path: Path, container: str, encoding: str, source: str
) -> None:
    format = AudioFormat(container, encoding, 44_100, 2)
    mixture = mixture_of(AudioFormat("wav", source, 44_100, 2), 3000, 2.0)
    total = sum(read(path) for path in write(tmp_path, format, mixture, split(mixture)).values())
    step = 2.0 ** (1 - format.bits)
    assert np.abs(total - np.clip(mixture, -1, 1 - step)).max() <= step / 2
    loud = np.abs(mixture) >= 1
    assert np.isin(total[loud], [-1, 1 - step]).all()


@pytest.mark.parametrize(("container", "encoding"), FORMATS)
def test_what_stems_miss_of_the_mixture_is_made_up_for(tmp_path: Path, container: str, encoding: str) -> None:
    format = AudioFormat(container, encoding, 44_100, 2)
    mixture = mixture_of(format, 3000, 0.9)
    stems = {stem: samples.astype(np.float16).astype(np.float32) for stem, samples in split(mixture).items()}
    error = sum(read(path) for path in write(tmp_path, format, mixture, stems).values()) - mixture
    assert np.abs(error).max() <= (0 if format.is_integer else 10 ** (-120 / 20))


@pytest.mark.parametrize(("container", "encoding"), [*FORMATS, ("mp3", "lossy"), ("ogg", "lossy")])
@pytest.mark.parametrize("fault", [np.nan, np.inf, 0.01, "silence"])
def test_stems_that_do_not_add_up_are_not_written(
    tmp_path: Path, container: str, encoding: str, fault: float | str
) -> None:
    format = AudioFormat(container, encoding, 44_100, 2)
    mixture = mixture_of(format, 44_100, 0.9)
    stems = split(mixture)
    if fault == "silence":
        mixture[1, 33_075] = 0.5
        for samples in stems.values():
            samples[1, 33_075] = 0
    else:
        next(iter(stems.values()))[1, 33_075] += fault
    with pytest.raises(AudioError, match=r"which at 0\.750 s (do not add up|hold no number)"):
        write(tmp_path / "out", format, mixture, stems)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("container", "encoding", "clipped"),
    [("wav", "int16", 3), ("flac", "int24", 3), ("ogg", "lossy", 3), ("mp3", "lossy", 3), ("wav", "float32", 0)],
)
def test_samples_above_full_scale_are_counted(tmp_path: Path, container: str, encoding: str, clipped: int) -> None:
    mixture = np.zeros((2, 1000))
    mixture[0, [10, 500]], mixture[:, 900] = 1.5, -1.25
    format = AudioFormat(container, encoding, 44_100, 2)
    with StemFiles({"all": tmp_path / f"all.{container}"}, format, 1000) as files:
        files.write(mixture, {"all": mixture})
    assert (files.samples_clipped, files.peak) == (clipped, 1.5)


@settings(max_examples=200, deadline=None)
@given(
    bits=st.sampled_from([8, 16, 24, 32]),
    count=st.integers(2, 6),
    level=st.sampled_from([1e-6, 1e-3, 0.5, 1.0, 1.7, 4.0, 100.0, 32768.0]),
    silent=st.sets(st.integers(0, 5), max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_integers_add_up_within_full_scale_and_silence_stays_silence(
    bits: int, count: int, level: float, silent: set[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    full_scale = 2.0 ** (bits - 1)
    stems = random.uniform(-level, level, (count, 2, 200))
    stems[..., :20] = np.sign(stems[..., :20])  # all at full scale, of either sign
    for stem in silent:
        if stem < count - 1:
            stems[stem] = 0
    mixture = np.round(np.clip(stems.sum(axis=0), -1, 1 - 1 / full_scale) * full_scale) / full_scale
    stems[-1] = mixture - stems[:-1].sum(axis=0)
    stems = stems.astype(np.float32)
    integers = integers_adding_up(mixture, stems, bits).astype(np.int64)
    assert np.array_equal(integers.sum(axis=0), mixture * full_scale)
    assert integers.min() >= -full_scale
    assert integers.max() < full_scale
    sounding = (stems != 0).any(axis=0)
    assert not integers[(stems == 0) & sounding].any()
    clipping = (np.abs(stems) >= 1 - 2 / full_scale).any(axis=0)
    float_precision = 2.0**-22 * full_scale * max(1, np.abs(stems).max())
    away = np.abs(integers - stems.astype(np.float64) * full_scale)[:, ~clipping]
    assert away.max(initial=0) <= 1 + float_precision


def test_sixteen_bits_stay_within_full_scale_where_many_samples_clip() -> None:
    random = np.random.default_rng(5)
    stems = random.uniform(-2, 2, (3, 2, 300_000))
    mixture = np.round(np.clip(stems.sum(axis=0), -1, 1 - 2**-15) * 2**15) / 2**15
    stems[-1] = mixture - stems[:-1].sum(axis=0)
    integers = integers_adding_up(mixture, stems.astype(np.float32), 16).astype(np.int64)
    assert np.array_equal(integers.sum(axis=0), mixture * 2**15)
    assert integers.min() >= -(2**15) and integers.max() < 2**15


@pytest.mark.parametrize("gain", [0.5, 3.0])
def test_a_mixture_halfway_between_integers_is_rounded_up_whatever_its_stems_add_up_to(gain: float) -> None:
    random = np.random.default_rng(7)
    levels = np.floor(random.uniform(-gain, gain, (2, 50_000)) * 2**15) + 0.5
    stems = (random.uniform(-1, 1, (3, 2, 50_000)) * levels / 2**15).astype(np.float32)
    stems[-1] = levels / 2**15 - stems[:-1].sum(axis=0)  # but for what single precision rounds off
    integers = integers_adding_up(levels / 2**15, stems, 16).astype(np.int64)
    assert np.array_equal(integers.sum(axis=0), np.clip(levels + 0.5, -(2**15), 2**15 - 1))
    assert integers.min() >= -(2**15) and integers.max() < 2**15


def test_rounding_errors_are_spread_over_the_stems_and_free_of_bias() -> None:
    random = np.random.default_rng(0)
    mixture = random.integers(-9000, 9000, (1, 50_000)) / 2**15
    stems = random.dirichlet(np.ones(4), 50_000).T[:, None] * mixture
    errors = integers_adding_up(mixture, stems, 16) - stems * 2**15
    assert np.abs(errors.mean(axis=(1, 2))).max() < 0.01
    assert errors.std(axis=(1, 2)).max() < 1.5 * errors.std(axis=(1, 2)).min()
    assert errors.std() < 0.5


@pytest.mark.parametrize(("container", "encoding"), FORMATS)
@pytest.mark.parametrize("blocks", [(1, 2, 3, 5000), (16_384,), (16_383,), (16_385,), (30_000, 700)])
def test_block_boundaries_make_no_difference(
    tmp_path: Path, container: str, encoding: str, blocks: tuple[int, ...]
) -> None:
    format = AudioFormat(container, encoding, 44_100, 2)
    mixture = mixture_of(format, 40_000, 2.0)
    stems = split(mixture, 0.8)
    at_once = write(tmp_path / "at once", format, mixture, stems)
    in_blocks = write(tmp_path / "in blocks", format, mixture, stems, blocks)
    for stem in NAMES:
        if format.is_integer:
            assert at_once[stem].read_bytes() == in_blocks[stem].read_bytes()
        else:
            assert np.array_equal(read(at_once[stem]), read(in_blocks[stem]))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("container", ["ogg", "mp3"])
def test_lossy_stems_keep_length_and_do_not_wrap_around(
    tmp_path: Path, container: str, sample_rate: int, channels: int
) -> None:
    format = AudioFormat(container, "lossy", sample_rate, channels)
    tone = 1.5 * np.sin(2 * np.pi * 100 * np.arange(sample_rate) / sample_rate) * np.ones((channels, 1))
    paths = write(tmp_path, format, tone, {"vocals": tone.astype(np.float32), "other": np.zeros_like(tone)})
    with open_song(paths["vocals"]) as song:
        assert (song.format, song.samples) == (format, sample_rate)
        decoded = song.read(0, song.samples)
    assert np.abs(decoded - np.clip(tone, -1, 1)).max() < 0.3


def test_only_stems_with_a_path_are_written_and_they_are_the_same(tmp_path: Path) -> None:
    format = AudioFormat("wav", "int16", 44_100, 2)
    mixture = mixture_of(format, 1000)
    stems = split(mixture)
    all_four = write(tmp_path / "all", format, mixture, stems)
    with StemFiles({"vocals": tmp_path / "one" / "vocals.wav"}, format, 1000) as files:
        files.write(mixture, stems)
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["vocals.wav"]
    assert (tmp_path / "one" / "vocals.wav").read_bytes() == all_four["vocals"].read_bytes()


def test_a_song_of_any_format_nulls_against_its_stems(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, (5000, 2))
    for name, encoder in {
        "8.wav": {"subtype": "PCM_U8"},
        "16.wav": {"subtype": "PCM_16"},
        "24.flac": {"subtype": "PCM_24"},
        "32.aiff": {"subtype": "PCM_32"},
        "float.wav": {"subtype": "FLOAT"},
        "lossy.mp3": {},
        "lossy.ogg": {},
    }.items():
        soundfile.write(tmp_path / name, samples, 44_100, **encoder)
        with open_song(tmp_path / name) as song:
            mixture = song.read_exact(0, song.samples)
            format = output_format(song.format)
        total = sum(read(path) for path in write(tmp_path / f"{name} stems", format, mixture, split(mixture)).values())
        assert np.abs(total - mixture).max() <= (0 if format.is_integer else 1e-6)


def test_wav_files_become_rf64_when_they_would_pass_four_gib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stems.files.riff, "RIFF_LIMIT", 40_100)
    for container, samples, start in [("wav", 10_000, b"RIFF"), ("wav", 10_010, b"RF64"), ("flac", 10_010, b"fLaC")]:
        format = AudioFormat(container, "int16", 44_100, 2)
        mixture = mixture_of(format, samples)
        paths = write(tmp_path, format, mixture, split(mixture))
        assert paths["drums"].read_bytes().startswith(start)
        assert np.array_equal(sum(read(path) for path in paths.values()), mixture)


def test_a_wav_of_three_hours_states_its_size_in_64_bits(tmp_path: Path) -> None:
    three_hours = 3 * 3600 * 192_000
    with (
        pytest.raises(KeyboardInterrupt),
        StemFiles({"drums": tmp_path / "drums.wav"}, AudioFormat("wav", "int24", 192_000, 2), three_hours) as files,
    ):
        files.write(np.zeros((2, 20_000)), split(np.zeros((2, 20_000))))
        (partial,) = tmp_path.iterdir()
        assert partial.read_bytes().startswith(b"RF64")
        raise KeyboardInterrupt
    with (
        pytest.raises(OptionError, match="choose wav or flac"),
        StemFiles({"drums": tmp_path / "drums.aiff"}, AudioFormat("aiff", "int24", 192_000, 2), three_hours),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("container", ["wav", "flac", "ogg", "mp3"])
def test_an_exception_in_the_middle_leaves_nothing(
    tmp_path: Path, container: str, exception: type[BaseException]
) -> None:
    format = output_format(AudioFormat("wav", "int16", 44_100, 2), container)
    mixture = mixture_of(format, 20_000, 0.5)
    with (
        pytest.raises(exception),
        StemFiles({stem: tmp_path / "a" / "b" / f"{stem}.{container}" for stem in NAMES}, format, 40_000) as files,
    ):
        files.write(mixture, split(mixture))
        assert len(list((tmp_path / "a" / "b").iterdir())) == 4
        raise exception
    assert not list(tmp_path.iterdir())


def test_an_exception_leaves_what_was_there_before(tmp_path: Path) -> None:
    format = AudioFormat("wav", "int16", 44_100, 2)
    (tmp_path / "drums.wav").write_bytes(b"earlier drums")
    (tmp_path / "empty").mkdir()
    paths = {name: tmp_path / name for name in ("drums.wav", "empty/bass.wav", "new/vocals.wav")}
    with pytest.raises(RuntimeError), StemFiles(paths, format, 10):
        (tmp_path / "new" / "notes.txt").write_text("from somebody else")
        raise RuntimeError
    assert (tmp_path / "drums.wav").read_bytes() == b"earlier drums"
    assert not list((tmp_path / "empty").iterdir())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["notes.txt"]


def test_stems_get_their_names_only_when_all_are_complete(tmp_path: Path) -> None:
    format = AudioFormat("wav", "int16", 44_100, 2)
    mixture = mixture_of(format, 100)
    (tmp_path / "drums.wav").write_bytes(b"earlier drums")
    paths = {stem: tmp_path / f"{stem}.wav" for stem in NAMES}
    with StemFiles(paths, format, 100) as files:
        files.write(mixture, split(mixture))
        visible = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
        assert visible == ["drums.wav"]
        assert paths["drums"].read_bytes() == b"earlier drums"
    assert sorted(tmp_path.iterdir()) == sorted(paths.values())
    assert np.array_equal(sum(read(path) for path in paths.values()), mixture)


@pytest.mark.parametrize("blocked", NAMES)
def test_where_one_stem_cannot_get_its_name_none_does(tmp_path: Path, blocked: str) -> None:
    format = AudioFormat("wav", "int16", 44_100, 2)
    mixture = mixture_of(format, 100)
    paths = {stem: tmp_path / f"{stem}.wav" for stem in NAMES}
    with (
        pytest.raises(AudioError, match=f"{blocked}.wav cannot be written"),
        StemFiles(paths, format, 100) as files,
    ):
        files.write(mixture, split(mixture))
        paths[blocked].mkdir()  # by another program, in the last moment
    assert list(tmp_path.iterdir()) == [paths[blocked]]


@pytest.mark.parametrize("written", [0, 99, 101])
def test_stems_of_another_length_than_the_song_are_not_kept(tmp_path: Path, written: int) -> None:
    with (
        pytest.raises(AudioError, match="100"),
        StemFiles({"drums": tmp_path / "stems" / "drums.wav"}, AudioFormat("wav", "int16", 44_100, 2), 100) as files,
    ):
        files.write(np.zeros((2, written)), split(np.zeros((2, written))))
    assert not list(tmp_path.iterdir())


def refused(path: Path, encoding: str = "int16") -> str:
    """The one sentence by which a stem that cannot be written is refused."""
    with (
        pytest.raises(AudioError) as refusal,
        StemFiles({"drums": path}, AudioFormat(path.suffix[1:], encoding, 44_100, 2), 200_000) as files,
    ):
        silence = np.zeros((2, 100_000))
        files.write(silence, split(silence))
        files.write(silence, split(silence))
    message = str(refusal.value)
    assert str(path.parent) in message
    assert message.endswith(".")
    return message


def test_a_folder_in_the_place_of_a_stem_is_refused(tmp_path: Path) -> None:
    (tmp_path / "drums.wav").mkdir()
    assert "is a folder" in refused(tmp_path / "drums.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["drums.wav"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song").write_text("not a folder")
    assert "another output folder" in refused(tmp_path / "song" / "drums.wav")
    assert "another output folder" in refused(tmp_path / "song" / "stems" / "drums.wav")
    assert [path.name for path in tmp_path.iterdir()] == ["song"]


def test_a_folder_that_may_not_be_written_is_refused(read_only_folder: Path) -> None:
    assert "Permission denied" in refused(read_only_folder / "drums.wav")
    assert "Permission denied" in refused(read_only_folder / "song" / "drums.wav")
    assert not list(read_only_folder.iterdir())


@pytest.mark.parametrize(
    ("container", "encoding", "limit"),
    [("wav", "int16", 300_000), ("flac", "int24", 5_000), ("ogg", "lossy", 4_000), ("mp3", "lossy", 10_000)],
)
def test_a_full_disk_is_refused_and_leaves_nothing(tmp_path: Path, container: str, encoding: str, limit: int) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))  # what a write then gives is what a full disk gives
    try:
        assert "free some space" in refused(tmp_path / "song" / f"drums.{container}", encoding)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
