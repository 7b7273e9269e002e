"""`-` among the songs and as the folder for results, and events of progress."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

COMMAND = [sys.executable, "-c", "from stems.cli import main; main()"]
Run = Callable[..., tuple[int, str, str]]


def audio_of(seconds: float = 0.7) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (int(seconds * 8_000), 2))


def song_of(container: str) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, audio_of(), 8_000, subtype="PCM_16", format=container)
    return content.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes], None]:
    """Sets what standard input gives; the program runs in a folder of its own, as do its temporary files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return lambda content: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF"])
def test_a_song_from_standard_input_is_split(
    given: Callable, stems: Run, small_weights: Path, tmp_path: Path, container: str
) -> None:
    given(song_of(container))
    code, said, complaints = stems("split", "-", "--model", small_weights, "--daw", "reaper")
    assert (code, complaints, said.splitlines()[-1]) == (0, "", "1 done.")
    parts = [soundfile.read(path, dtype="int16")[0] for path in Path("separated/stdin").glob(f"*.{container.lower()}")]
    expected = soundfile.read(io.BytesIO(song_of(container)), dtype="int16")[0]
    own = [part for part in parts if not np.array_equal(part, expected)]  # beside the copy that the project needs
    assert len(own) == 4 and np.array_equal(sum(own), expected)
    assert list(Path("temporary").iterdir()) == []
    assert "temporary" not in Path("separated/stdin/stdin.rpp").read_text()


def test_a_stem_goes_to_standard_output(tmp_path: Path, small_weights: Path) -> None:
    options = ["split", "-", "--model", str(small_weights), "--stems", "vocals", "--format", "flac"]
    one = subprocess.run([*COMMAND, *options, "--out", "-"], input=song_of("WAV"), capture_output=True, cwd=tmp_path)
    assert (one.returncode, one.stderr.decode().splitlines()[-1]) == (0, "1 done.")
    assert list(tmp_path.iterdir()) == []
    two = subprocess.run([*COMMAND, *options], input=song_of("WAV"), capture_output=True, cwd=tmp_path)
    assert two.returncode == 0
    assert (tmp_path / "separated/stdin/vocals.flac").read_bytes() == one.stdout


@pytest.mark.parametrize("options", [["--hint", "vocals=0.1-0.5"], ["--from", "0.1"], ["--name", "{track}.{ext}"]])
def test_nothing_but_the_stem_goes_to_standard_output(tmp_path: Path, small_weights: Path, options: list[str]) -> None:
    command = [*COMMAND, "split", "-", "--model", str(small_weights), "--stems", "vocals", "--format", "flac", *options]
    one = subprocess.run([*command, "--out", "-"], input=song_of("WAV"), capture_output=True, cwd=tmp_path)
    two = subprocess.run(command, input=song_of("WAV"), capture_output=True, cwd=tmp_path)
    assert (one.returncode, two.returncode) == (0, 0)
    (written,) = tmp_path.rglob("*.flac")  # which, unlike a wav, does not say when it was written
    assert written.read_bytes() == one.stdout


@pytest.mark.parametrize("content", [b"", b"no audio"])
def test_what_is_no_song_writes_nothing(given: Callable, stems: Run, small_weights: Path, content: bytes) -> None:
    given(content)
    code, said, complaints = stems("split", "-", "--model", small_weights, "--stems", "bass", "--out", "-")
    assert (code, said) == (1, "")
    assert "failed: - " in complaints and "Traceback" not in complaints and "temporary" not in complaints
    assert list(Path("temporary").iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ["-"], ["-", "--stems", "bass,drums"], ["-", "--two-stems", "vocals"], ["-", "--preset", "drumless"],
        ["a.wav", "b.wav", "--stems", "bass"], [".", "--stems", "bass"], ["-", "--stems", "bass", "--daw", "reaper"],
    ],
)  # fmt: skip
def test_standard_output_takes_one_file(given: Callable, stems: Run, options: list[str]) -> None:
    given(song_of("WAV"))
    code, said, complaints = stems("split", *options, "--out", "-")
    assert (code, said) == (1, "")
    assert "--out - takes one file" in complaints and complaints.count("\n") == 1


def test_what_is_said_calls_both_streams_by_their_name(given: Callable, stems: Run, small_weights: Path) -> None:
    for options in (["--json"], []):
        given(song_of("WAV"))
        sys.stdout = io.TextIOWrapper(io.BytesIO())
        _, _, complaints = stems("split", "-", "--model", small_weights, "--stems", "bass", "--out", "-", *options)
        assert "temporary" not in complaints
        if options:
            line = json.loads(complaints.splitlines()[0])
            assert (line["song"], line["outputs"]) == ("-", {"bass": "-"})
        else:
            assert complaints.splitlines()[0].startswith("[1/1] - -> - (")


def test_clusters_of_a_song_from_standard_input(given: Callable, stems: Run, small_weights: Path) -> None:
    given(song_of("WAV"))
    code, said, _ = stems("cluster", "-", "--model", small_weights, "--clusters", "2", "--json")
    assert (code, json.loads(said)["song"]) == (0, "-")
    assert {path.name for path in Path("separated/stdin").iterdir()} == {"cluster-1.wav", "cluster-2.wav"}
    code, _, complaints = stems("cluster", "-", "--out", "-")
    assert code == 1 and "give --out a folder" in complaints


def test_a_terminal_takes_no_stem(given: Callable, stems: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given(song_of("WAV"))
    from stems.cli import standard_streams

    monkeypatch.setattr(standard_streams, "_to_terminal", lambda: True)
    code, _, complaints = stems("split", "-", "--stems", "bass", "--out", "-")
    assert code == 1 and "which is this terminal: send it on" in complaints


def test_a_terminal_is_no_song(given: Callable, stems: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    code, _, complaints = stems("split", "-")
    assert code == 1 and "send a song into it" in complaints


def test_progress_comes_as_lines_of_json(given: Callable, stems: Run, small_weights: Path) -> None:
    for name in ("a.wav", "b.wav"):
        soundfile.write(name, audio_of(2.0), 8_000)
    options = ("--model", small_weights, "--jobs", "1")
    code, said, complaints = stems("split", "a.wav", "b.wav", *options, "--json-progress")
    assert (code, complaints) == (0, "")
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(line["song"], line["status"]) for line in lines if line["status"] != "splitting"] == [
        ("a.wav", "done"), ("b.wav", "done"),
    ]  # fmt: skip
    for name in ("a.wav", "b.wav"):
        shares = [line["progress"] for line in lines if line["song"] == name and line["status"] == "splitting"]
        assert shares == sorted(set(shares)) and 2 <= len(shares) <= 11
        assert shares[0] == 0.0 and shares[-1] == 1.0
    code, said, _ = stems("split", "a.wav", *options, "--json", "--overwrite")
    assert code == 0 and len(said.splitlines()) == 1
