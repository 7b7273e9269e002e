"""The file of results: every song has one row, whatever happened in between, and its figures are right."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from math import isnan
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stems.batch.outcome import Result
from stems.batch.results import ResultsFile
from stems.errors import OptionError
from stems.files.audio import open_song
from stems.files.loudness import loudness_lufs

FORMATS = ["r.jsonl", "deep/r.parquet"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(name: str) -> list[dict]:
    if name.endswith(".parquet"):
        table = pytest.importorskip("pyarrow.parquet").read_table(name)
        return [{k: v for k, v in row.items() if v is not None} for row in table.to_pylist(maps_as_pydicts="strict")]
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def needs(name: str) -> str:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    return name


def measured(song: str, loudness: float, **options: object) -> Result:
    return Result(Path(song), loudness=loudness, checksum="0" * 64, seconds=2.0, **options)


@pytest.mark.parametrize("name", FORMATS)
def test_the_last_row_of_each_song_counts_and_skipping_keeps_its_figures(name: str) -> None:
    with ResultsFile(needs(name)) as file:
        file.add(measured("a.wav", -9.0, outputs={"vocals": Path("x/v.wav")}))
        file.add(measured("b.wav", float("nan")))
        file.add(Result(Path("c.wav"), "failed", error="c.wav is empty"))
        file.add(Result(Path("d.wav"), "skipped"))
    with ResultsFile(name) as file:
        file.add(Result(Path("a.wav"), "skipped"))
        file.add(measured("c.wav", -12.345))
    found = {row["song"]: row for row in rows(name)}
    assert len(found) == len(rows(name)) == 4
    assert {song: row["status"] for song, row in found.items()} == dict.fromkeys(
        ("a.wav", "b.wav", "c.wav"), "done"
    ) | {"d.wav": "skipped"}
    assert found["a.wav"]["loudness"] == -9.0 and found["a.wav"]["outputs"] == {"vocals": "x/v.wav"}
    assert found["b.wav"].get("loudness") is None
    assert found["c.wav"]["loudness"] == pytest.approx(-12.34, abs=0.011)
    assert [path.name for path in Path(name).parent.iterdir()] == [Path(name).name]


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_killed_run_has_written_is_kept(name: str) -> None:
    file = ResultsFile(needs(name)).__enter__()
    file.add(measured("a.wav", -9.0))
    file._rows.write('{"song": "b.w')
    file._rows.close()
    with ResultsFile(name) as file:
        file.add(Result(Path("a.wav"), "skipped"))
        file.add(measured("b.wav", -8.0))
    assert [(row["song"], row["loudness"]) for row in rows(name)] == [("a.wav", -9.0), ("b.wav", -8.0)]


def test_rows_can_be_read_while_the_batch_goes_on() -> None:
    with ResultsFile("r.jsonl") as file:
        file.add(measured("a.wav", -9.0))
        assert [row["song"] for row in rows("r.jsonl")] == ["a.wav"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.txt", None, "must end in .jsonl or .parquet"),
        ("r.jsonl", "My novel\n", "holds something else"),
        ("r.jsonl", '["a.wav"]\n', "holds something else"),
        ("r.parquet", "no\n", "holds something else"),
    ],
)
def test_other_files_are_left_alone(name: str, content: str | None, message: str) -> None:
    needs(name)
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(OptionError, match=message):
        ResultsFile(name)
    assert content is None or Path(name).read_text() == content


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("level_db", [-6.0, -23.0])
def test_loudness_is_that_of_the_standard(rate: int, channels: int, level_db: float) -> None:
    """BS.1770: a sine of 997 Hz at full scale in one channel has -3.01 LUFS, and two channels add up."""
    sine = 10 ** (level_db / 20) * np.sin(2 * np.pi * 997 * np.arange(4 * rate) / rate)
    soundfile.write("sine.wav", np.stack([sine] * channels, 1), rate, subtype="FLOAT")
    with open_song("sine.wav") as song:
        expected = level_db - (3.01 if channels == 1 else 0.0)
        assert loudness_lufs(song) == pytest.approx(expected, abs=0.15)


def test_silence_has_no_loudness() -> None:
    soundfile.write("silence.wav", np.zeros((8_000, 2)), 8_000)
    with open_song("silence.wav") as song:
        assert isnan(loudness_lufs(song))


def test_a_split_fills_the_file(stems: Callable, small_weights: Path) -> None:
    soundfile.write("a.flac", np.random.default_rng(1).uniform(-0.1, 0.1, (16_000, 2)), 8_000)
    Path("b.wav").write_text("no audio")
    options = ("--model", small_weights, "--jobs", "1", "--results", "r.jsonl")
    for _ in range(2):
        assert stems("split", "a.flac", "b.wav", *options)[0] == 1
        done, failed = sorted(rows("r.jsonl"), key=lambda row: row["song"])
        assert (done["status"], failed["status"]) == ("done", "failed") and "is not audio" in failed["error"]
        assert done["checksum"] == hashlib.sha256(Path("a.flac").read_bytes()).hexdigest()
        assert -22 < done["loudness"] < -10 and done["seconds"] == 2.0
        assert {"song", "drums", "bass", "vocals", "other"} == set(done["confidence"])
