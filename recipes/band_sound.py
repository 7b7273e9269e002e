"""Instruments, kits and effects of render_band.py: notes in, (frames, 2) float32 at 44.1 kHz out.

A note is (start seconds, length seconds, MIDI pitch, velocity). Sampled instruments are folders of
CORPUS/instruments with a map.tsv; kits may also come from Hydrogen, sounds from SF2 files by fluidsynth.
"""

import csv
import functools
import math
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mido
import numpy as np
import pedalboard as pb
import soundfile
import soxr

RATE = 44100
CORPUS = Path(os.environ.get("CORPUS", "corpus"))  # a folder with instruments/ and midi/; its jobs inherit it
SOUNDFONTS = Path("/usr/share/sounds/sf2")
HYDROGEN = Path("/usr/share/hydrogen/data/drumkits")
PIECES = {
    "kick": [35, 36],
    "snare": [38, 40],
    "stick": [37],
    "hat_closed": [42, 44, 22],
    "hat_open": [46, 26],
    "tom_1": [48, 50],
    "tom_2": [45, 47],
    "tom_3": [43, 58],
    "tom_4": [41],
    "crash_1": [49, 55],
    "crash_2": [57],
    "china": [52],
    "ride": [51, 59],
    "bell": [53],
    "clap": [39],
    "cowbell": [56],
    "shaker": [70, 82],
    "tambourine": [54],
}
PIECE_OF_PITCH = {pitch: piece for piece, pitches in PIECES.items() for pitch in pitches}
STAND_IN = {
    "stick": "snare",
    "tom_4": "tom_3",
    "tom_3": "tom_2",
    "tom_2": "tom_1",
    "tom_1": "tom_3",
    "crash_2": "crash_1",
    "china": "crash_1",
    "bell": "ride",
    "ride": "hat_closed",
    "clap": "snare",
    "tambourine": "hat_closed",
    "shaker": "hat_closed",
    "hat_open": "crash_1",
    "cowbell": "stick",
    "crash_1": "hat_open",
}
HYDROGEN_NAMES = [
    ("kick", r"kick|bass ?d|^bd"),
    ("stick", r"stick|rim"),
    ("clap", "clap"),
    ("snare", r"snare|^sn|^sd"),
    ("hat_open", r"open|hho|ohh"),
    ("hat_closed", r"hat|hh|closed|pedal"),
    ("tom_1", r"tom.*(1|hi)"),
    ("tom_2", r"tom.*(2|mid)|mid.*tom"),
    ("tom_3", "tom|floor"),
    ("cowbell", "cow"),
    ("bell", "bell"),
    ("ride", "ride"),
    ("crash_1", "crash|china|splash|cym"),
    ("tambourine", "tamb"),
    ("shaker", "shak"),
]
MACHINE_BALANCE_DB = {
    "hat_closed": -9,
    "hat_open": -9,
    "crash_1": -5,
    "ride": -10,
    "shaker": -13,
    "clap": -4,
    "cowbell": -10,
    "tambourine": -13,
    "stick": -5,
    "snare": -2,
}


def table(path: Path, delimiter: str = "\t") -> list[dict[str, str]]:
    """The rows of a table on disk."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


@functools.lru_cache(maxsize=200)
def load(path, semitones=0.0):
    """Samples of a file as (frames, 1 or 2) float32 at 44.1 kHz, pitched by resampling."""
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    ratio = 2 ** (semitones / 12) * rate / RATE
    return audio[:, :2] if abs(ratio - 1) < 1e-5 else soxr.resample(audio[:, :2], ratio, 1.0, quality="MQ")


def place(out, audio, start_seconds, gain=1.0):
    """Adds `audio` into `out` at a time, in place."""
    first = max(0, int(start_seconds * RATE))
    count = min(len(audio), len(out) - first)
    if count > 0:
        out[first : first + count] += audio[:count] * np.float32(gain)


def play_sampled(rng, name, notes, frames):
    """Plays notes on a multisampled instrument of the corpus -> (frames, 2)."""
    folder = CORPUS / "instruments" / name
    zones = [
        (float(r["centre"]), int(r["low_velocity"]), int(r["high_velocity"]), str(folder / r["file"]))
        for r in table(folder / "map.tsv")
    ]
    release = 0.08 if name.startswith("bass") else 0.2
    out = np.zeros((frames, 2), np.float32)
    for start, length, pitch, velocity in notes:
        fitting = [z for z in zones if z[1] <= velocity <= z[2]] or zones
        nearest = min(abs(z[0] - pitch) for z in fitting)
        zone = rng.choice([z for z in fitting if abs(z[0] - pitch) < nearest + 0.6])
        audio = load(zone[3], round(pitch - zone[0], 2))[: int((length + release) * RATE)].copy()
        fade = min(len(audio), int(release * RATE))
        audio[len(audio) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None] ** 2
        place(out, audio, start + rng.gauss(0, 0.003), (velocity / 127) ** 1.3 * 10 ** (rng.gauss(0, 0.5) / 20))
    return out


def play_synth_bass(rng, notes, frames):
    """An additive synthesizer: saw or square partials whose top fades first (a closing filter)."""
    odd, closing, sub = rng.random() < 0.4, rng.uniform(0.05, 0.8), rng.uniform(0, 0.6)
    time, tones, out = np.arange(int(2.5 * RATE)) / RATE, {}, np.zeros((frames, 2), np.float32)
    for start, length, pitch, velocity in notes:
        if pitch not in tones:
            frequency = 440 * 2 ** ((pitch - 69) / 12)
            partials = [k for k in range(1, 25) if k * frequency < 9000 and (k % 2 or not odd)]
            tone = sum(np.sin(2 * np.pi * k * frequency * time) / k * np.exp(-time * k * closing) for k in partials)
            tones[pitch] = (tone + sub * np.sin(np.pi * frequency * time) * (pitch > 38)).astype(np.float32)[:, None]
        audio = tones[pitch][: int((length + 0.05) * RATE)].copy()
        fade = min(len(audio) // 2, int(0.04 * RATE))
        audio[:132] *= np.linspace(0, 1, 132, dtype=np.float32)[: len(audio), None]
        audio[len(audio) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
        place(out, audio, start, 0.2 * (velocity / 127) ** 0.8)
    return out


def play_soundfont(folder, soundfont, part, program, frames, channel=0):
    """Plays a part, with its pitch bends and controllers, with fluidsynth -> (frames, 2)."""
    events = [(0.0, 0, mido.Message("program_change", channel=channel, program=program))]
    events += [(t, 1, m.copy(channel=channel)) for t, m in part.controls]
    for start, length, pitch, velocity in part.notes:
        start = max(start, 0)
        events.append((start, 3, mido.Message("note_on", channel=channel, note=pitch, velocity=velocity)))
        events.append((start + max(length, 0.03), 2, mido.Message("note_off", channel=channel, note=pitch)))
    events.sort(key=lambda event: event[:2])
    track, now = mido.MidiTrack(), 0
    for seconds, _, message in events:  # 960 ticks are one second at the default 120 beats per minute
        tick = round(seconds * 960)
        track.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(folder / "part.mid")
    subprocess.run(
        [
            "fluidsynth",
            "-niq",
            "-r",
            str(RATE),
            "-g",
            "0.4",
            "-R",
            "0",
            "-C",
            "0",
            "-O",
            "float",
            "-T",
            "wav",
            "-o",
            "synth.dynamic-sample-loading=1",
            "-F",
            "part.wav",
            str(SOUNDFONTS / soundfont),
            "part.mid",
        ],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    audio = soundfile.read(folder / "part.wav", dtype="float32", always_2d=True)[0][:frames]
    return np.pad(audio, ((0, frames - len(audio)), (0, 0)))


def load_kit(name):
    """Hits of a drum kit: piece -> list of (peak, audio), soft to loud. Names: 'hydrogen:X' or a corpus folder."""
    kit = {}
    if name.startswith("hydrogen:"):
        folder = HYDROGEN / name.split(":")[1]

        def bare(element):
            return element.tag.split("}")[-1]

        for instrument in ElementTree.parse(folder / "drumkit.xml").getroot().iter():
            label = (
                next((c.text or "" for c in instrument if bare(c) == "name"), "").lower()
                if bare(instrument) == "instrument"
                else ""
            )
            piece = next((piece for piece, pattern in HYDROGEN_NAMES if re.search(pattern, label)), None)
            for file in (
                [c.text for c in instrument.iter() if bare(c) == "filename" and c.text] if label and piece else []
            ):
                audio = load(str(folder / file))[: 4 * RATE] if (folder / file).exists() else []
                if len(audio) and np.abs(audio).max() > 1e-3:
                    kit.setdefault(piece, []).append((float(np.abs(audio).max()), audio))
    else:
        folder = CORPUS / "instruments" / name
        for row in table(folder / "map.tsv"):
            audio, peak = load(str(folder / row["file"])), float(row["peak"])
            kit.setdefault(row["piece"], []).append((peak, audio * np.float32(peak / 0.9)))
    return {piece: sorted(hits, key=lambda hit: hit[0]) for piece, hits in kit.items()}


def play_kit(rng, name, notes, frames):
    """Plays drum notes on a kit; a hi-hat note stops the open hi-hat before it -> (frames, 2)."""
    kit = load_kit(name)
    balance = {
        piece: 10
        ** ((rng.uniform(-2, 2) + (MACHINE_BALANCE_DB.get(piece, 0) if name.startswith("machine") else 0)) / 20)
        for piece in kit
    }
    out, hits = np.zeros((frames, 2), np.float32), []
    for start, _, pitch, velocity in notes:
        piece = PIECE_OF_PITCH.get(pitch)
        for _ in range(4):
            piece = piece if piece in kit else STAND_IN.get(piece)
        if piece in kit:
            hits.append((start, piece, velocity))
    hats = [start for start, piece, _ in hits if piece.startswith("hat")]
    for start, piece, velocity in hits:
        layers = kit[piece]
        index = velocity / 127 * (len(layers) - 1) + rng.uniform(-0.8, 0.8)
        peak, audio = layers[min(max(round(index), 0), len(layers) - 1)]
        if piece == "hat_open":
            closing = next((t for t in hats if t > start + 0.01), None)
            if closing is not None and (count := int((closing - start + 0.04) * RATE)) < len(audio):
                audio = audio[:count].copy()
                audio[-1764:] *= np.linspace(1, 0, 1764, dtype=np.float32)[-count:, None]
        place(
            out,
            audio,
            start,
            (velocity / 127) ** 1.5 * layers[-1][0] / peak * balance[piece] * 10 ** (rng.gauss(0, 0.4) / 20),
        )
    return out


# ---------------------------------------------------------------- effects


def decibels(value):
    """Amplitude ratio -> dB."""
    return 20 * math.log10(max(float(value), 1e-9))


def loudness(audio):
    """RMS over the 50 ms blocks that sound (within 40 dB of the loudest block)."""
    blocks = (audio[: len(audio) // 2205 * 2205].reshape(-1, 2205, 2) ** 2).mean((1, 2))
    return float(np.sqrt(blocks[blocks >= blocks.max() * 1e-4].mean())) if len(blocks) and blocks.max() > 0 else 0.0


def apply(audio, *effects):
    """Runs pedalboard effects over (frames, 2)."""
    return pb.Pedalboard(list(effects))(np.ascontiguousarray(audio.T), RATE).T


def colour(rng, amount_db=3.5):
    """A random equalizer."""
    return [
        pb.LowShelfFilter(rng.uniform(80, 250), rng.uniform(-amount_db, amount_db)),
        pb.PeakFilter(rng.uniform(300, 3500), rng.uniform(-amount_db, amount_db), rng.uniform(0.5, 1.5)),
        pb.HighShelfFilter(rng.uniform(3500, 8000), rng.uniform(-amount_db, amount_db)),
    ]


def room(rng, wet_low=0.02, wet_high=0.14):
    """A random reverberation."""
    return pb.Reverb(
        room_size=rng.uniform(0.1, 0.75),
        damping=rng.uniform(0.2, 0.8),
        wet_level=rng.uniform(wet_low, wet_high),
        dry_level=1,
        width=1,
    )


def pan(audio, position):
    """Places a sound between -1 (left) and 1 (right)."""
    angle = (position + 1) * math.pi / 4
    return audio * np.array([math.cos(angle), math.sin(angle)], np.float32) * np.float32(math.sqrt(2))


def amplifier(rng):
    """A driven guitar amplifier with a loudspeaker-like band limit."""
    top = rng.uniform(4000, 6000)
    return [
        pb.HighpassFilter(rng.uniform(80, 140)),
        pb.PeakFilter(rng.uniform(600, 1200), 4),
        pb.Gain(-6),
        pb.Distortion(rng.uniform(14, 36)),
        pb.HighpassFilter(75),
        pb.PeakFilter(400, rng.uniform(-5, 0)),
        pb.PeakFilter(rng.uniform(2000, 3200), rng.uniform(1, 5)),
        pb.LowpassFilter(top),
        pb.LowpassFilter(top),
        pb.LowpassFilter(top * 1.2),
    ]


def brightness_db(audio):
    """Energy above 8 kHz relative to all energy, in dB."""
    blocks = audio[: len(audio) // 8192 * 8192].reshape(-1, 8192, 2) * np.hanning(8192).astype(np.float32)[:, None]
    spectrum = np.abs(np.fft.rfft(blocks, axis=1)) ** 2
    return 10 * math.log10(spectrum[:, int(8000 * 8192 / RATE) :].sum() / (spectrum.sum() + 1e-12) + 1e-9)


def crest_db(audio):
    """Peak over RMS, in dB."""
    return decibels(np.abs(audio).max() / (np.sqrt((audio**2).mean()) + 1e-12))


def finish_drums(rng, audio):
    """Drum bus: equalizer, compressor, room, brightness and crest factor brought into the range of records."""
    audio = audio * np.float32(0.12 / max(loudness(audio), 1e-6))
    compressor = pb.Compressor(rng.uniform(-20, -12), rng.uniform(1.5, 4), rng.uniform(4, 25), rng.uniform(60, 200))
    audio = apply(audio, *colour(rng, 2.5), *([compressor] if crest_db(audio) > 18 else []), room(rng, 0.01, 0.1))
    crest, bright = (
        rng.uniform(17.6, 20),
        min(max(brightness_db(audio), rng.uniform(-23, -18)), rng.uniform(-16, -11.5)),
    )
    for _ in range(3):
        low, high = 0.05, 30.0
        loudest = np.abs(audio).max()
        for _ in range(12 if crest_db(audio) > crest else 0):  # the drive that gives this crest factor
            drive = math.sqrt(low * high)
            low, high = (drive, high) if crest_db(np.tanh(audio[::3] * (drive / loudest))) > crest else (low, drive)
        audio = np.tanh(audio * np.float32(low / loudest)) / np.float32(low) if low > 0.06 else audio
        for _ in range(3):
            if abs(step := bright - brightness_db(audio)) > 0.3:
                audio = apply(audio, pb.HighShelfFilter(6500, min(max(step, -9), 9)))
    return audio


def finish_bass(rng, audio):
    """Bass bus: mono, compressed, sometimes driven, band-limited like an amplifier."""
    audio = np.repeat(audio.mean(1, keepdims=True), 2, 1) * np.float32(0.12 / max(loudness(audio), 1e-6))
    driven = [pb.Gain(-3), pb.Distortion(rng.uniform(5, 16))] if rng.random() < 0.3 else []
    return apply(
        audio,
        pb.HighpassFilter(30),
        *colour(rng, 4),
        pb.Compressor(-22, rng.uniform(3, 6), rng.uniform(5, 25), rng.uniform(80, 200)),
        *driven,
        pb.LowpassFilter(rng.uniform(2500, 12000)),
    )


def finish_other(rng, audio):
    """Bus of the other instruments: light compression, reverberation, stereo width."""
    audio = audio * np.float32(0.12 / max(loudness(audio), 1e-6))
    audio = apply(
        audio,
        pb.HighpassFilter(rng.uniform(30, 90)),
        *colour(rng),
        pb.Compressor(-16, rng.uniform(1.2, 2.5), 15, 150),
        room(rng),
    )
    middle, width = audio.mean(1, keepdims=True), rng.uniform(0.6, 1.4)
    return middle + (audio - middle) * np.float32(width)


def common_limiter(highest, ceiling=0.96, block=64, reach=20):
    """One smooth gain per frame that keeps `highest` (frames,) under the ceiling, to multiply every stem with."""
    peaks = np.pad(highest, (0, -len(highest) % block)).reshape(-1, block).max(1)
    wanted = np.pad(np.minimum(1, ceiling / np.maximum(peaks, 1e-9)), 2 * reach, constant_values=1)
    lowest = np.lib.stride_tricks.sliding_window_view(wanted, 2 * reach + 1).min(1)  # looks both ways
    window = np.hanning(2 * reach + 1)[1:-1]
    smooth = np.convolve(lowest, window / window.sum(), "same")[reach:-reach]
    return np.interp(np.arange(len(highest)), np.arange(len(smooth)) * block + block / 2, smooth).astype(np.float32)[
        :, None
    ]
