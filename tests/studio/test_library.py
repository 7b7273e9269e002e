"""Songs on disk: whole or not there, whatever they are called, and with one studio at a time."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studios import write_song

from stems.errors import AudioError, OptionError
from stems.hints import Hint
from stems.sensitivity import Sensitivity
from stems.separator import Separator
from stems.studio.encodings import Encodings
from stems.studio.library import Library, Wishes


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(["../../etc/x", "C:\\x", "con", "/a/b", ""])
)
def test_no_name_of_a_song_becomes_a_path(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("library")
    library = Library(folder / "studio")
    expected = ["studio/lock"]
    with suppress(AudioError), library.adding(f"{name}.wav") as (entry, file):  # "/.wav" is none
        file.write(b"RIFF")
        expected += [f"studio/songs/{entry.id}/song.json", f"studio/songs/{entry.id}/song.wav"]
    assert files_in(folder) == expected
    assert len(library.entries()) == (len(expected) > 1)
    library.close()


@pytest.mark.parametrize("name", ["song.exe", "song", "wav", "", ".wav.txt"])
def test_what_is_no_song_is_refused(tmp_path: Path, name: str) -> None:
    library = Library(tmp_path)
    with pytest.raises(AudioError, match="is no song"), library.adding(name):
        pass
    assert library.entries() == []


def test_a_song_that_does_not_arrive_leaves_nothing(tmp_path: Path) -> None:
    library = Library(tmp_path)
    with pytest.raises(RuntimeError), library.adding("song.wav") as (_, file):
        file.write(b"RIFF")
        raise RuntimeError
    assert files_in(tmp_path) == ["lock"]


def test_what_a_killed_studio_has_left_half_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "songs" / ".stems-0.partial").mkdir(parents=True)
    (tmp_path / "songs" / ".stems-0.partial" / "song.wav").write_bytes(b"RIFF")
    Library(tmp_path)
    assert files_in(tmp_path) == ["lock"]


HOLD = "import sys; from pathlib import Path; from stems.studio.library import Library; a = Library(Path(sys.argv[1]));\
 print(1, flush=True); input()"


def test_two_studios_do_not_share_a_folder_unless_one_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline()
    with pytest.raises(OptionError, match="Another studio"):
        Library(tmp_path)
    other.kill()
    other.wait()
    Library(tmp_path).close()


def test_hints_are_kept_as_the_command_line_takes_them(tmp_path: Path) -> None:
    from stems.hints import gather

    library = Library(tmp_path)
    entry = library.add(write_song(tmp_path / "Tune.wav"))
    wishes = Wishes((Hint.parse("vocals=1-2@300-900Hz"), Hint.parse("guitar=2-3.5")), Sensitivity.of("2,drums=0.5"))
    assert library.wishes(entry.id) == Wishes()
    library.keep_wishes(entry.id, wishes)
    assert library.wishes(entry.id) == wishes
    assert gather([library.hints_path(entry.id)], ("vocals",)) == wishes.hints
    library.close()
    again = Library(tmp_path)
    assert again.wishes(entry.id) == wishes
    again.hints_path(entry.id).write_text("what = is this")
    assert again.wishes(entry.id) == Wishes((), wishes.sensitivity)


def test_encodings_that_were_not_used_for_longest_make_room(tmp_path: Path, separator: Separator) -> None:
    from stems.files.audio import open_song

    song = write_song(tmp_path / "song.wav")
    with open_song(song) as audio:
        encoded = separator.encode(audio, 8_000)
    probe = Encodings(tmp_path / "probe", separator.model, 10**9)
    probe.keep("0", song, encoded)
    size = sum(path.stat().st_size for path in (tmp_path / "probe" / "0").iterdir())
    encodings = Encodings(tmp_path / "encodings", separator.model, round(3.5 * size))
    for key in "abc":
        encodings.keep(key, song, encoded)
        time.sleep(0.02)
    opened = encodings.open("a", song)
    assert opened is not None
    opened.close()
    encodings.keep("d", song, encoded)
    assert [key for key in "abcd" if encodings.has(key, song)] == ["a", "c", "d"]
    write_song(song, seed=1)
    assert not encodings.has("a", song) and encodings.open("a", song) is None
