from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from split_songs import ODD_NAMES

from stems.daw import dawproject
from stems.daw.session import Marker, session_in

etree = pytest.importorskip("lxml.etree")

SCHEMAS = Path(__file__).parents[3] / "shared" / "daw"


def read(path: Path, member: str):  # type: ignore[no-untyped-def]
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return etree.fromstring(archive.read(member))


def render(path: Path, length: int, channels: int, rate: int) -> npt.NDArray[np.float64]:
    """Play a .dawproject: every clip of every track that is not muted, at its track's volume."""
    project = read(path, "project.xml")
    output = np.zeros((length, channels))
    assert project.find("Arrangement/Lanes").get("timeUnit") == "seconds"
    with zipfile.ZipFile(path) as archive:
        for lane in project.findall("Arrangement/Lanes/Lanes"):
            (track,) = project.xpath("//Track[@id=$id]", id=lane.get("track"))
            chain = [track, *track.iterancestors("Track")]
            if any(part.find("Channel/Mute").get("value") == "true" for part in chain):
                continue
            gain = np.prod([float(part.find("Channel/Volume").get("value")) for part in chain])
            for clip in lane.findall("Clips/Clip"):
                samples, found_rate = soundfile.read(
                    io.BytesIO(archive.read(clip.find("Audio/File").get("path"))), always_2d=True
                )
                assert found_rate == rate == int(clip.find("Audio").get("sampleRate"))
                start, count = round(float(clip.get("time")) * rate), round(float(clip.get("duration")) * rate)
                output[start : start + count] += gain * samples[:count]
    return output


@pytest.fixture
def written(make_split: Callable, tmp_path: Path) -> Callable:
    def write(**changes: object) -> tuple[Path, object]:
        split = make_split()
        session = replace(session_in(split.folder, split.song), **changes)
        dawproject.write(session, tmp_path / "out.dawproject")
        return tmp_path / "out.dawproject", session

    return write


@pytest.mark.parametrize("song", ["song", *ODD_NAMES])
@pytest.mark.parametrize("full", [False, True])
def test_it_is_valid(make_split: Callable, tmp_path: Path, song: str, full: bool) -> None:
    if not SCHEMAS.is_dir():
        pytest.skip("no schemas beside the checkout")
    split = make_split(ODD_NAMES, song)
    session = session_in(split.folder, split.song if full else None)
    if full:
        session = replace(
            session,
            tempo_bpm=98.5,
            time_signature=(7, 8),
            markers=(Marker("“Verse” & <1>", 44_100), Marker("", 50_000)),
            tags={"title": "<T&T>", "artist": "A", "album": "B", "year": "1999", "genre": "G", "comment": "C"},
        )
    dawproject.write(session, tmp_path / "out.dawproject")
    for member, schema in (("project.xml", "Project.xsd"), ("metadata.xml", "MetaData.xsd")):
        etree.XMLSchema(file=str(SCHEMAS / schema)).assertValid(read(tmp_path / "out.dawproject", member))


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 2), (192_000, 2)])
@pytest.mark.parametrize("start", [0, 1, 4_410])
def test_it_plays_the_mixture(make_split: Callable, tmp_path: Path, rate: int, channels: int, start: int) -> None:
    split = make_split(rate=rate, channels=channels)
    dawproject.write(replace(session_in(split.folder, split.song), start=start), tmp_path / "out.dawproject")
    played = render(tmp_path / "out.dawproject", start + len(split.mixture), channels, rate)
    np.testing.assert_allclose(played[start:], split.mixture, atol=1e-12)
    assert not played[:start].any()


def test_positions_are_exact_a_day_into_a_session(written: Callable) -> None:
    path, session = written(start=24 * 3_600 * 44_100 - 1)
    for clip in read(path, "project.xml").findall(".//Clip"):
        assert round(float(clip.get("time")) * session.sample_rate) == session.start


def test_stems_lie_in_a_group_and_the_mixture_outside(written: Callable) -> None:
    path, session = written()
    project = read(path, "project.xml")
    group, mixture, master = project.findall("Structure/Track")
    assert group.get("name") == session.name
    assert [(track.get("name"), track.get("color")) for track in group.findall("Track")] == [
        (track.name, track.colour) for track in session.tracks
    ]
    assert mixture.find("Channel/Mute").get("value") == "true"
    assert master.find("Channel").get("role") == "master"
    wires = {channel.get("id"): channel.get("destination") for channel in project.iter("Channel")}
    for channel in wires:  # everything ends in the master
        while wires[channel]:
            channel = wires[channel]
        assert channel == master.find("Channel").get("id")


def test_an_unknown_tempo_is_not_claimed(written: Callable) -> None:
    path, _ = written()
    assert read(path, "project.xml").find("Transport") is None


def test_tempo_meter_and_markers(written: Callable) -> None:
    path, _ = written(tempo_bpm=98.5, time_signature=(7, 8), start=10, markers=(Marker("Verse", 44_090),))
    project = read(path, "project.xml")
    assert project.find("Transport/Tempo").get("value") == "98.5"
    assert (
        dict(project.find("Transport/TimeSignature").attrib).items() >= {"numerator": "7", "denominator": "8"}.items()
    )
    (marker,) = project.findall("Arrangement/Markers/Marker")
    assert (marker.get("name"), float(marker.get("time"))) == ("Verse", 1.0)


def test_odd_names_survive(make_split: Callable, tmp_path: Path) -> None:
    names = [*ODD_NAMES, "Kick", "kick"]
    split = make_split(names, song='a & "b" 🎵')
    dawproject.write(session_in(split.folder), tmp_path / "out.dawproject")
    project = read(tmp_path / "out.dawproject", "project.xml")
    assert {track.get("name") for track in project.findall("Structure/Track/Track")} == set(names)
    members = [file.get("path") for file in project.iter("File")]
    assert len({member.lower() for member in members}) == len(names)
    for member in members:  # can be unpacked on every system
        assert len(member.encode()) < 200
        assert not set(member) & set('<>:"\\|?*')
