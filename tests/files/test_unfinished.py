"""Files that are being made: whole or not there, and left alone by other runs as long as their makers live."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stems.errors import ModelError, StemsError
from stems.files.destination import scratch, whole
from stems.files.unfinished import Unfinished, remove_abandoned

MAKE = """
import sys, time
from pathlib import Path
from stems.files.unfinished import Unfinished
for number in range(3):
    Unfinished(Path(sys.argv[1], f"file {number}"), is_folder=number == 1).path
    kept = Unfinished(Path(sys.argv[1], f"kept {number}"), is_folder=number == 1)
    globals()[f"kept{number}"] = kept
print("made", flush=True)
time.sleep(60)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("is_shared", [False, True])
def test_what_is_made_appears_whole_or_not_at_all(tmp_path: Path, is_folder: bool, is_shared: bool) -> None:
    for ending in ("discard", "finish"):
        made = Unfinished(tmp_path / "result", is_folder, is_shared)
        inside = made.path / "inside" if is_folder else made.path
        inside.write_text(ending)
        assert "result" not in names(tmp_path)
        getattr(made, ending)()
        made.discard()  # after which nothing changes
    assert names(tmp_path) == {"result"}
    assert (tmp_path / "result" / "inside" if is_folder else tmp_path / "result").read_text() == "finish"


@pytest.mark.parametrize("is_folder", [False, True])
def test_what_stood_there_is_replaced_or_stays(tmp_path: Path, is_folder: bool) -> None:
    def write(text: str, fails: bool) -> None:
        with whole(tmp_path / "result", is_folder=is_folder) as unfinished:
            (unfinished / "inside" if is_folder else unfinished).write_text(text)
            if fails:
                raise KeyboardInterrupt

    def text() -> str:
        return (tmp_path / "result" / "inside" if is_folder else tmp_path / "result").read_text()

    write("old", fails=False)
    with pytest.raises(KeyboardInterrupt):
        write("new", fails=True)
    assert (names(tmp_path), text()) == ({"result"}, "old")
    write("new", fails=False)
    assert (names(tmp_path), text()) == ({"result"}, "new")


def test_one_that_is_not_shared_is_made_by_one_run_alone(tmp_path: Path) -> None:
    first = Unfinished(tmp_path / "song", is_shared=False)
    with pytest.raises(FileExistsError):
        Unfinished(tmp_path / "song", is_shared=False)
    others = [Unfinished(tmp_path / "song") for _ in range(3)]
    assert len({other.path for other in others}) == 3
    for each in (first, *others):
        each.path.write_text(each.path.name)
        each.finish()
        assert (tmp_path / "song").read_text() == each.path.name
    assert names(tmp_path) == {"song"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_what_killed_runs_have_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    theirs = {".stems-song.wav", ".stems", "notes.partial", ".notes.partial", "stems-x.partial"}
    for name in theirs:
        (tmp_path / name).write_text("somebody's")
    mine = Unfinished(tmp_path / "mine")
    with subprocess.Popen([sys.executable, "-c", MAKE, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "made\n"
        before = names(tmp_path)
        remove_abandoned(tmp_path)
        assert names(tmp_path) == before and len(before) == len(theirs) + 1 + 6
        process.kill()
    with whole(tmp_path / "result"):
        assert len(names(tmp_path)) == len(theirs) + 2
    mine.finish()
    assert names(tmp_path) == theirs | {"mine", "result"}


def test_a_folder_that_was_to_be_replaced_when_the_run_was_killed_comes_back(tmp_path: Path) -> None:
    kept = tmp_path / ".stems-0.replaced" / "song ardour"
    kept.mkdir(parents=True)
    (kept / "session").write_text("mine")
    remove_abandoned(tmp_path)
    assert (tmp_path / "song ardour" / "session").read_text() == "mine"
    assert names(tmp_path) == {"song ardour"}


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for kind in (StemsError, ModelError):
        with pytest.raises(kind, match="result cannot be written"), whole(tmp_path / "file" / "result", kind):
            pass


def test_scratch_vanishes(tmp_path: Path) -> None:
    with scratch(tmp_path) as work:
        (work / "file").write_text("")
        assert work.parent == tmp_path
    assert not names(tmp_path)


def test_names_as_long_as_a_system_allows(tmp_path: Path) -> None:
    longest = 255 * "x"
    with whole(tmp_path / longest) as unfinished:
        unfinished.write_text("")
    assert names(tmp_path) == {longest}


@pytest.mark.skipif(sys.platform == "win32", reason="folders are locked elsewhere")
def test_runs_that_start_at_once_do_not_take_each_others_files(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom stems.files.destination import whole\n"
        "for n in range(100):\n"
        "    with whole(Path(sys.argv[1], f'{sys.argv[2]} {n}'), is_folder=n % 2) as made:\n"
        "        (made / 'x' if n % 2 else made).write_text('whole')\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(number)]) for number in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    assert len(names(tmp_path)) == 400
    assert all((path / "x" if path.is_dir() else path).read_text() == "whole" for path in tmp_path.iterdir())
