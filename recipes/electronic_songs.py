"""Renders drums, bass and other of the demo songs that come with LMMS (Debian: lmms and lmms-common).

    python recipes/electronic_songs.py --out data/electronic

LMMS keeps a song as notes and instruments, so stems come from rendering it three times, each time with the instruments
of the other two muted. Which instrument is what is told by its samples, its name, or how low it plays. Songs without
a bass of their own say in `song.json` that it may be in `other`. The licence of each is in lmms-common's `copyright`.
"""

import argparse
import copy
import json
import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree as xml
import zlib
from pathlib import Path

import numpy as np
import soundfile

SONGS = Path("/usr/share/lmms/projects")
UNSUITED = ("Shovon", "Greshz", "Settel", "Dr8v2", "editing_note")  # sketches, one that bursts, one that is but noise
STEMS = ("drums", "bass", "other")
DRUM_SAMPLES = re.compile(r"(drums|drumsynth(?!/instrument)|beats|latin(?!/latin_guitar)|misc)/")
INSTRUMENT, SAMPLE = "0", "2"  # types of tracks
HIGHEST_BASS = 33  # median note, two octaves below the A of 440 Hz, which is 57
SECONDS_TO_RENDER = 400


def read_song(path: Path) -> xml.Element:
    """A project of LMMS; `.mmpz` is compressed behind four bytes of length."""
    content = path.read_bytes()
    return xml.fromstring(zlib.decompress(content[4:]) if path.suffix == ".mmpz" else content)


def stem_of(track: xml.Element) -> str | None:
    """The stem that an instrument belongs to; None for choirs and spoken samples, which are none of the three."""
    name, instrument = (track.get("name") or "").lower(), track.find(".//instrument")
    kind = instrument.get("name") if instrument is not None else None
    samples = [player.get("src") or "" for player in track.iter("audiofileprocessor")]
    if re.search("choir|chorus|voice|vocal", name) or any("chorus" in sample for sample in samples):
        return None
    if samples:
        if "effects/" in samples[0] or "misc_fx" in samples[0]:
            return "other"
        if "bass" in samples[0] and "bassdrum" not in samples[0]:
            return "bass"
        if DRUM_SAMPLES.match(samples[0]):
            return "drums"
    if kind == "kicker" and re.search("snare|kick|kik|kix|clap|hat|beat|drum|fluff|fr0zz", name):
        return "drums"
    if kind == "lb302" or (re.search(r"bass|\bsub\b|dub|^sub", name) and "drum" not in name):
        return "bass"
    notes = [int(note.get("key", 57)) for note in track.iter("note")]
    settings = track.find("instrumenttrack")
    shift = int((settings.get("basenote") if settings is not None else None) or 57) - 57
    return "bass" if notes and np.median(notes) - shift < HIGHEST_BASS else "other"


def only(song: xml.Element, stem: str) -> xml.Element | None:
    """The song with all other instruments muted; None if it has none of this stem."""
    song, sounding = copy.deepcopy(song), False
    for track in song.iter("track"):
        if track.get("type") == SAMPLE or (track.get("type") == INSTRUMENT and stem_of(track) != stem):
            track.set("muted", "1")
        elif track.get("type") == INSTRUMENT:
            sounding |= track.get("muted") != "1"
    return song if sounding else None


def render(song: xml.Element, folder: Path) -> np.ndarray:
    """(samples, 2) at 44.1 kHz."""
    project, audio = folder / "song.mmp", folder / "song.wav"
    xml.ElementTree(song).write(project, encoding="utf8", xml_declaration=True)
    command = ["lmms", "--allowroot", "render", str(project), "-f", "wav", "-a", "-o", str(audio)]
    headless = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    subprocess.run(command, env=headless, capture_output=True, timeout=SECONDS_TO_RENDER, check=True)
    found: np.ndarray = soundfile.read(audio, dtype="float32", always_2d=True)[0]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    for path in sorted(SONGS.rglob("*.mmp*")):
        if any(word in path.name for word in UNSUITED):
            continue
        song = read_song(path)
        with tempfile.TemporaryDirectory() as folder:
            try:
                stems = {stem: render(part, Path(folder)) for stem in STEMS if (part := only(song, stem)) is not None}
            except (subprocess.SubprocessError, soundfile.SoundFileError) as error:
                print(f"{path.name} is left out, as LMMS could not render it: {error}")
                continue
        loudest = max(np.abs(audio).max() for audio in stems.values())
        place = out / re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")
        place.mkdir(parents=True, exist_ok=True)
        for stem, audio in stems.items():
            soundfile.write(place / f"{stem}.flac", audio * (0.9 / loudest), 44100, subtype="PCM_16")
        if "bass" not in stems:
            about = {"absent": ["bass"], "stems": {"other": {"energy_below_150_hz": 0.5}}}
            (place / "song.json").write_text(json.dumps(about) + "\n")
        print(place.name, *stems)


if __name__ == "__main__":
    main()
