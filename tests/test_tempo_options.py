"""`--bpm`: what it writes into projects and rows, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

SONG = Path(__file__).parents[1] / "examples" / "song.ogg"
RATE = 44_100


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def split(stems: Any, small_weights: Path) -> Any:
    return lambda *arguments: stems("split", *arguments, "--model", small_weights)


def tempo_in(project: str) -> str | None:
    lines = Path(project).read_text().splitlines()
    return next((line.split()[1] for line in lines if line.strip().startswith("TEMPO ")), None)


def test_an_estimated_tempo_is_in_projects_and_rows_and_said_to_be_estimated(split: Any, stems: Any) -> None:
    pytest.importorskip("librosa")
    code, said, _ = split(SONG, "--daw", "reaper", "--bpm", "auto")
    assert code == 0 and "Estimated: 10" in said and "bpm, key" in said
    assert float(tempo_in("separated/song/song.rpp") or 0) == pytest.approx(108, abs=0.1)
    code, said, _ = split(SONG, "--bpm", "auto", "--json", "--overwrite")
    row = json.loads(said)
    assert code == 0 and row["tempo_bpm"] == pytest.approx(108, abs=0.1) and row["key"]
    assert row["note"].startswith("Estimated:")
    for arguments in ([], ["--song", SONG]):  # by the sum of the stems, and by the song
        code, said, _ = stems("export", "separated/song", "--to", "reaper", "--bpm", "auto", "--overwrite", *arguments)
        assert code == 0 and "Estimated: 10" in said
        assert float(tempo_in("separated/song/song.rpp") or 0) == pytest.approx(108, abs=0.1)
    arguments = ["--to", "reaper", "--bpm", "auto", "--overwrite", "--json"]
    row = json.loads(stems("export", "separated/song", *arguments)[1])
    assert row["tempo_bpm"] == pytest.approx(108, abs=0.1) and row["key"]


def test_projects_that_are_made_up_for_later_have_the_estimate_too(split: Any) -> None:
    pytest.importorskip("librosa")
    assert split(SONG)[0] == 0
    code, said, _ = split(SONG, "--daw", "reaper", "--bpm", "auto")
    assert code == 0 and "skipped" in said and "Estimated: 10" in said
    assert float(tempo_in("separated/song/song.rpp") or 0) == pytest.approx(108, abs=0.1)


def test_where_there_is_no_beat_rows_have_null_and_a_sentence_says_so(split: Any) -> None:
    pytest.importorskip("librosa")
    soundfile.write("quiet.wav", np.zeros((3 * RATE, 2)), RATE)
    code, said, _ = split("quiet.wav", "--daw", "reaper", "--bpm", "auto", "--json")
    row = json.loads(said)
    assert (code, row["tempo_bpm"], row["key"]) == (0, None, None)
    assert "no beat was found" in row["note"]
    assert tempo_in("separated/quiet/quiet.rpp") is None


def test_a_tempo_that_is_told_is_written_and_rows_are_silent_unless_asked(split: Any) -> None:
    code, said, _ = split(SONG, "--daw", "reaper", "--bpm", "97.5", "--json")
    assert code == 0 and not {"tempo_bpm", "key"} & json.loads(said).keys()
    assert tempo_in("separated/song/song.rpp") == "97.5"


@pytest.mark.parametrize("tempo", ["0", "1001", "nan", "fast", "-3"])
@pytest.mark.parametrize("command", [["split", SONG, "--daw", "reaper"], ["export", "."]])
def test_what_is_no_tempo_is_refused_in_a_sentence(stems: Any, command: list[Any], tempo: str) -> None:
    code, said, complaints = stems(*command, f"--bpm={tempo}")
    assert (code, said) == (1, "") and "1 to 1000" in complaints and complaints.count("\n") == 1


def test_a_tempo_without_a_project_is_refused(split: Any) -> None:
    code, _, complaints = split(SONG, "--bpm", "120")
    assert code == 1 and "--daw" in complaints
    assert not Path("separated").exists()


def test_rows_of_parquet_have_tempo_and_key(split: Any) -> None:
    pytest.importorskip("librosa")
    parquet = pytest.importorskip("pyarrow.parquet")
    assert split(SONG, "--bpm", "auto", "--results", "rows.parquet")[0] == 0
    (row,) = parquet.read_table("rows.parquet").to_pylist()
    assert row["tempo_bpm"] == pytest.approx(108, abs=0.1) and row["key"]
