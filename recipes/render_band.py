#!/usr/bin/env python3
"""Renders synthetic multitracks of bands: drums, bass, other (no vocals).

    pip install numpy soundfile soxr mido pedalboard
    apt-get install -y hydrogen-drumkits hydrogen-data fluid-soundfont-gm timgm6mb-soundfont \\
        avldrums.lv2-soundfont fluidsynth mma openttd-openmsx
    CORPUS=corpus python recipes/render_band.py --out songs --songs 300 --seed 0 --jobs 2 --seconds 120

Writes songs/<seed>/{drums,bass,other,mixture}.flac (44.1 kHz, stereo, 16 bit; the mixture is the
exact sum of the stems) with a song.json. A finished song is skipped, so the command can be repeated.

Half of the songs are accompaniments that `mma` plays over chords of pop songs, half are game-music
compositions, transposed and at another tempo. Drums are mostly human performances (Groove MIDI).
Samples, MIDI, chords and their licences lie in CORPUS, see recipes/README.md.
"""

import argparse
import concurrent.futures
import json
import math
import os
import random
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import mido
import numpy as np
import pedalboard as pb
import soundfile
from band_sound import (
    CORPUS,
    HYDROGEN,
    RATE,
    SOUNDFONTS,
    amplifier,
    apply,
    colour,
    common_limiter,
    finish_bass,
    finish_drums,
    finish_other,
    loudness,
    pan,
    place,
    play_kit,
    play_sampled,
    play_soundfont,
    play_synth_bass,
    room,
    table,
)

OPENMSX = Path("/usr/share/games/openttd/baseset/openmsx")
PACKAGES = {
    "hydrogen-drumkits": HYDROGEN / "ForzeeStereo",
    "hydrogen-data": HYDROGEN / "GMRockKit",
    "fluid-soundfont-gm": SOUNDFONTS / "FluidR3_GM.sf2",
    "timgm6mb-soundfont": SOUNDFONTS / "TimGM6mb.sf2",
    "avldrums.lv2-soundfont": SOUNDFONTS / "Black_Pearl_4_LV2.sf2",
    "fluidsynth": Path("/usr/bin/fluidsynth"),
    "mma": Path("/usr/bin/mma"),
    "openttd-openmsx": OPENMSX,
}
STEMS = ("drums", "bass", "other")
VOICE_PROGRAMS = {52, 53, 54, 85, 91}  # choirs and voices would teach "other" to hold vocals
SAMPLED = {
    "keys": ["grand_piano", "grand_piano", "wurlitzer", "pianet", "cp80"],
    "guitar": ["guitar_emily", "guitar_green", "guitar_black"],
    "bass": [
        "bass_finger",
        "bass_finger",
        "bass_picked",
        "bass_growly",
        "bass_growly",
        "bass_upright",
        "bass_meat",
        "bass_synth",
    ],
}
CHORD_PROGRAMS = [
    4,
    5,
    7,
    11,
    16,
    17,
    18,
    19,
    21,
    24,
    25,
    26,
    27,
    28,
    44,
    48,
    49,
    50,
    51,
    61,
    62,
    63,
    88,
    89,
    90,
    92,
    93,
    94,
]
LEAD_PROGRAMS = [11, 22, 26, 27, 40, 42, 56, 57, 59, 60, 64, 65, 66, 68, 71, 73, 75, 79, 80, 81, 82, 84, 86, 87]
NOTE_NAMES = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]
TO_GENERAL_MIDI = {22: 42, 26: 46, 58: 43, 40: 38}  # Groove MIDI was played on a Roland kit


@dataclass
class Part:
    """Notes of one player: (start seconds, length seconds, pitch, velocity), with its GM program."""

    program: int = 0
    notes: list = field(default_factory=list)
    controls: list = field(default_factory=list)  # (seconds, mido message)


@dataclass
class Score:
    """A song before instruments are chosen; `steady` tells that every bar lasts `bar_seconds`."""

    drums: Part
    bass: Part
    other: list
    bar_seconds: float
    seconds: float
    steady: bool
    about: dict


# ---------------------------------------------------------------- scores


def read_midi(path, semitones=0, stretch=1.0):
    """Parts of a MIDI file by (channel, program), in seconds times `stretch`."""
    parts, program, sounding, now = {}, [0] * 16, {}, 0.0
    for message in mido.MidiFile(path, clip=True):
        now += message.time * stretch
        if message.type == "program_change":
            program[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            key = (message.channel, message.note)
            if sounding.get(key):
                start, velocity, part = sounding[key].pop(0)
                pitch = message.note + (0 if message.channel == 9 else semitones)
                part.notes.append((start, now - start, min(max(pitch, 0), 127), velocity))
            if message.type == "note_on" and message.velocity:
                part = parts.setdefault((message.channel, program[message.channel]), Part(program[message.channel]))
                sounding.setdefault(key, []).append((now, message.velocity, part))
        elif message.type == "pitchwheel" or (
            message.type == "control_change" and message.control not in (0, 10, 32, 91, 93)
        ):
            part = parts.setdefault((message.channel, program[message.channel]), Part(program[message.channel]))
            part.controls.append((now, message))
    for part in parts.values():
        part.notes.sort()
    return {key: part for key, part in parts.items() if part.notes}


def sort_parts(parts):
    """Splits the parts of a file into drums, bass and others (sound effects are dropped)."""
    drums, bass, other = Part(), Part(33), []
    for (channel, program), part in parts.items():
        if channel == 9:
            drums.notes += part.notes
        elif 32 <= program <= 39:
            bass.notes += part.notes
        elif program < 112:
            other.append(part)
    drums.notes.sort()
    bass.notes.sort()
    other.sort(key=lambda part: -len(part.notes))
    return drums, bass, other


def transpose_chord(chord, semitones):
    """'Bbm7', 2 -> 'Cm7'."""
    root, quality = re.match(r"([A-G]b?)(.*)", chord).groups()
    return NOTE_NAMES[(NOTE_NAMES.index(root) + semitones) % 12] + quality


def fitting_key(parts):
    """The key whose scale holds most of the notes; relative major and minor are not told apart."""
    counts = [sum(n[2] % 12 == tone for part in parts for n in part.notes) for tone in range(12)]
    best = max(range(12), key=lambda key: sum(counts[(key + step) % 12] for step in (0, 2, 4, 5, 7, 9, 11)))
    return f"{NOTE_NAMES[best]} major or {NOTE_NAMES[(best + 9) % 12]} minor"


def lead_line(rng, bars, key, minor, bar_seconds):
    """A simple melody: two-bar rhythms that repeat, steps on the pentatonic scale, chord roots on the downbeats."""
    scale = [(key + step) % 12 for step in ((0, 3, 5, 7, 10) if minor else (0, 2, 4, 7, 9))]
    pitches = [p for p in range(60, 84) if p % 12 in scale]
    rhythms = [sorted(rng.sample(range(16), rng.randint(3, 8))) for _ in range(3)]
    part, place = Part(), len(pitches) // 2
    for bar, chords in enumerate(bars):
        if (bar // 8) % 2 and rng.random() < 0.7:
            continue
        steps = rhythms[(bar % 2) if bar % 8 < 6 else 2]
        for step, following in zip(steps, [*steps[1:], 16], strict=True):
            place = min(max(place + rng.choice([-2, -1, -1, 0, 1, 1, 2]), 0), len(pitches) - 1)
            root = NOTE_NAMES.index(re.match(r"[A-G]b?", chords[0])[0])
            pitch = (
                pitches[place]
                if step
                else min((p for p in range(60, 84) if p % 12 == root), key=lambda p: abs(p - pitches[place]))
            )
            part.notes.append(
                (
                    (bar + step / 16) * bar_seconds,
                    (following - step) / 16 * bar_seconds * 0.92,
                    pitch,
                    rng.randint(70, 115),
                )
            )
    return part


def accompaniment(rng, seconds, folder):
    """Chords of a pop song, in a random key, played by a random mma groove and its variants."""
    songs = table(CORPUS / "midi/pop909_chords.tsv")
    grooves = table(CORPUS / "midi/mma_grooves.tsv")
    song, groove = rng.choice(songs), rng.choice(grooves)
    key, minor = rng.randrange(12), song["mode"] == "min"
    tempo = round(min(max(float(song["bpm"]) * rng.uniform(0.85, 1.3), 66), 172))
    bar_seconds = 240 / tempo
    bars = [[transpose_chord(chord, key) for chord in bar.split(",")] for bar in song["bars"].split()]
    first = rng.randrange(max(1, len(bars) - int(seconds / bar_seconds) + 1))
    bars = bars[first : first + max(8, int(seconds / bar_seconds))]
    variants = [f"{groove['library']}:{name}" for name in groove["grooves"].split(",")]
    sections = [rng.choice(variants) for _ in range(3)]
    for simple in (False, True):  # mma may not know a rare chord: then triads
        lines = [f"RndSeed {rng.randrange(9999)}", f"Tempo {tempo}"]
        for number, chords in enumerate(bars):
            if number % 8 == 0:
                lines.append("Groove " + sections[number // 8 % 3])
            if simple:
                chords = [re.match(r"[A-G]b?(m(?!aj))?", chord)[0] for chord in chords]
            chords = [chords[0], "/", chords[1], "/"] if len(chords) == 2 else chords
            lines.append(f"{number + 1} " + " ".join(chords))
        (folder / "song.mma").write_text("\n".join(lines) + "\n")
        done = subprocess.run(["mma", "song.mma", "-f", "song.mid"], cwd=folder, capture_output=True, text=True)
        if done.returncode == 0:
            break
    else:
        raise RuntimeError(f"mma failed on {groove['library']}: {done.stdout[-300:]}")
    drums, bass, other = sort_parts(read_midi(folder / "song.mid"))
    if rng.random() < 0.6:
        melody = lead_line(rng, bars, key, minor, bar_seconds)
        melody.program = rng.choice(LEAD_PROGRAMS)
        other.insert(0, melody)
    about = {
        "source": f"mma {groove['library']}",
        "chords": f"POP909 {song['id']}",
        "tempo_bpm": tempo,
        "key": NOTE_NAMES[key] + (" minor" if minor else " major"),
    }
    return Score(drums, bass, other, bar_seconds, len(bars) * bar_seconds, True, about)


def composition(rng, seconds):
    """A game-music composition (or an excerpt that starts on a bar), transposed, at another tempo."""
    files = sorted((CORPUS / "midi/freedoom").glob("*.mid")) + 2 * sorted(OPENMSX.glob("*.mid"))
    while True:
        path = rng.choice(files)
        semitones, stretch = rng.randint(-4, 4), 1 / rng.uniform(0.85, 1.15)
        messages = list(mido.merge_tracks(mido.MidiFile(path, clip=True).tracks))
        tempos = [m.tempo for m in messages if m.type == "set_tempo"] or [500000]
        steady = len(set(tempos)) == 1 and all(m.numerator == 4 for m in messages if m.type == "time_signature")
        drums, bass, other = sort_parts(read_midi(path, semitones, stretch))
        if min(len(drums.notes), len(bass.notes), sum(len(p.notes) for p in other)) < 40:
            continue
        bar_seconds = 4 * tempos[0] / 1e6 * stretch
        total = max(p.notes[-1][0] for p in [drums, bass, *other]) + bar_seconds
        start = rng.randrange(max(1, int((total - seconds) / bar_seconds))) * bar_seconds if total > seconds else 0.0
        length = min(seconds, total - start)
        for part in [drums, bass, *other]:
            part.notes = [(s - start, d, p, v) for s, d, p, v in part.notes if start <= s < start + length]
            part.controls = [(max(t - start, 0), m) for t, m in part.controls if t < start + length]
        if length > 20 and drums.notes and bass.notes and any(len(p.notes) > 8 for p in other):
            about = {
                "source": f"{path.parent.name}/{path.stem}",
                "tempo_bpm": round(240 / bar_seconds, 1),
                "transposed_semitones": semitones,
                "key": fitting_key([bass, *other]),
            }
            return Score(drums, bass, [p for p in other if len(p.notes) > 8], bar_seconds, length, steady, about)


def groove_drums(rng, score):
    """A human drum performance at the tempo of the score; a second one by the same drummer may take turns with it."""
    folder = CORPUS / "midi/groove"
    tempo = 240 / score.bar_seconds
    rows = [r for r in table(folder / "info.csv", ",") if 0.77 < float(r["bpm"]) / tempo < 1.3]
    if not rows:
        return None
    row = rng.choice(rows)
    mates = [
        r for r in rows if r["drummer"] == row["drummer"] and r["style"].split("/")[0] == row["style"].split("/")[0]
    ]
    loops = []
    for choice in (row, rng.choice(mates)):
        notes = [
            n
            for p in read_midi(folder / choice["file"], stretch=float(choice["bpm"]) / tempo).values()
            for n in p.notes
        ]
        bars = max(1, int(float(choice["bars"]) + 0.1))
        loops.append((sorted(notes), bars - bars % 4 if bars >= 4 else bars))
    part, bar, turn = Part(), 0, 0
    while bar * score.bar_seconds < score.seconds:
        notes, bars = loops[turn % 2]
        part.notes += [
            (s + bar * score.bar_seconds, d, p, v)
            for s, d, p, v in notes
            if s < bars * score.bar_seconds and s + bar * score.bar_seconds < score.seconds
        ]
        bar, turn = bar + bars, turn + 1
    score.about["drum_performance"] = Path(row["file"]).stem
    return part


def arrange_breaks(rng, score):
    """Lets stems rest: an intro without one or two of them, short breaks."""
    rests, bars = [], int(score.seconds / score.bar_seconds)
    if rng.random() < 0.4 and bars > 16:
        for stem in rng.sample(STEMS, rng.choice([1, 1, 2])):
            rests.append((stem, 0, rng.choice([2, 4, 4, 8])))
    for _ in range(rng.choice([0, 0, 1, 1, 2]) if bars > 16 else 0):
        rests.append((rng.choice(STEMS), rng.randrange(8, bars - 4, 4), rng.choice([1, 2, 4])))
    for stem, first, count in rests:
        begin, end = first * score.bar_seconds - 0.03, (first + count) * score.bar_seconds - 0.03
        for part in {"drums": [score.drums], "bass": [score.bass], "other": score.other}[stem]:
            part.notes = [
                (s, min(d, max(begin - s, 0.05)) if s < begin else d, p, v)
                for s, d, p, v in part.notes
                if not begin <= s < end
            ]
    score.about["rests"] = [{"stem": stem, "bar": first, "bars": count} for stem, first, count in rests]


# ---------------------------------------------------------------- songs


def render_drums(rng, score, frames, folder):
    """Chooses a kit and plays the drums."""
    hydrogen = [p.name for p in sorted(HYDROGEN.iterdir()) if not re.search("Gimme|circA", p.name)]
    machines = [p.name for p in sorted((CORPUS / "instruments").glob("machine_*"))]
    family = rng.choices(["muldjord", "hydrogen", "avl", "machine", "gm"], [0.35, 0.34, 0.13, 0.12, 0.06])[0]
    if family in ("avl", "gm"):
        general = Part(0, [(s, d, TO_GENERAL_MIDI.get(p, p), v) for s, d, p, v in score.drums.notes])
        font, program = (
            (rng.choice(["Black_Pearl_4_LV2.sf2", "Red_Zeppelin_4_LV2.sf2"]), 0)
            if family == "avl"
            else ("FluidR3_GM.sf2", rng.choice([0, 8, 16, 24, 25, 32]))
        )
        audio = play_soundfont(folder, font, general, program, frames, channel=0 if family == "avl" else 9)
        score.about["kit"] = f"{font}:{program}"
    else:
        kit = {
            "muldjord": "muldjord_" + rng.choice(["close", "room", "overhead"]),
            "hydrogen": "hydrogen:" + rng.choice(hydrogen),
            "machine": rng.choice(machines),
        }[family]
        audio = play_kit(rng, kit, score.drums.notes, frames)
        score.about["kit"] = kit
    return finish_drums(rng, audio)


def render_bass(rng, score, frames, folder):
    """Chooses a bass and plays it."""
    low = [(s, d, p - 12 if p > 60 else p + 12 if p < 26 else p, v) for s, d, p, v in score.bass.notes]
    kind = rng.choices(["sampled", "synth", "gm"], [0.7, 0.17, 0.13])[0]
    if kind == "sampled":
        score.about["bass"] = rng.choice(SAMPLED["bass"])
        audio = play_sampled(rng, score.about["bass"], low, frames)
    elif kind == "synth":
        score.about["bass"], audio = "additive synthesizer", play_synth_bass(rng, low, frames)
    else:
        program = rng.choice([33, 34, 35, 36, 38, 39])
        score.about["bass"], audio = (
            f"GM {program}",
            play_soundfont(folder, "FluidR3_GM.sf2", Part(program, low), program, frames),
        )
    return finish_bass(rng, audio)


def power_chords(notes):
    """Reduces chords to the lowest note with its fifth, as driven guitars play them."""
    result = []
    for start, length, pitch, velocity in sorted(notes, key=lambda n: (round(n[0] / 0.04), n[2])):
        if not result or start - result[-1][0] > 0.045:
            pitch = pitch - 12 * max(0, (pitch - 45) // 12)
            result += [(start, length, pitch, velocity), (start, length, pitch + 7, velocity)]
    return result


def render_part(rng, part, frames, folder):
    """Chooses an instrument for one part -> its audio and its name."""
    starts = [round(n[0] / 0.04) for n in part.notes]
    chordal = len(set(starts)) < 0.7 * len(starts)
    program = part.program
    if program in VOICE_PROGRAMS or rng.random() < 0.5:
        program = rng.choice(
            CHORD_PROGRAMS + 8 * [0] + 8 * [27] + 6 * [30] if chordal else LEAD_PROGRAMS + 3 * [0] + 5 * [27] + 5 * [30]
        )
    font = rng.choices(["FluidR3_GM.sf2", "TimGM6mb.sf2"], [0.8, 0.2])[0]
    effects, position = colour(rng), rng.uniform(-0.7, 0.7)
    if 24 <= program <= 31 and rng.random() < 0.8:
        guitar, driven = rng.choice(SAMPLED["guitar"]), program in (29, 30) or rng.random() < 0.2
        if not driven:
            effects += [
                pb.Compressor(-20, 3, 8, 120),
                *rng.choice([[], [pb.Chorus(0.8, 0.2, 8, 0, 0.3)], [pb.Phaser(0.3)]]),
                room(rng),
            ]
            return pan(
                apply(play_sampled(rng, guitar, part.notes, frames), *effects).mean(1, keepdims=True), position
            ), guitar
        notes, board = power_chords(part.notes) if chordal else part.notes, amplifier(rng)
        takes = [
            play_sampled(rng, guitar, [(s + rng.gauss(0.004, 0.005), d, p, v) for s, d, p, v in notes], frames)
            for _ in range(2 if chordal else 1)
        ]
        takes = [apply(take * np.float32(0.15 / max(loudness(take), 1e-6)), *board) for take in takes]
        return sum(
            pan(take, side) for take, side in zip(takes, (-0.8, 0.8) if chordal else (position,), strict=False)
        ), guitar + " driven"
    if program <= 7 and rng.random() < 0.8:
        keys = rng.choice(SAMPLED["keys"]) if program > 2 else rng.choice(["grand_piano", "grand_piano", "cp80"])
        effects += (
            rng.choice([[], [], [pb.Chorus(0.6, 0.2, 7, 0, 0.35)], [pb.Phaser(0.4)]]) if keys != "grand_piano" else []
        )
        audio = apply(play_sampled(rng, keys, part.notes, frames), *effects)
        return (
            audio if keys == "grand_piano" and rng.random() < 0.6 else pan(audio.mean(1, keepdims=True), position)
        ), keys
    if 80 <= program <= 87 and rng.random() < 0.5:
        effects.append(pb.Delay(rng.uniform(0.18, 0.4), rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.25)))
    audio = apply(play_soundfont(folder, font, part, program, frames), *effects)
    return audio * np.array(
        [1 - max(0, position), 1 + min(0, position)], np.float32
    ), f"GM {program} {font.split('_')[0].split('.')[0]}"


def written_song(rng, seconds, folder):
    """A score: chords of an accompaniment or a composition, drums that a human played where they fit, breaks."""
    score = accompaniment(rng, seconds, folder) if rng.random() < 0.5 else composition(rng, seconds)
    score.other = score.other[: rng.randint(2, 5)]
    human = groove_drums(rng, score) if score.steady and rng.random() < 0.75 else None
    score.drums = human or score.drums
    arrange_breaks(rng, score)
    return score


def played_stems(rng, score, folder):
    """The score as stems, (samples, 2) each, not yet at their levels; what was played is noted in `score.about`."""
    frames = int((score.seconds + 0.5) * RATE)
    drums, bass = render_drums(rng, score, frames, folder), render_bass(rng, score, frames, folder)
    other, score.about["other"] = np.zeros((frames, 2), np.float32), []
    for part in score.other:
        audio, name = render_part(rng, part, frames, folder) if part.notes else (np.zeros((1, 2), np.float32), "-")
        if (level := loudness(audio)) > 1e-5:
            place(other, audio, 0, 0.1 / level * 10 ** (rng.uniform(-8, 0) / 20))
            score.about["other"].append(name)
    return dict(zip(STEMS, (drums, bass, finish_other(rng, other)), strict=True))


def limited(rng, stems, levels_db):
    """Stems and their mixture as 16-bit integers: at these levels, faded out, through one limiter for all."""
    for stem, audio in stems.items():
        audio *= np.float32(0.1 * 10 ** (levels_db[stem] / 20) / max(loudness(audio), 1e-6))
        audio[-RATE // 2 :] *= np.linspace(1, 0, RATE // 2, dtype=np.float32)[:, None]
    mixture = sum(stems.values())
    highest = np.max([np.abs(audio).max(1) for audio in [mixture, *stems.values()]], 0)
    loud, over = 10 ** (rng.uniform(-18, -12) / 20), rng.uniform(1.2, 1.9)  # `over` is 2 to 6 dB of limiting
    goal = min(loud / loudness(mixture), over / highest.max())
    gain = common_limiter(highest * np.float32(goal)) * np.float32(goal)
    whole = {stem: np.round(audio * gain * 32767).astype(np.int32) for stem, audio in stems.items()}
    whole["mixture"] = sum(whole.values())
    if np.abs(whole["mixture"]).max() > 32767:
        raise RuntimeError("the mixture clips")
    return whole


def render_song(seed, out, seconds, extension):
    """Renders one song into out/<seed>, unless it is there; returns a line to print."""
    target = out / str(seed)
    if (target / "song.json").exists():
        return f"{seed}: there already"
    for stale in out.glob(f".{seed}-*"):  # of a run that was stopped
        shutil.rmtree(stale)
    rng = random.Random(f"band {seed}")
    missing = rng.choice(STEMS) if rng.random() < 0.05 else None
    with tempfile.TemporaryDirectory(dir=out, prefix=f".{seed}-") as temporary:
        folder = Path(temporary)
        score = written_song(rng, seconds, folder)
        stems = played_stems(rng, score, folder)
        levels = {stem: rng.uniform(-4, 4) + {"drums": 1, "bass": -1, "other": 0}[stem] for stem in STEMS}
        levels_db = {stem: -math.inf if stem == missing else level for stem, level in levels.items()}
        whole = limited(rng, stems, levels_db)
        (folder / "song").mkdir()
        for stem, audio in whole.items():
            soundfile.write(folder / f"song/{stem}.{extension}", audio.astype(np.int16), RATE, subtype="PCM_16")
        about = {
            "seed": seed,
            "seconds": round(len(whole["mixture"]) / RATE, 2),
            **score.about,
            "missing": missing,
            "levels_db": {stem: round(level, 1) for stem, level in levels.items()},
        }
        (folder / "song/song.json").write_text(json.dumps(about, indent=1) + "\n")
        shutil.rmtree(target, ignore_errors=True)
        (folder / "song").rename(target)
    played = ", ".join([about["source"], about["kit"], about["bass"], *about["other"]])
    return f"{seed}: {about['seconds']:.0f} s, {played}"


def attempt(arguments):
    """render_song that reports an error instead of ending the run."""
    try:
        return render_song(*arguments)
    except Exception as error:  # one bad file must not cost the others
        return f"{arguments[0]}: FAILED {type(error).__name__}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the songs")
    parser.add_argument("--songs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="seed, and folder name, of the first song")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=120, help="most seconds of a song")
    parser.add_argument("--format", choices=("flac", "wav"), default="flac")
    options = parser.parse_args()
    missing = [package for package, path in PACKAGES.items() if not path.exists()]
    if missing:
        raise SystemExit("Missing. Run:\n  apt-get install -y --no-install-recommends " + " ".join(missing))
    options.out.mkdir(parents=True, exist_ok=True)
    work = [(options.seed + i, options.out, options.seconds, options.format) for i in range(options.songs)]
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        for line in pool.map(attempt, work):
            print(line, flush=True)


if __name__ == "__main__":
    main()
