"""The .dawproject file, which Bitwig Studio, Studio One and Cubase open: a zip of XML and audio.

All times are in seconds, so that a song without a known tempo lies as exactly as one with it.
Format: https://github.com/bitwig/dawproject
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import stems
from stems.daw.session import Session, Track
from stems.files.destination import file_name, whole

_METADATA = {
    "Title": "title",
    "Artist": "artist",
    "Album": "album",
    "Year": "year",
    "Genre": "genre",
    "Comment": "comment",
}


def write(session: Session, destination: Path) -> None:
    """Write a session as a .dawproject with its audio inside.

    The stems lie in a group, the mixture on a muted track below it, everything at unity volume.

    Raises:
        ExportError: the destination cannot be written.
    """
    members = {  # numbered, since two names may differ in case only
        track: f"audio/{number:02d} {file_name(track.name, track.path.suffix, longest=100)}"
        for number, track in enumerate(session.all_tracks, start=1)
    }
    with whole(destination) as unfinished, zipfile.ZipFile(unfinished, "w", strict_timestamps=False) as archive:
        for name, root in (("project.xml", _project(session, members)), ("metadata.xml", _metadata(session))):
            ElementTree.indent(root)
            text = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
        for track, member in members.items():
            archive.write(track.path, member, zipfile.ZIP_STORED)


def _project(session: Session, members: dict[Track, str]) -> Element:
    project = Element("Project", version="1.0")
    SubElement(project, "Application", name="stems", version=stems.__version__)
    if session.tempo_bpm or session.time_signature:
        transport = SubElement(project, "Transport")
        if session.tempo_bpm:
            SubElement(transport, "Tempo", id="tempo", name="Tempo", unit="bpm", value=repr(session.tempo_bpm))
        if session.time_signature:
            upper, lower = session.time_signature
            SubElement(transport, "TimeSignature", id="meter", numerator=str(upper), denominator=str(lower))

    structure = SubElement(project, "Structure")
    group = _track(structure, "group", session.name, "tracks", role="submix", destination="master-channel")
    for number, track in enumerate(session.tracks, start=1):
        _track(group, f"stem-{number}", track.name, "audio", "regular", "group-channel", track)
    if session.mixture:
        _track(structure, "mixture", session.mixture.name, "audio", "regular", "master-channel", session.mixture)
    _track(structure, "master", "Master", "audio notes", role="master")

    arrangement = SubElement(project, "Arrangement", id="arrangement")
    lanes = SubElement(arrangement, "Lanes", id="lanes", timeUnit="seconds")
    for number, track in enumerate(session.all_tracks, start=1):
        owner = "mixture" if track is session.mixture else f"stem-{number}"
        lane = SubElement(lanes, "Lanes", id=f"{owner}-lane", track=owner)
        _clip(SubElement(lane, "Clips", id=f"{owner}-clips"), session, track, members[track])
    if session.markers:
        markers = SubElement(arrangement, "Markers", id="markers", timeUnit="seconds")
        for marker in session.markers:
            time = (session.start + marker.position) / session.sample_rate
            SubElement(markers, "Marker", time=repr(time), name=marker.name)
    return project


def _track(
    parent: Element, key: str, name: str, content: str, role: str, destination: str = "", track: Track | None = None
) -> Element:
    element = SubElement(parent, "Track", id=key, name=name, contentType=content, loaded="true")
    if track:
        element.set("color", track.colour)
    channel = SubElement(element, "Channel", id=f"{key}-channel", role=role, audioChannels="2", solo="false")
    if destination:
        channel.set("destination", destination)
    muted = "true" if track and track.muted else "false"
    SubElement(channel, "Mute", id=f"{key}-mute", name="Mute", value=muted)
    SubElement(channel, "Pan", id=f"{key}-pan", name="Pan", unit="normalized", min="0", max="1", value="0.5")
    SubElement(channel, "Volume", id=f"{key}-volume", name="Volume", unit="linear", min="0", max="2", value="1")
    return element


def _clip(clips: Element, session: Session, track: Track, member: str) -> None:
    seconds = repr(track.seconds)
    clip = SubElement(
        clips,
        "Clip",
        name=track.name,
        color=track.colour,
        time=repr(session.start_seconds),
        duration=seconds,
        contentTimeUnit="seconds",
        playStart="0",
    )
    rate, channels = str(track.sample_rate), str(track.channels)
    audio = SubElement(clip, "Audio", duration=seconds, sampleRate=rate, channels=channels, timeUnit="seconds")
    SubElement(audio, "File", path=member)


def _metadata(session: Session) -> Element:
    root = Element("MetaData")
    tags = {"title": session.name, **session.tags}
    for element, key in _METADATA.items():
        if key in tags:
            SubElement(root, element).text = tags[key]
    return root
