"""The command line: what it writes, what it says, and how it stops."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stems.files.unfinished import PARTIAL_SUFFIX

NAMES = ("drums", "bass", "vocals", "other")
COMMAND = [sys.executable, "-c", "from stems.cli import main; main()"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def split(stems: Run, small_weights: Path) -> Run:
    """Runs `stems split` with the small model, in this process."""
    return lambda *arguments: stems("split", "--model", small_weights, "--jobs", "1", *arguments)


def song(
    path: str | Path,
    seconds: float = 0.7,
    rate: int = 8_000,
    channels: int = 2,
    subtype: str | None = "PCM_16",
    level: float = 0.5,
) -> np.ndarray:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(1).uniform(-level, level, (int(seconds * rate), channels))
    soundfile.write(path, audio, rate, subtype=subtype)
    return audio


def written(folder: str | Path = "separated") -> list[str]:
    """Every file below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def integers(path: str | Path) -> np.ndarray:
    return soundfile.read(path, dtype="int32")[0].astype(np.int64)


@pytest.mark.parametrize("container", ["wav", "aiff", "flac"])
@pytest.mark.parametrize("depth", [16, 24])
@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (96_000, 2)])
def test_stems_null_against_the_song_exactly(
    here: Path, split: Run, container: str, depth: int, rate: int, channels: int
) -> None:
    song(f"song.{container}", 0.6, rate, channels, f"PCM_{depth}", level=1.0)
    code, said, _ = split(f"song.{container}")
    assert (code, said.splitlines()[-1]) == (0, "1 done.")
    assert written() == sorted(f"song/{name}.{container}" for name in NAMES)
    for name in NAMES:
        before, after = (soundfile.info(path) for path in (f"song.{container}", f"separated/song/{name}.{container}"))
        for field in ("samplerate", "channels", "frames", "format", "subtype"):
            assert getattr(after, field) == getattr(before, field), field
    total = sum(integers(f"separated/song/{name}.{container}") for name in NAMES)
    assert np.array_equal(total, integers(f"song.{container}"))


@pytest.mark.parametrize(("container", "subtype"), [("wav", "FLOAT"), ("wav", "DOUBLE"), ("ogg", None), ("mp3", None)])
def test_stems_of_float_and_lossy_songs_null_below_120_db(
    here: Path, split: Run, container: str, subtype: str | None
) -> None:
    song(f"song.{container}", 2.0, 44_100, 2, subtype)
    assert split(f"song.{container}")[0] == 0
    total = sum(soundfile.read(f"separated/song/{name}.wav")[0] for name in NAMES)
    assert soundfile.info("separated/song/bass.wav").subtype == (subtype or "FLOAT")
    assert np.abs(total - soundfile.read(f"song.{container}")[0]).max() < 10 ** (-120 / 20)


def test_format_and_bit_depth(here: Path, split: Run) -> None:
    song("song.wav")
    for container, depth, subtype in (
        ("flac", "24", "PCM_24"), ("wav", "float", "FLOAT"), ("aiff", "32", "PCM_32"), ("ogg", None, "VORBIS"),
        ("mp3", None, "MPEG_LAYER_III"),
    ):  # fmt: skip
        options = ["--bit-depth", depth] if depth else []
        assert split("song.wav", "--format", container, *options)[0] == 0
        assert soundfile.info(f"separated/song/vocals.{container}").subtype == subtype


def test_two_stems_add_up_to_the_song(here: Path, split: Run) -> None:
    song("song.wav")
    assert split("song.wav", "--two-stems", "vocals")[0] == 0
    assert written() == ["song/instrumental.wav", "song/vocals.wav"]
    total = integers("separated/song/vocals.wav") + integers("separated/song/instrumental.wav")
    assert np.array_equal(total, integers("song.wav"))


def test_only_the_stems_asked_for_are_written(here: Path, split: Run) -> None:
    song("song.wav")
    assert split("song.wav", "--stems", "vocals, drums")[0] == 0
    assert written() == ["song/drums.wav", "song/vocals.wav"]


@pytest.mark.parametrize(
    ("preset", "files"),
    [
        ("karaoke", ["karaoke"]), ("acapella", ["acapella"]), ("rhythm", ["melody", "rhythm"]),
        ("drumless", ["drumless", "drums"]), ("bassless", ["bass", "bassless"]), ("remix", ["remix"]),
    ],
)  # fmt: skip
def test_presets_write_their_outputs_as_long_as_the_song(here: Path, split: Run, preset: str, files: list[str]) -> None:
    song("song.wav", 1.3, 44_100)
    assert split("song.wav", "--preset", preset)[0] == 0
    noted = ["song/hints.toml"] if preset == "remix" else []  # with which effects, lest others pass for them
    assert written() == noted + [f"song/{file}.wav" for file in files]
    for file in files:
        assert soundfile.info(f"separated/song/{file}.wav").frames == soundfile.info("song.wav").frames
    if len(files) > 1:
        assert np.array_equal(sum(integers(f"separated/song/{file}.wav") for file in files), integers("song.wav"))


def test_a_users_own_preset_and_names(here: Path, split: Run) -> None:
    song("song.wav")
    Path("loud.toml").write_text(
        '[outputs]\nloud = ["vocals"]\n[chains]\nvocals = [{ plugin = "Gain", gain_db = 6.0206 }]\n'
    )
    options = ("--out", "here/there", "--name", "{stem} of {track}.{ext}")
    assert split("song.wav", "--preset", "loud.toml", *options)[0] == 0
    assert split("song.wav", *options)[0] == 0
    assert written("here") == sorted(f"there/{stem} of song.wav" for stem in ("loud", *NAMES))
    loud, plain = (soundfile.read(f"here/there/{stem} of song.wav")[0] for stem in ("loud", "vocals"))
    quiet = np.abs(plain) < 0.45
    assert np.abs(loud - 2 * plain)[quiet].max() < 3 / 2**15


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ((), [*NAMES, "guitar"]),
        (("--stems", "guitar,vocals"), ["guitar", "vocals"]),
        (("--two-stems", "guitar"), ["guitar", "no-guitar"]),
        (("--two-stems", "vocals"), ["vocals", "instrumental"]),
        (("--preset", "drumless"), ["drums", "drumless"]),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_own_stems_are_written_and_still_add_up(
    here: Path, split: Run, options: tuple[str, ...], files: list[str], channels: int
) -> None:
    song("song.wav", 2.0, 22_050, channels)
    Path("mine.toml").write_text('vocals = ["0:00.2-0:01@200-4000Hz"]\n')
    hints = ("--hint", "mine.toml", "--hint", "guitar=0:01-0:01.9")
    code, said, complaints = split("song.wav", *hints, *options)
    assert (code, complaints, said.splitlines()[-1]) == (0, "", "1 done.")
    assert written() == sorted(["song/hints.toml", *(f"song/{file}.wav" for file in files)])
    if "--stems" not in options:
        assert np.array_equal(sum(integers(f"separated/song/{file}.wav") for file in files), integers("song.wav"))
    assert "skipped" in split("song.wav", *hints, *options)[1]


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        (["vocals"], "write vocals=0:31-0:35.5"),
        (["vocals=0-1", "drums=0:00.5-0:02"], "give the same sound to two stems"),
        (["vocals=0:05-0:06"], "lies outside of the song"),
        (["nosuch.toml"], "nosuch.toml cannot be read"),
        (["drum=0-1"], "write drums"),
    ],
)
def test_hints_that_cannot_be_followed_say_why(here: Path, split: Run, hints: list[str], message: str) -> None:
    song("song.wav", 2.0)
    code, said, complaints = split("song.wav", *(part for hint in hints for part in ("--hint", hint)))
    assert code == 1 and message in " ".join((said + complaints).split())
    assert written() == []


def test_sensitivity_changes_the_stems(here: Path, split: Run) -> None:
    song("song.wav")
    for sensitivity in (0.1, 10):
        assert split("song.wav", "--sensitivity", sensitivity, "--out", sensitivity)[0] == 0
    soft, hard = (soundfile.read(f"{sensitivity}/song/vocals.wav")[0] for sensitivity in (0.1, 10))
    quarter = soundfile.read("song.wav")[0] / 4
    assert np.square(soft - quarter).mean() < 0.1 * np.square(hard - quarter).mean()


def test_a_batch_in_plain_lines_and_in_json(here: Path, split: Run) -> None:
    for path in ("m/a.wav", "m/x/b.flac"):
        song(path)
    Path("m/broken.wav").write_text("no audio")
    code, said, complaints = split("m")
    assert (code, complaints) == (1, "")
    lines = said.splitlines()
    assert [line[:5] for line in lines] == ["[1/3]", "[2/3]", "[3/3]", "2 don"]
    assert re.fullmatch(r"\[1/3\] m/a\.wav -> separated/a \(0:00 in \d+\.\d s, \d+x\)", lines[0])
    assert "failed: m/broken.wav is not audio" in lines[1]
    assert lines[3] == "2 done, 1 failed."
    assert "\x1b" not in said and "\r" not in said
    assert written() == sorted(f"{place}.{ext}" for name in NAMES for place, ext in
                               ((f"a/{name}", "wav"), (f"x/b/{name}", "flac")))  # fmt: skip
    code, said, complaints = split("m", "--json")
    assert (code, complaints) == (1, "")
    first, second, third = map(json.loads, said.splitlines())
    assert [line["status"] for line in (first, second, third)] == ["skipped", "failed", "skipped"]
    assert third["song"] == "m/x/b.flac"
    assert third["outputs"] == {name: f"separated/x/b/{name}.flac" for name in NAMES}
    assert "is not audio" in second["error"]
    code, said, _ = split("m/a.wav", "--json", "--overwrite")
    assert (json.loads(said)["status"], json.loads(said)["seconds"]) == ("done", 0.7)
    assert split("m/a.wav")[1].startswith("[1/1] skipped m/a.wav")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(here: Path, split: Run) -> None:
    song("a.wav")
    song("b.ogg", subtype=None)
    split("a.wav")
    before = written()
    code, said, _ = split("a.wav", "b.ogg", "nosuch.wav", "--dry-run", "--stems", "bass")
    assert code == 1
    assert said.splitlines() == [
        "would skip a.wav", "    separated/a/bass.wav", "would split b.ogg", "    separated/b/bass.wav",
        "would fail: nosuch.wav does not exist: check its name.",
    ]  # fmt: skip
    code, said, _ = split("b.ogg", "--dry-run", "--json", "--format", "flac")
    assert code == 0
    assert json.loads(said)["status"] == "would split"
    assert json.loads(said)["outputs"] == {name: f"separated/b/{name}.flac" for name in NAMES}
    assert written() == before


def broken(kind: str) -> str:
    """A song that cannot be split, and its path."""
    path = Path("bad.wav")
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("This is no audio.\n" * 100)
    elif kind == "zeros":
        path.write_bytes(bytes(10_000))
    elif kind == "header only":
        soundfile.write(path, np.zeros((0, 2)), 8_000)
    elif kind == "three channels":
        song(path, channels=3)
    elif kind == "slow":
        song(path, rate=4_000)
    elif kind == "fast":
        song(path, rate=384_000, seconds=0.01)
    elif kind in ("nan", "infinite"):
        audio = np.zeros((30_000, 2), np.float32)
        audio[29_000, 1] = np.nan if kind == "nan" else np.inf
        soundfile.write(path, audio, 8_000, subtype="FLOAT")
    elif kind == "truncated flac":
        song("whole.flac", 3)
        path = Path("bad.flac")
        path.write_bytes(Path("whole.flac").read_bytes()[:30_000])
    elif kind == "noise mp3":
        path = Path("bad.mp3")
        path.write_bytes(np.random.default_rng(0).bytes(20_000))
    elif kind == "damaged flac":
        song("whole.flac", 3)
        path, content = Path("bad.flac"), bytearray(Path("whole.flac").read_bytes())
        content[20_000:30_000] = bytes(10_000)
        path.write_bytes(content)
    elif kind == "picture":
        path = Path("bad.png")
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "broken link":
        path.symlink_to("nowhere.wav")
    return str(path)  # "missing" needs nothing


KINDS = (
    "missing", "empty", "text", "zeros", "header only", "three channels", "slow", "fast", "nan", "infinite",
    "truncated flac", "damaged flac", "noise mp3", "picture", "pipe", "broken link",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_song_fails_in_one_sentence_and_the_others_are_done(here: Path, split: Run, kind: str) -> None:
    if kind == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes with names on Windows")
    path = broken(kind)
    song("before.wav")
    song("then.wav")
    code, said, complaints = split("before.wav", path, "then.wav")
    assert (code, complaints) == (1, "")
    first, failure, third, summary = said.splitlines()
    assert "before.wav ->" in first and "then.wav ->" in third
    assert summary == "2 done, 1 failed."
    sentence = failure.removeprefix("[2/3] failed: ")
    assert sentence.startswith(path)
    assert re.fullmatch(r"[^\n]{10,160}[^.]\.", sentence), sentence
    assert ": " in sentence  # the remedy
    assert written() == sorted(f"{track}/{name}.wav" for track in ("before", "then") for name in NAMES)
    assert not Path(f"separated/{Path(path).stem}").exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--stems", "vocals,piano"], ["'piano'", *NAMES]),
        (["--stems", ","], ["--stems", *NAMES]),
        (["--two-stems", "piano"], ["'piano'", *NAMES]),
        (["--preset", "nosuch"], ["'nosuch'", "karaoke", ".toml"]),
        (["--preset", "karaoke", "--stems", "bass"], ["--preset", "--stems", "give one"]),
        (["--name", "{track}.{ext}"], ["--name", "{stem}"]),
        (["--name", "{artist}/{stem}.{ext}"], ["{artist}", "{track}"]),
        (["--name", "../{stem}.{ext}"], ["--out"]),
        (["--name", "{stem}"], ["{ext}"]),
        (["--format", "flac", "--bit-depth", "float"], ["flac", "float", "wav"]),
        (["--format", "mp3", "--bit-depth", "16"], ["mp3", "16"]),
        (["--out", "song.wav"], ["--out song.wav", "is a file"]),
        (["--model", "nosuch"], ["'nosuch'", "openband"]),
        (["--model", "song.wav"], ["song.wav", "song.json"]),
        (["--model", 300 * "x"], [300 * "x", "openband"]),
        (["empty folder"], ["empty folder", "holds no songs"]),
        (["no*.wav"], ["no*.wav", "holds no songs"]),
    ],
)
def test_impossible_options_are_one_sentence_before_any_work(
    here: Path, stems: Run, small_weights: Path, arguments: list[str], parts: list[str]
) -> None:
    song("song.wav")
    Path("empty folder").mkdir()
    for more in ([], ["--dry-run"]):
        model = [] if "--model" in arguments else ["--model", small_weights]
        code, said, complaints = stems("split", "song.wav", *arguments, *model, *more)
        assert (code, said) == (1, "")
        assert complaints.startswith("stems: ")
        assert complaints.count("\n") == 1
        for part in parts:
            assert part in complaints
    assert not Path("separated").exists()


def test_single_stems_have_sensitivities_of_their_own(here: Path, split: Run) -> None:
    song("song.wav")
    assert split("song.wav", "--sensitivity", "vocals=8,drums=0.2", "--out", "own")[0] == 0
    assert split("song.wav", "--out", "usual")[0] == 0
    own, usual = ({p.stem: soundfile.read(p)[0] for p in Path(out, "song").glob("*.wav")} for out in ("own", "usual"))
    assert np.square(own["vocals"]).sum() < np.square(usual["vocals"]).sum()
    np.testing.assert_allclose(sum(own.values()), soundfile.read("song.wav")[0], atol=1e-9)
    code, _, complaints = split("song.wav", "--sensitivity", "vocal=2", "--overwrite")
    assert (code, "did you mean 'vocals'?" in complaints) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [["--format", "wma"], ["--bit-depth", "12"], ["--sensitivity", "11"], ["--sensitivity", "0"], ["--jobs", "0"],
     ["--device", "tpu"], ["--nosuch"], ["--sensitivity", "high"]],
)  # fmt: skip
def test_options_out_of_range_are_usage_errors(here: Path, split: Run, arguments: list[str]) -> None:
    song("song.wav")
    code, said, complaints = split("song.wav", *arguments)
    assert (code, said) == (2, "")
    assert arguments[0] in complaints
    assert not Path("separated").exists()


def test_a_damaged_model_or_missing_device_is_one_sentence_for_the_whole_batch(
    here: Path, stems: Run, small_weights: Path
) -> None:
    import torch

    song("a.wav")
    song("b.wav")
    Path("m.safetensors").write_bytes(small_weights.read_bytes()[:-1])
    Path("m.json").write_bytes(small_weights.with_suffix(".json").read_bytes())
    cases = [(["--model", "m.safetensors"], "m.safetensors is damaged")]
    if not torch.cuda.is_available():
        cases.append((["--model", str(small_weights), "--device", "cuda"], "no cuda device"))
    for options, message in cases:
        for jobs in ("1", "2"):
            code, said, complaints = stems("split", "a.wav", "b.wav", "--jobs", jobs, *options)
            assert (code, said) == (1, "")
            assert complaints.startswith("stems: ") and complaints.count("\n") == 1 and message in complaints
    assert not Path("separated").exists()


def start(weights: Path, *arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "split", "--model", str(weights), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,  # type: ignore[call-overload]
    )


def test_songs_are_shared_by_two_jobs(here: Path, small_weights: Path) -> None:
    for name in "abc":
        song(f"m/{name}.wav")
    Path("m/broken.wav").write_text("no audio")
    with start(small_weights, "m", "--jobs", "2", "--json") as process:
        said, complaints = process.communicate()
    assert (process.returncode, complaints) == (1, "")
    status = {line["song"]: line["status"] for line in map(json.loads, said.splitlines())}
    assert status == {"m/a.wav": "done", "m/b.wav": "done", "m/c.wav": "done", "m/broken.wav": "failed"}
    for name in "abc":
        total = sum(integers(f"separated/{name}/{stem}.wav") for stem in NAMES)
        assert np.array_equal(total, integers(f"m/{name}.wav"))
    assert len(written()) == 12


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing on Windows")
@pytest.mark.parametrize("command", ["split drums.wav", "watch .", "studio drums.wav", "evaluate --songs ."])
def test_a_model_without_names_is_for_clustering(here: Path, stems: Run, command: str) -> None:
    song("drums.wav")
    code, _, complaint = stems(*command.split(), "--model", "voices")
    assert code and "stems cluster SONG --model voices" in complaint
    assert {path.name for path in here.iterdir()} == {"drums.wav"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_stops_at_once_and_leaves_no_partial_file(here: Path, small_weights: Path, jobs: int) -> None:
    for name in "ab":
        song(f"m/{name}.wav", 600)
    with start(small_weights, "m", "--jobs", str(jobs)) as process:
        while process.poll() is None and len(list(Path("separated").rglob(f".*{PARTIAL_SUFFIX}"))) < 4 * jobs:
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process
        said, complaints = process.communicate()
    assert process.returncode == 130
    assert said == ""
    assert complaints == "stems: stopped, unfinished files were removed; the same command goes on from here.\n"
    assert written() == []
    assert not list(Path("separated").glob("*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing on Windows")
def test_ctrl_c_does_not_wait_for_workers_that_are_still_loading(here: Path, small_weights: Path) -> None:
    for name in "ab":
        song(f"m/{name}.wav")
    Path("slow").mkdir()
    Path("slow/torch.py").write_text(
        "open(f'loading {__import__(\"os\").getpid()}', 'w')\n__import__('time').sleep(3600)"
    )
    with start(small_weights, "m", "--jobs", "2", env={**os.environ, "PYTHONPATH": "slow"}) as process:
        while process.poll() is None and len(list(here.glob("loading*"))) < 2:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        said, complaints = process.communicate()
    assert (process.returncode, said) == (130, "")
    assert complaints == "stems: stopped, unfinished files were removed; the same command goes on from here.\n"
    assert not Path("separated").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals on Windows")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_terminal_shows_bars_and_a_table(here: Path, small_weights: Path, jobs: str) -> None:
    import pty

    for name in ("song [live]", "song [/b]", "plain"):
        song(f"m/{name.replace('/', '_')}.wav", 30)
    song("m[/x].wav", 30)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"}
    command = [*COMMAND, "split", "--model", str(small_weights), "m", "m[/x].wav", "nosuch.wav", "--jobs", jobs]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
    os.close(ours)
    text = said.decode()
    assert process.returncode == 1, text
    assert "━" in text
    assert "5 songs" in text
    assert re.search(r"song \[live\]\s+[━╸╺ ]+\s*\d+ %", text)
    assert re.search(r"\d+x", text) and re.search(r"0:00:\d\d", text)
    assert "failed: nosuch.wav does not exist: check its name." in text
    table = text[text.rindex("┏") :] if "┏" in text else text
    for row in ("m/song [live].wav", "m[/x].wav", "nosuch.wav", "4 done, 1 failed."):
        assert row in table


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the other side is closed
        return b""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["split", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom stems.cli import main\nsys.argv = ['stems', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(sorted({'torch', 'musdb', 'matplotlib', 'scipy', 'pedalboard', 'museval'} & set(sys.modules)))"
    )
    said = subprocess.check_output([sys.executable, "-c", script, *arguments], text=True)
    assert said.splitlines()[-1] == "[]"
    assert len(said.splitlines()) > 1


def test_only_the_workers_of_a_batch_load_torch(tmp_path: Path, small_weights: Path) -> None:
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", np.random.default_rng(number).uniform(-0.1, 0.1, 8000), 8000)
    script = (
        "import sys\nfrom stems.cli import main\nif __name__ == '__main__':\n    try:\n        main()\n"
        "    except SystemExit as end:\n        assert not end.code\n    print({'torch'} & set(sys.modules))"
    )
    arguments = ["split", tmp_path, "--out", tmp_path / "out", "--model", small_weights, "--jobs", "2", "--json"]
    (tmp_path / "batch.py").write_text(script)
    said = subprocess.check_output([sys.executable, tmp_path / "batch.py", *arguments], text=True)
    assert said.splitlines()[-1] == "set()"
    assert all(json.loads(line)["confidence"] for line in said.splitlines()[:-1])


def test_importing_stems_loads_nothing_heavy() -> None:
    script = "import stems, sys\nprint(stems.__version__, {'torch', 'numpy', 'musdb', 'matplotlib'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).endswith(" set()\n")


def test_the_package_shows_its_rooms() -> None:
    import stems as package
    from stems.separator import Separator

    assert package.Separator is Separator
    assert {"Separator", "Model"} <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = package.nosuch


def test_what_there_is(stems: Run, small_weights: Path) -> None:
    code, said, _ = stems("presets")
    assert code == 0
    for name in ("stems", "karaoke", "acapella", "drumless", "bassless", "rhythm", "remix"):
        assert re.search(rf"^{name} +\w", said, re.MULTILINE)
    code, said, _ = stems("models")
    assert code == 0
    assert re.search(r"^openband ", said, re.MULTILINE) and "licence" in said
    code, said, _ = stems("info", "--model", small_weights)
    assert code == 0
    for part in ("stems ", "Python", "torch", "device: ", "ffmpeg", str(small_weights), "sha256", "licence: CC0"):
        assert part in said
    code, _, complaints = stems("info", "--model", "nosuch")
    assert code == 1 and "openband" in complaints
    assert stems("--version")[1].startswith("stems ")


@pytest.mark.parametrize(
    ("arguments", "package"),
    [
        (["evaluate", "--songs", "."], "scipy"),
        (["evaluate", "--songs", "."], "matplotlib"),
        (["evaluate", "--songs", ".", "--engine", "museval"], "museval"),
        (["train", "recipe.toml"], "scipy"),
        (["train", "recipe.toml"], "matplotlib"),
        (["split", "song.wav", "--bpm", "auto"], "librosa"),
        (["export", "separated/song", "--bpm", "auto"], "librosa"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_remedy(
    here: Path, stems: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], package: str
) -> None:
    from stems.cli import extras

    found = extras.find_spec
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == package else found(name))
    code, said, complaints = stems(*arguments)
    extra = "tempo" if package == "librosa" else arguments[0]
    assert (code, said) == (1, "")
    assert f"needs {package}: pip install 'openband-stems[{extra}]'" in complaints and complaints.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_log_that_is_full_ends_no_batch(here: Path, small_weights: Path) -> None:
    for name in "ab":
        song(f"m/{name}.wav")
    with open("/dev/full", "w") as full:
        command = [*COMMAND, "split", "m", "--model", str(small_weights), "--jobs", "1"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "stems: what it had to say could not be written; see whether the disk of the log is full.\n"
    assert len(written()) == 8


def test_a_reader_that_goes_away_is_no_full_disk(here: Path) -> None:
    with subprocess.Popen([*COMMAND, "presets"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        complaints = process.stderr.read()
    assert (process.returncode, complaints) == (1, "stems: what it had to say was not read to the end.\n")


def test_names_that_the_output_cannot_hold_end_no_batch(here: Path, small_weights: Path) -> None:
    for name in ("Песня", "a\x1b[31mb" if sys.platform != "win32" else "b", "plain"):
        song(f"m/{name}.wav")
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [*COMMAND, "split", "m", "--model", str(small_weights), "--jobs", "1"]
    done = subprocess.run(command, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\\u041f" in done.stdout and b"\x1b" not in done.stdout
    assert len(written()) == 12


def test_what_a_folder_holds_and_is_not_taken_is_said(here: Path, stems: Run, small_weights: Path) -> None:
    song("m/a.wav")
    Path("m/b.shn").write_bytes(b"")
    for options in ([], ["--dry-run"]):
        code, said, _ = stems("split", "m", "--model", small_weights, "--json", *options)
        lines = {line["song"]: line for line in map(json.loads, said.splitlines())}
        assert code == 0 and set(lines) == {"m/a.wav", "m/b.shn"}
        assert lines["m/b.shn"]["status"] == "passed over" and "convert it" in lines["m/b.shn"]["error"]
        code, said, _ = stems("split", "m", "--model", small_weights, "--overwrite", *options)
        assert code == 0 and "passed over m/b.shn" in said


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM on Windows")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_other_signals_stop_as_ctrl_c_does(here: Path, small_weights: Path, jobs: int, number: str) -> None:
    for name in "ab":
        song(f"m/{name}.wav", 600)
    with start(small_weights, "m", "--jobs", str(jobs)) as process:
        while process.poll() is None and len(list(Path("separated").rglob(f".*{PARTIAL_SUFFIX}"))) < 4 * jobs:
            time.sleep(0.02)
        os.killpg(process.pid, getattr(signal, number))
        _, complaints = process.communicate()
    assert process.returncode == 128 + getattr(signal, number)
    assert complaints == "stems: stopped, unfinished files were removed; the same command goes on from here.\n"
    assert not list(Path("separated").glob("*"))


def test_jobs_can_be_shared_out_from_any_thread(here: Path, small_weights: Path) -> None:
    for name in "abc":
        song(f"m/{name}.wav")
    Path("program.py").write_text(
        "import sys, threading\n"
        "from stems.batch.plan import Settings, plan\n"
        "from stems.batch.presets import load_preset\n"
        "from stems.batch.workers import split_all\n"
        "def work():\n"
        "    settings = Settings(load_preset('stems'), model=sys.argv[1])\n"
        "    ends = []\n"
        "    tasks = plan(['m'], settings)\n"
        "    split_all(tasks, settings, 2, on_result=lambda number, result: ends.append(result.status))\n"
        "    print(ends)\n"
        "if __name__ == '__main__':\n"
        "    thread = threading.Thread(target=work)\n"
        "    thread.start()\n"
        "    thread.join()\n"
    )
    done = subprocess.run([sys.executable, "program.py", str(small_weights)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("['done', 'done', 'done']\n", "")


def test_stems_of_any_model_can_be_named(here: Path, stems: Run, small_weights: Path) -> None:
    song("a.wav")
    card = json.loads(small_weights.with_suffix(".json").read_text())
    card["design"]["stems"] = ["lead", "choir", "band", "rest"]
    Path("own.json").write_text(json.dumps(card))
    Path("own.safetensors").write_bytes(small_weights.read_bytes())
    assert stems("split", "a.wav", "--model", "own.safetensors")[0] == 0
    assert {path.stem for path in Path("separated/a").iterdir()} == set(card["design"]["stems"])
    assert stems("split", "a.wav", "--model", "own.safetensors", "--stems", "lead", "--out", "o")[0] == 0
    assert "choose from lead, choir" in stems("split", "a.wav", "--model", "own.safetensors", "--stems", "vocals")[2]


def test_a_page_that_cannot_be_written_is_refused_before_the_work(here: Path, stems: Run) -> None:
    song("a.wav")
    Path("file").write_text("")
    code, _, complaint = stems("report", "a.wav", "--out", "file/page.html", "--model", "nosuch")
    assert code == 1 and "page.html cannot be written" in complaint
