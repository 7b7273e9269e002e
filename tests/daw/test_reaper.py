from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from split_songs import ODD_NAMES, Split

from stems.daw import reaper
from stems.daw.colours import PALETTE
from stems.daw.session import Marker, session_in
from stems.errors import ExportError

rpp = pytest.importorskip("rpp")


def read(path: Path) -> Any:
    return rpp.loads(path.read_text(encoding="utf-8"))


def value(element: Any, *keys: str) -> list[str]:
    """Return the words behind the last of a chain of keys."""
    for key in keys:
        element = element.find(f".//{key}")
    return element[1:]


def render(path: Path, length: int, channels: int, rate: int) -> np.ndarray:
    """Play a REAPER project: every item of every track that is not muted."""
    output = np.zeros((length, channels))
    for track in read(path).findall(".//TRACK"):
        item = track.find("ITEM")
        if item is None or value(track, "MUTESOLO")[0] == "1":
            continue
        assert [float(word) for word in value(track, "VOLPAN")[:2]] == [1, 0]
        assert [float(word) for word in value(item, "FADEIN")[1:3] + value(item, "FADEOUT")[1:3]] == [0, 0, 0, 0]
        samples, found_rate = soundfile.read(path.parent / value(item, "SOURCE", "FILE")[0], always_2d=True)
        assert found_rate == rate
        start = round(float(value(item, "POSITION")[0]) * rate)
        count = round(float(value(item, "LENGTH")[0]) * rate)
        output[start : start + count] += samples[:count]
    return output


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (192_000, 2)])
@pytest.mark.parametrize("start", [0, 1, 4_410])
def test_it_plays_the_mixture(make_split: Callable, tmp_path: Path, rate: int, channels: int, start: int) -> None:
    split = make_split(rate=rate, channels=channels)
    project = tmp_path / "projects" / "song.rpp"
    reaper.write(replace(session_in(split.folder, split.song), start=start), project)
    played = render(project, start + len(split.mixture), channels, rate)
    np.testing.assert_allclose(played[start:], split.mixture, atol=1e-12)


def test_the_project_moves_with_its_stems(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    reaper.write(session_in(split.folder), split.folder / "song.rpp")
    moved = split.folder.rename(tmp_path / "elsewhere")
    np.testing.assert_allclose(render(moved / "song.rpp", 20_011, 2, 44_100), split.mixture, atol=1e-12)


def test_stems_lie_in_a_folder_and_the_mixture_outside(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    reaper.write(session_in(split.folder, split.song), tmp_path / "song.rpp")
    tracks = read(tmp_path / "song.rpp").findall(".//TRACK")
    assert [value(track, "NAME")[0] for track in tracks] == ["song", "drums", "bass", "other", "vocals", "mixture"]
    depths = np.cumsum([int(value(track, "ISBUS")[1]) for track in tracks])
    assert depths.tolist() == [1, 1, 1, 1, 0, 0]
    assert len({track.attrib[0] for track in tracks}) == len(tracks)
    for track in tracks[1:5]:
        colour = int(value(track, "PEAKCOL")[0])
        red, green, blue = colour & 255, colour >> 8 & 255, colour >> 16 & 255
        assert f"#{red:02X}{green:02X}{blue:02X}" == PALETTE[value(track, "NAME")[0]]
        assert colour >> 24 == 1


def test_tempo_and_markers(make_split: Callable, tmp_path: Path) -> None:
    session = replace(
        session_in(make_split().folder),
        tempo_bpm=98.5,
        time_signature=(7, 8),
        start=100,
        markers=(Marker("Vers'", 44_000), Marker('"Chorus"', 88_100, length=44_100)),
    )
    reaper.write(session, tmp_path / "song.rpp")
    project = read(tmp_path / "song.rpp")
    assert value(project, "TEMPO") == ["98.5", "7", "8"]
    assert project.findall("MARKER") == [
        ["MARKER", "1", "1.0", "Vers'", "0"],
        ["MARKER", "2", "2.0", '"Chorus"', "1"],
        ["MARKER", "2", "3.0", "", "1"],
    ]
    reaper.write(replace(session, tempo_bpm=None), tmp_path / "song.rpp")
    assert read(tmp_path / "song.rpp").find("TEMPO") is None


def test_odd_names_survive(make_split: Callable, tmp_path: Path) -> None:
    names = [*ODD_NAMES, "Kick", "kick", "\"'", "'`", '`"', "|pipe", "#1", "<tag", ">"]
    split = make_split(names, song="two words")
    reaper.write(session_in(split.folder), tmp_path / "song.rpp")
    tracks = read(tmp_path / "song.rpp").findall(".//TRACK")
    assert {value(track, "NAME")[0] for track in tracks[1:]} == set(names)
    np.testing.assert_allclose(render(tmp_path / "song.rpp", 20_011, 2, 44_100), split.mixture, atol=1e-12)


@pytest.mark.parametrize("name", ["\"'`", "line\nbreak"])
def test_paths_that_reaper_cannot_name_are_refused(make_split: Callable, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match="rename it"):
        reaper.write(session_in(make_split([name]).folder), tmp_path / "song.rpp")
    assert not (tmp_path / "song.rpp").exists()


REAPER_IN_LUA = r"""
-- As much of REAPER as the script calls, keeping tracks, items and takes as tables.
local host = { tracks = {}, items = {}, messages = {}, undo = {} }
local function insert(index)
  local track = { values = { I_FOLDERDEPTH = 0 }, text = {}, items = {} }
  table.insert(host.tracks, index + 1, track)
  return track
end
function host.item(index, path, values, take_values, source)
  local track = host.tracks[index + 1] or insert(index)
  local take = { values = take_values, source = source or { kind = "WAVE", path = path }, text = {} }
  local item = { track = track, values = values, take = take }
  table.insert(track.items, item)
  table.insert(host.items, item)
  return item
end
reaper = {
  ShowMessageBox = function(text) table.insert(host.messages, text) end,
  CountSelectedMediaItems = function() return #host.items end,
  GetSelectedMediaItem = function(_, index) return host.items[index + 1] end,
  GetActiveTake = function(item) return item.take end,
  TakeIsMIDI = function(take) return take.source.kind == "MIDI" end,
  GetMediaItemTake_Source = function(take) return take.source end,
  GetMediaSourceType = function(source) return source.kind end,
  GetMediaSourceParent = function(source) return source.parent end,
  GetMediaSourceFileName = function(source) return source.path end,
  PCM_Source_GetSectionInfo = function(source) return true, source.offset, source.length, source.reversed end,
  GetProjectPath = function() return project_path end,
  genGuid = function() return "{00000000-1111}" end,
  EnumerateFiles = function(folder, index) return list(folder)[index] end,
  GetMediaItem_Track = function(item) return item.track end,
  GetMediaTrackInfo_Value = function(track, key)
    if key ~= "IP_TRACKNUMBER" then return track.values[key] end
    for number, other in ipairs(host.tracks) do if other == track then return number + 0.0 end end
  end,
  SetMediaTrackInfo_Value = function(track, key, new) track.values[key] = new end,
  InsertTrackAtIndex = insert,
  GetTrack = function(_, index) return host.tracks[index + 1] end,
  GetSetMediaTrackInfo_String = function(track, key, text) track.text[key] = text end,
  ColorToNative = function(red, green, blue) return red | green << 8 | blue << 16 end,
  SetTrackColor = function(track, colour) track.colour = colour end,
  AddMediaItemToTrack = function(track)
    local item = { track = track, values = {} }
    table.insert(track.items, item)
    return item
  end,
  AddTakeToMediaItem = function(item) item.take = { values = {}, text = {} } return item.take end,
  PCM_Source_CreateFromFile = function(path) return { kind = "WAVE", path = path } end,
  SetMediaItemTake_Source = function(take, source) take.source = source end,
  GetSetMediaItemTakeInfo_String = function(take, key, text) take.text[key] = text end,
  GetMediaItemInfo_Value = function(item, key) return item.values[key] or 0 end,
  SetMediaItemInfo_Value = function(item, key, new) item.values[key] = new end,
  GetMediaItemTakeInfo_Value = function(take, key) return take.values[key] or 0 end,
  SetMediaItemTakeInfo_Value = function(take, key, new) take.values[key] = new end,
  Undo_BeginBlock = function() table.insert(host.undo, "begin") end,
  Undo_EndBlock = function() table.insert(host.undo, "end") end,
  UpdateArrange = function() end,
}
io.popen = function(line) -- this Lua is built without it
  local code, output = table.unpack(shell(line))
  return {
    read = function() return output end,
    close = function() if code == 0 then return true, "exit", 0 end return nil, "exit", code end,
  }
end
return host
"""

FAKE_STEMS = """#!{python}
import pathlib, shutil, sys
assert sys.argv[1] == "split" and sys.argv[5:] == ["--name", "{{stem}}.{{ext}}", "--format", "wav"], sys.argv
if "broken" in sys.argv[2]:
    sys.exit("broken.wav is no audio; try another.")
folder = pathlib.Path(sys.argv[4])
folder.mkdir(parents=True)
for name in ("vocals", "zither", "drums", "other", "bass"):
    shutil.copy(sys.argv[2], folder / (name + ".wav"))
(folder / "notes.txt").write_text("not a stem")
"""


class Host:
    """A REAPER of our own that runs the script in a real Lua."""

    def __init__(self, project: Path) -> None:
        lupa = pytest.importorskip("lupa.lua54")
        self.lua = lupa.LuaRuntime()
        self.project = project
        self.command = project / "bin 'of' \"é\"" / "stems"
        self.command.parent.mkdir(parents=True)
        self.command.write_text(FAKE_STEMS.format(python=sys.executable))
        self.command.chmod(0o755)
        self.lua.globals().project_path = str(project)
        self.lua.globals().list = self.list
        self.lua.globals().shell = self.shell
        self.state = self.lua.execute(REAPER_IN_LUA)

    def table(self, **values: object) -> Any:
        return self.lua.table_from(values)

    def list(self, folder: str) -> Any:
        names = sorted(path.name for path in Path(folder).iterdir())
        return self.lua.table_from(dict(enumerate(names)))

    def shell(self, line: str) -> Any:
        done = subprocess.run(line, shell=True, stdout=subprocess.PIPE, text=True)
        return self.lua.table_from([done.returncode, done.stdout])

    def run(self) -> None:
        self.lua.execute(reaper.script(str(self.command)))

    @property
    def tracks(self) -> list[Any]:
        return list(self.state.tracks.values())


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for stems is a shell script")
class TestScript:
    @pytest.fixture
    def host(self, tmp_path: Path) -> Host:
        return Host(tmp_path)

    @pytest.mark.parametrize("name", ["song", *ODD_NAMES[:-1]])
    def test_stems_come_under_the_item(self, host: Host, make_split: Callable, name: str) -> None:
        split: Split = make_split()
        song = split.song.rename(split.song.with_name(f"{name}.wav"))
        item = host.state.item(
            0,
            str(song),
            host.table(D_POSITION=12.5, D_LENGTH=3.25, D_FADEINLEN=0.5, D_VOL=0.7),
            host.table(D_STARTOFFS=1.5, D_PLAYRATE=0.5, D_PITCH=-2),
        )
        host.run()
        assert list(host.state.messages.values()) == []
        parent, *stems = host.tracks
        assert [track.text.P_NAME for track in stems] == ["drums", "bass", "other", "vocals", "zither"]
        assert [track["values"].I_FOLDERDEPTH for track in [parent, *stems]] == [1, 0, 0, 0, 0, -1]
        assert item["values"].B_MUTE == 1
        for track in stems:
            new = track["items"][1]
            for key in ("D_POSITION", "D_LENGTH", "D_FADEINLEN", "D_VOL"):
                assert new["values"][key] == item["values"][key]
            for key in ("D_STARTOFFS", "D_PLAYRATE", "D_PITCH"):
                assert new.take["values"][key] == item.take["values"][key]
            assert Path(new.take.source.path).read_bytes() == song.read_bytes()
        red, green, blue = bytes.fromhex(PALETTE["drums"][1:])
        assert stems[0].colour == red | green << 8 | blue << 16
        assert list(host.state.undo.values()) == ["begin", "end"]

    def test_sections_keep_their_place(self, host: Host, make_split: Callable) -> None:
        source = host.table(kind="WAVE", path=str(make_split().song))
        for offset in (2.0, 0.25):
            source = host.table(kind="SECTION", offset=offset, length=1, reversed=False, parent=source)
        host.state.item(0, "", host.table(), host.table(D_STARTOFFS=0.5), source)
        host.run()
        assert host.tracks[1]["items"][1].take["values"].D_STARTOFFS == 2.75

    @pytest.mark.parametrize("depth", [1, 0, -1, -2])
    def test_tracks_below_stay_where_they_were(self, host: Host, make_split: Callable, depth: int) -> None:
        host.state.item(0, str(make_split().song), host.table(), host.table())
        host.tracks[0]["values"].I_FOLDERDEPTH = depth
        host.run()
        assert sum(track["values"].I_FOLDERDEPTH for track in host.tracks) == depth

    def test_what_goes_wrong_is_said(self, host: Host, tmp_path: Path) -> None:
        host.run()
        assert "Select an audio item" in host.state.messages[1]
        host.state.item(0, str(tmp_path / "broken.wav"), host.table(), host.table())
        host.run()
        assert "broken.wav is no audio" in host.state.messages[2]
        assert len(host.tracks) == 1


def test_the_script_is_lua_that_names_the_command() -> None:
    text = reaper.script("/opt/my 'stems'\\bin")
    lupa = pytest.importorskip("lupa.lua54")
    line = next(line for line in text.splitlines() if line.startswith("local COMMAND"))
    assert lupa.LuaRuntime().execute(line.replace("local ", "") + "\nreturn COMMAND") == "/opt/my 'stems'\\bin"
    assert "COLOURS = {}" not in text
