"""The Ardour session: a folder that holds copies of the stems.

Written as version 7 does; 8 and later convert it on opening. Ardour counts time in superclocks, 282 240 000 a
second, which every usual sample rate divides.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from stems.daw.session import Session, Track
from stems.files.destination import file_name, whole

_SUPERCLOCKS = 282_240_000  # per second
_FORMAT = "7002"
_SECTIONS = (  # Ardour refuses, or falls over, a session that lacks one
    *("Metadata", "Sources", "Regions", "Locations", "Bundles", "Routes"),
    *("Playlists", "UnusedPlaylists", "RouteGroups", "Click"),
)
_SPEAKERS = [["system:playback_1"], ["system:playback_2"]]


def write(session: Session, destination: Path) -> None:
    """Write a session as a folder that Ardour opens; its `.ardour` file is named after the folder.

    Ardour knows no session without a tempo: one that nobody said is written as the 120 of an empty session.

    Raises:
        ExportError: the destination cannot be written.
    """
    sounds = {  # numbered, since two names may differ in case only
        track: file_name(f"{number:02d} {track.name}", track.path.suffix, longest=100)
        for number, track in enumerate(session.all_tracks, start=1)
    }
    root = _session(session, destination.name, sounds)
    ElementTree.indent(root)
    with whole(destination, is_folder=True) as unfinished:
        audio = unfinished / "interchange" / destination.name / "audiofiles"
        audio.mkdir(parents=True)
        for track, sound in sounds.items():
            shutil.copyfile(track.path, audio / sound)
        ElementTree.ElementTree(root).write(
            unfinished / file_name(destination.name, ".ardour"), encoding="UTF-8", xml_declaration=True
        )


def _session(session: Session, name: str, sounds: dict[Track, str]) -> Element:
    numbers = count(100)
    ids = iter(lambda: str(next(numbers)), "")
    rate = session.sample_rate
    root = Element("Session", {"version": _FORMAT, "name": name, "sample-rate": str(rate)})
    SubElement(root, "ProgramVersion", {"created-with": "stems", "modified-with": "stems"})
    SubElement(SubElement(root, "Config"), "Option", name="native-file-data-format", value="FormatFloat")
    section = {name: SubElement(root, name) for name in _SECTIONS}
    sources, routes, playlists = section["Sources"], section["Routes"], section["Playlists"]
    locations, click = section["Locations"], section["Click"]
    _ports(click, ids, "Click", "Output", _SPEAKERS)
    _fader(click, ids)
    _route(routes, ids, "Master", order=0, channels=2, outputs=_SPEAKERS)

    end = session.start + max(track.length for track in session.all_tracks)
    _location(locations, ids, "session", session.start, end, "IsSessionRange", rate)
    for marker in session.markers:
        begin = session.start + marker.position
        kind = "IsRangeMarker" if marker.length else "IsMark"
        _location(locations, ids, marker.name, begin, begin + marker.length, kind, rate)
    for order, track in enumerate(session.all_tracks, start=1):
        _track(routes, playlists, sources, ids, session, track, sounds[track], order)
    _tempo(root, session)
    root.set("id-counter", next(ids))
    return root


def _track(
    routes: Element,
    playlists: Element,
    sources: Element,
    ids: Iterator[str],
    session: Session,
    track: Track,
    sound: str,
    order: int,
) -> None:
    rate = session.sample_rate
    position, length = _time(session.start, rate), _time(track.length, rate)
    channels = []
    for channel in range(track.channels):
        channels.append(next(ids))
        source = {"id": channels[-1], "name": sound, "type": "audio", "flags": "", "origin": ""}
        SubElement(sources, "Source", source | {"channel": str(channel), "natural-position": position, "gain": "1"})

    playlist, name = next(ids), _name(track.name)
    sides = [[f"Master/audio_in {1 + channel % 2}"] for channel in range(track.channels)]
    if track.channels == 1:
        sides = [["Master/audio_in 1", "Master/audio_in 2"]]
    route = _route(routes, ids, name, order, track.channels, sides, track, playlist)
    element = SubElement(playlists, "Playlist", {"id": playlist, "name": name, "type": "audio"})
    element.set("orig-track-id", route)
    region = {
        "id": next(ids),
        "name": name,
        "type": "audio",
        "start": "a0",
        "length": f"{length}@{position}",
        "channels": str(track.channels),
        "opaque": "1",
        "muted": "0",
        "fade-in-active": "0",
        "fade-out-active": "0",
    }
    for channel, source_id in enumerate(channels):
        region |= {f"source-{channel}": source_id, f"master-source-{channel}": source_id}
    SubElement(element, "Region", region)


def _route(
    routes: Element,
    ids: Iterator[str],
    name: str,
    order: int,
    channels: int,
    outputs: list[list[str]],
    track: Track | None = None,
    playlist: str = "",
) -> str:
    route = SubElement(routes, "Route", {"version": _FORMAT, "id": next(ids), "name": name, "default-type": "audio"})
    route.set("strict-io", "1")
    if track:
        route.set("audio-playlist", playlist)
        route.set("mode", "Normal")
    flags = "AudioTrack,OrderSet" if track else "MasterOut,OrderSet"
    colour = int(track.colour[1:] + "FF", 16) if track else 0
    SubElement(route, "PresentationInfo", order=str(order), flags=flags, color=str(colour))
    _ports(route, ids, name, "Input", [[] for _ in range(channels)])
    _ports(route, ids, name, "Output", outputs)
    muted = "1" if track and track.muted else "0"
    SubElement(route, "MuteMaster", {"mute-point": "PreFader,PostFader,Listen,Main", "muted": muted})
    _fader(route, ids)
    if track and channels == 1:  # in the middle the panner would take 3 dB
        outputs_of = {"type": "main-outs", "role": "Main", "own-input": "1", "own-output": "0", "output": name}
        main = SubElement(route, "Processor", {"id": next(ids), "name": name, "active": "1", **outputs_of})
        SubElement(main, "PannerShell", {"bypassed": "1", "user-panner": "", "linked-to-route": "1"})
    return str(route.get("id"))


def _ports(parent: Element, ids: Iterator[str], name: str, direction: str, wiring: list[list[str]]) -> None:
    io = SubElement(parent, "IO", {"id": next(ids), "name": name, "direction": direction, "default-type": "audio"})
    kind = "audio_in" if direction == "Input" else "audio_out"
    for number, others in enumerate(wiring, start=1):
        port = SubElement(io, "Port", type="audio", name=f"{name}/{kind} {number}")
        for other in others:
            SubElement(port, "Connection", other=other)


def _fader(parent: Element, ids: Iterator[str]) -> None:
    fader = SubElement(parent, "Processor", id=next(ids), name="Amp", active="1", type="amp")
    SubElement(fader, "Controllable", id=next(ids), name="gaincontrol", flags="GainLike", value="1")


def _location(parent: Element, ids: Iterator[str], name: str, start: int, end: int, flags: str, rate: int) -> None:
    times = {"start": _time(start, rate), "end": _time(end, rate)}
    SubElement(parent, "Location", {"id": next(ids), "name": name, **times, "flags": flags, "locked": "0"})


def _tempo(root: Element, session: Session) -> None:
    tempo_bpm = repr(session.tempo_bpm or 120.0)
    upper, lower = session.time_signature or (4, 4)
    start = {"sclock": "0", "quarters": "0:0", "bbt": "1|1|0"}
    tempo_map = SubElement(root, "TempoMap", {"superclocks-per-second": str(_SUPERCLOCKS)})
    tempo = {"npm": tempo_bpm, "enpm": tempo_bpm, "note-type": "4", "type": "Tempo::Constant", "active": "1"}
    flags = {"locked-to-meter": "0", "continuing": "0", "omega": "0"}
    SubElement(SubElement(tempo_map, "Tempos"), "Tempo", tempo | start | flags)
    meter = {"note-value": str(lower), "divisions-per-bar": str(upper)}
    SubElement(SubElement(tempo_map, "Meters"), "Meter", meter | start)
    SubElement(tempo_map, "MusicTimes")


def _time(samples: int, rate: int) -> str:
    return f"a{round(samples * _SUPERCLOCKS / rate)}"


def _name(name: str) -> str:
    return name.replace(":", "_").replace("/", "_")  # Ardour builds port names with these two
