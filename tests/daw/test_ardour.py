from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from split_songs import ODD_NAMES

from stems.daw import ardour
from stems.daw.colours import PALETTE
from stems.daw.session import Marker, session_in

READER = Path(__file__).with_name("session_reader.lua")


def program(kind: str) -> str:
    """Return Ardour's `lua` or `export` program, of the newest version installed; skip the test without one."""
    for version in (9, 8, 7):
        if found := shutil.which(f"ardour{version}-{kind}"):
            return found
    pytest.skip("Ardour is not installed")


def run(*command: object) -> str:
    """Run one of Ardour's programs and return what it says.

    Without a display and a sound card, version 7.3 dies or hangs in one export of five, also of sessions that it
    saved itself, so it gets more than one try.
    """
    for _ in range(8):
        try:
            done = subprocess.run(
                [str(word) for word in command], capture_output=True, text=True, errors="replace", timeout=60
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode >= 0:
            assert done.returncode == 0, done.stdout + done.stderr
            assert "[ERROR]" not in done.stdout + done.stderr
            return done.stdout
    pytest.fail(f"{command[0]} did not come through in eight tries")


def facts(session: Path) -> list[list[str]]:
    """Return what Ardour says of a session that it has loaded."""
    said = run(program("lua"), READER, session, session.name)
    return [line.split("\t")[1:] for line in said.splitlines() if line.startswith("FACT\t")]


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (48_000, 1)])
def test_ardour_renders_the_mixture(make_split: Callable, tmp_path: Path, rate: int, channels: int) -> None:
    split = make_split(rate=rate, channels=channels)
    start = 4_410
    ardour.write(replace(session_in(split.folder, split.song), start=start), tmp_path / "My song")
    rendered = tmp_path / "rendered.wav"
    run(program("export"), "-b", "float", "-o", rendered, tmp_path / "My song", "My song")
    played, found_rate = soundfile.read(rendered)  # of the session range, which spans the tracks
    assert found_rate == rate
    np.testing.assert_allclose(played, np.broadcast_to(split.mixture, (20_011, 2)), atol=1e-6)


def test_ardour_reads_all_that_is_known(make_split: Callable, tmp_path: Path) -> None:
    split = make_split()
    session = replace(
        session_in(split.folder, split.song),
        tempo_bpm=98.5,
        time_signature=(7, 8),
        start=158_760_007,
        markers=(Marker("“Verse” & <1>", 11), Marker("Chorus", 100, length=50)),
    )
    ardour.write(session, tmp_path / "song")
    found = facts(tmp_path / "song")
    assert ["rate", "44100"] in found
    tracks = [fact[1:] for fact in found if fact[0] == "track"]
    colours = {**PALETTE, "mixture": "#8C8C8C"}
    assert [(name, muted, int(colour)) for name, muted, colour, _, _ in tracks] == [
        (name, str(name == "mixture").lower(), int(colour[1:] + "FF", 16)) for name, colour in colours.items()
    ]
    assert {(float(gain), wired) for *_, gain, wired in tracks} == {(1.0, "true")}
    assert [fact for fact in found if fact[0] == "region"] == [["region", "158760007", "20011", "2"]] * 5
    assert ["mark", "“Verse” & <1>", "158760018", "158760018"] in found
    assert ["range", "Chorus", "158760107", "158760157"] in found
    ((tempo_bpm, upper, lower),) = [fact[1:] for fact in found if fact[0] == "tempo"]
    assert (round(float(tempo_bpm), 5), upper, lower) == (98.5, "7", "8")


def test_odd_names_survive_in_ardour(make_split: Callable, tmp_path: Path) -> None:
    names = [*ODD_NAMES, "Kick", "kick"]
    split = make_split(names)
    destination = tmp_path / "it's 50% & 🎵"
    ardour.write(session_in(split.folder), destination)
    found = facts(destination)
    assert {fact[1] for fact in found if fact[0] == "track"} == set(names)
    assert len([fact for fact in found if fact[0] == "region"]) == len(names)


def test_the_folder_stands_on_its_own(make_split: Callable, tmp_path: Path) -> None:
    """What needs no Ardour to see: audio inside, sources that exist, identities that are unique."""
    split = make_split([*ODD_NAMES, "Kick", "kick"])
    destination = tmp_path / ("n" * 240)
    ardour.write(session_in(split.folder, split.song), destination)
    assert sorted(path.name for path in destination.iterdir()) == ["interchange", f"{destination.name}.ardour"]
    root = ElementTree.parse(destination / f"{destination.name}.ardour").getroot()
    audio = destination / "interchange" / destination.name / "audiofiles"
    for source in root.findall("Sources/Source"):
        assert soundfile.info(audio / source.get("name", "")).frames == 20_011
    ids = [element.get("id") for element in root.iter() if element.get("id") and element.tag != "Source"]
    assert len(set(ids)) == len(ids)
    shutil.rmtree(split.folder)
    assert len(list(audio.iterdir())) == len(ODD_NAMES) + 3


def test_writing_again_replaces_the_folder(make_split: Callable, tmp_path: Path) -> None:
    session = session_in(make_split().folder)
    ardour.write(session, tmp_path / "out" / "song")
    (tmp_path / "out" / "song" / "old").write_text("")
    ardour.write(session, tmp_path / "out" / "song")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["song"]
    assert not (tmp_path / "out" / "song" / "old").exists()
