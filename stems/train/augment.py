"""What a mixing engineer might have done to a recording: levels, width, equalizers, rooms, doubled voices."""

from __future__ import annotations

import numpy as np
import pedalboard
from scipy.signal import lfilter, oaconvolve, resample_poly, welch

from stems.spectrum import REFERENCE_RATE

SPEEDS = tuple((p, q) for q in range(12, 21) for p in range(12, 21) if 0.84 < p / q < 1.19 and np.gcd(p, q) == 1)

TONE_HZ = np.geomspace(90, 14000, 16)  # edges of half octaves: wide enough that notes do not show
TONE_WINDOW = 4096  # samples
MOST_TONED_DB = 12.0  # more would raise the noise of recordings that have nothing there

HARMONIES = (-12, -9, -8, -7, -5, -4, -3, 0, 0, 3, 4, 5, 7, 8, 9, 12)  # semitones between voices of a choir


def loudness(audio: np.ndarray) -> float:
    """Root mean square of (channels, samples) over the parts that sound, within 40 dB of the loudest."""
    blocks = audio[:, : audio.shape[1] // 2205 * 2205].reshape(audio.shape[0], -1, 2205)
    power = np.square(blocks).mean((0, 2))
    loud = power[power >= power.max(initial=0.0) * 1e-4]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.0


def pick_speed(rng: np.random.Generator, probability: float) -> tuple[int, int]:
    """Up and down factors of a change of speed (pitch and tempo together); (1, 1) is none."""
    return SPEEDS[rng.integers(len(SPEEDS))] if rng.random() < probability else (1, 1)


def change_speed(audio: np.ndarray, speed: tuple[int, int]) -> np.ndarray:
    """(channels, samples) -> (channels, samples * up / down)."""
    return audio if speed[0] == speed[1] else resample_poly(audio, *speed, axis=-1).astype(np.float32)


def frequency(rng: np.random.Generator, lowest: float, highest: float) -> float:
    """A frequency between two in Hz, every octave as likely as another."""
    return float(np.exp(rng.uniform(np.log(lowest), np.log(highest))))


def equalizer(rng: np.random.Generator, amount_db: float) -> list[pedalboard.Plugin]:
    """A random tone control of three filters."""

    def gain() -> float:
        return float(rng.uniform(-amount_db, amount_db))

    return [
        pedalboard.LowShelfFilter(rng.uniform(80, 300), gain()),
        pedalboard.PeakFilter(frequency(rng, 300, 5000), gain(), rng.uniform(0.5, 1.5)),
        pedalboard.HighShelfFilter(rng.uniform(3000, 9000), gain()),
    ]


def compressor(rng: np.random.Generator, level_db: float) -> pedalboard.Plugin:
    """A compressor whose threshold lies around a level in dBFS."""
    return pedalboard.Compressor(
        level_db + rng.uniform(-6, 4), rng.uniform(1.5, 6), rng.uniform(1, 25), rng.uniform(50, 250)
    )


def space(rng: np.random.Generator, wettest: float) -> pedalboard.Plugin:
    """A room or hall."""
    return pedalboard.Reverb(
        room_size=rng.uniform(0.1, 0.9),
        damping=rng.uniform(0.1, 0.8),
        wet_level=wettest * rng.random() ** 2,
        dry_level=1.0,
        width=rng.uniform(0.5, 1),
    )


def run(audio: np.ndarray, *plugins: pedalboard.Plugin) -> np.ndarray:
    """Plays (channels, samples) through plugins."""
    played: np.ndarray = pedalboard.Pedalboard(list(plugins))(audio, REFERENCE_RATE)  # type: ignore[attr-defined]
    return played


def at_level(audio: np.ndarray, level_db: float) -> np.ndarray:
    """Makes audio louder by `level_db`."""
    louder: np.ndarray = np.multiply(audio, 10 ** (level_db / 20), dtype=np.float32)
    return louder


def pan(audio: np.ndarray, position: float) -> np.ndarray:
    """Places (2, samples) between -1 (left) and 1 (right), at equal power."""
    angle = (position + 1) * np.pi / 4
    sides = np.sqrt(2) * np.array([[np.cos(angle)], [np.sin(angle)]])
    placed: np.ndarray = np.multiply(audio, sides, dtype=np.float32)
    return placed


def instrument(rng: np.random.Generator, audio: np.ndarray, compressed: float = 0.15) -> np.ndarray:
    """Varies a stem that is already produced: channels, polarity, tone, dynamics (of a share of stems), room, level."""
    if not audio.any():
        return audio
    if rng.random() < 0.5:
        audio = audio[::-1]
    if rng.random() < 0.5:
        audio = -audio
    plugins: list[pedalboard.Plugin] = []
    if rng.random() < 0.5:
        plugins += equalizer(rng, 5)
    if rng.random() < compressed:
        plugins.append(compressor(rng, 20 * np.log10(max(loudness(audio), 1e-4))))
    if rng.random() < 0.1:
        plugins.append(space(rng, 0.25))
    if plugins:
        audio = run(np.ascontiguousarray(audio), *plugins)
    if rng.random() < 0.15:
        middle = audio.mean(0, keepdims=True)
        audio = middle + (audio - middle) * np.float32(rng.uniform(0, 1.3))
    return at_level(audio, rng.uniform(-5, 5))


def driven(rng: np.random.Generator, audio: np.ndarray) -> np.ndarray:
    """Plays (2, samples) through an amplifier driven hard and its loudspeaker, as guitars and basses of rock are."""
    level = loudness(audio)
    if level < 1e-4:
        return audio
    played = run(
        np.ascontiguousarray(at_level(audio, -20 - 20 * np.log10(level))),
        pedalboard.HighpassFilter(rng.uniform(30, 120)),
        pedalboard.Distortion(rng.uniform(6, 34)),
        pedalboard.LowpassFilter(rng.uniform(3000, 9000)),
        pedalboard.PeakFilter(rng.uniform(400, 3500), rng.uniform(-6, 6), rng.uniform(0.5, 1.5)),
    )
    return at_level(played, 20 * np.log10(level / max(loudness(played), 1e-4)))


def bright(rng: np.random.Generator, audio: np.ndarray) -> np.ndarray:
    """Raises the overtones of a bass (2, samples), as picks, amplifiers and mixing engineers do.

    It becomes louder with them, by up to 10 dB, as they are more of it.
    """
    return run(
        np.ascontiguousarray(audio),
        pedalboard.HighShelfFilter(rng.uniform(120, 350), rng.uniform(3, 15)),
        pedalboard.LowpassFilter(rng.uniform(1500, 8000)),
    )


def tone_db(audio: np.ndarray) -> np.ndarray:
    """Level of (channels, samples) in each of the bands between `TONE_HZ`."""
    frequencies, power = welch(audio, REFERENCE_RATE, nperseg=TONE_WINDOW)
    powers = np.bincount(np.digitize(frequencies, TONE_HZ), power.mean(0))[1:-1]
    level_db: np.ndarray = 10 * np.log10(powers + 1e-12)
    return level_db


def toned(audio: np.ndarray, reference: np.ndarray, amount: float) -> np.ndarray:
    """Equalizes a recording towards the long-term spectrum of another.

    Args:
        audio: (channels, samples), at least `TONE_WINDOW` of them; silence stays silence.
        reference: likewise; a silent one changes nothing.
        amount: how far, from 0 to 1.
    """
    if not loudness(audio) or not loudness(reference):
        return audio
    difference_db = tone_db(reference) - tone_db(audio)
    gain_db = amount * np.clip(difference_db - np.median(difference_db), -MOST_TONED_DB, MOST_TONED_DB)
    centres = np.sqrt(TONE_HZ[1:] * TONE_HZ[:-1])
    frequencies = np.fft.rfftfreq(TONE_WINDOW, 1 / REFERENCE_RATE)
    gain = 10 ** (np.interp(np.log(frequencies.clip(1)), np.log(centres), gain_db) / 20)
    response = np.fft.fftshift(np.fft.irfft(gain))[1:] * np.hanning(TONE_WINDOW - 1)
    out: np.ndarray = oaconvolve(audio, response[None].astype(np.float32), mode="same", axes=-1)
    return out


def kicks(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A bass drum as electronic music has it, mostly on every beat: a sine that falls to its pitch and rings.

    Args:
        samples: at 44.1 kHz; in less than two beats there may be no hit.

    Returns:
        (1, samples), at a loudness of 0.1, which is -20 dB.
    """
    seconds = np.arange(int(0.9 * REFERENCE_RATE)) / REFERENCE_RATE
    pitch, start, fall = rng.uniform(36, 68), rng.uniform(100, 450), rng.uniform(0.008, 0.05)
    phase = 2 * np.pi * (pitch * seconds + (start - pitch) * fall * (1 - np.exp(-seconds / fall)))
    ringing = np.exp(-seconds / rng.uniform(0.06, 0.35)) * np.minimum(1, (0.9 - seconds) / 0.05)
    hit = np.tanh(rng.uniform(1, 4) * np.sin(phase) * ringing)
    line = np.zeros((1, samples + len(hit)), np.float32)
    beat = 60 / rng.uniform(85, 150) * REFERENCE_RATE
    left_out = rng.uniform(0, 0.4)
    for place in np.arange(rng.uniform(0, beat), samples, beat):
        if rng.random() >= left_out:
            line[0, int(place) : int(place) + len(hit)] += hit.astype(np.float32) * np.float32(rng.uniform(0.8, 1))
    line = line[:, :samples]
    return at_level(line, -20 - 20 * np.log10(max(loudness(line), 1e-4)))


def voice(rng: np.random.Generator, audio: np.ndarray) -> np.ndarray:
    """Produces a dry voice (2, samples) as records do: tone, dynamics, doubling, echo, room, place."""
    if not audio.any():
        return audio
    level_db = 20 * np.log10(max(loudness(audio), 1e-4))
    plugins: list[pedalboard.Plugin] = [pedalboard.HighpassFilter(rng.uniform(60, 160)), *equalizer(rng, 6)]
    if rng.random() < 0.8:
        plugins.append(compressor(rng, level_db))
    if rng.random() < 0.08:
        plugins += [pedalboard.Gain(-level_db - 26), pedalboard.Distortion(rng.uniform(6, 18))]
    audio = run(np.ascontiguousarray(audio), *plugins)
    if rng.random() < 0.3:
        audio = audio + doubles(rng, audio)
    elif rng.random() < 0.3:
        audio = pan(audio, rng.uniform(-0.7, 0.7))
    effects: list[pedalboard.Plugin] = []
    if rng.random() < 0.2:
        effects.append(pedalboard.Chorus(rng.uniform(0.3, 1.5), rng.uniform(0.05, 0.3), 8, 0, rng.uniform(0.2, 0.5)))
    if rng.random() < 0.3:
        effects.append(pedalboard.Delay(rng.uniform(0.08, 0.5), rng.uniform(0, 0.45), rng.uniform(0.03, 0.3)))
    if rng.random() < 0.8:
        effects.append(space(rng, 0.5))
    return run(audio, *effects) if effects else audio


def doubles(rng: np.random.Generator, audio: np.ndarray) -> np.ndarray:
    """Takes of the same line, a little late and out of tune, left and right of it."""
    out = np.zeros_like(audio)
    for side in (-1, 1):
        cents, late = rng.uniform(-14, 14), int(rng.uniform(0.008, 0.03) * REFERENCE_RATE)
        take = run(audio, pedalboard.Chorus(rng.uniform(0.1, 0.4), 0.1 + abs(cents) / 60, 12, 0, 1.0))
        out[:, late:] += pan(take, side * rng.uniform(0.3, 1))[:, : audio.shape[1] - late]
    return at_level(out, rng.uniform(-12, -2))


def choir(rng: np.random.Generator, audio: np.ndarray) -> np.ndarray:
    """A line (2, samples) sung by several at once: a few takes in harmony or in unison, with or without the line."""
    middle, count = audio.mean(0, keepdims=True), audio.shape[1]
    out = audio * np.float32(rng.random() < 0.7)
    for _ in range(int(rng.integers(2, 5))):
        cents, late = rng.uniform(-12, 12), int(rng.uniform(0, 0.04) * REFERENCE_RATE)
        interval = float(rng.choice(HARMONIES)) + cents / 100
        take = np.tile(run(middle, pedalboard.PitchShift(interval)), (2, 1))
        out[:, late:] += at_level(pan(take, rng.uniform(-1, 1)), rng.uniform(-9, 0))[:, : count - late]
    return at_level(out, 20 * np.log10(max(loudness(audio), 1e-4) / max(loudness(out), 1e-4)))


def narrower(rng: np.random.Generator, parts: np.ndarray) -> np.ndarray:
    """Takes some or all of the width out of some songs, since many are nearly mono: (..., 2, samples)."""
    if rng.random() > 0.35:
        return parts
    middle = parts.mean(-2, keepdims=True)
    width = 0.0 if rng.random() < 0.4 else rng.uniform(0, 0.7)
    narrow: np.ndarray = middle + (parts - middle) * np.float32(width)
    return narrow


def glued(rng: np.random.Generator, parts: np.ndarray) -> np.ndarray:
    """Compresses half of mixes as one, as mastering does: the same gain over time for all (parts, 2, samples)."""
    block = 441
    count = parts.shape[-1] // block + 1
    if rng.random() < 0.5 or (level := loudness(parts.sum(0))) < 1e-4:
        return parts
    mixture = np.pad(parts.sum(0), ((0, 0), (0, count * block - parts.shape[-1])))
    power = np.square(mixture).reshape(2, count, block).mean((0, 2))
    release = np.exp(-block / REFERENCE_RATE / rng.uniform(0.04, 0.3))
    held = lfilter([1 - release], [1, -release], power)
    over = np.maximum(np.maximum(power, held) / (level * 10 ** (rng.uniform(-6, 3) / 20)) ** 2, 1.0)
    gains = over ** (-0.5 * rng.uniform(0.2, 0.8))
    curve = np.interp(np.arange(parts.shape[-1]), (np.arange(count) + 0.5) * block, gains)
    squeezed: np.ndarray = parts * curve.astype(np.float32)
    return squeezed


def master(rng: np.random.Generator, mixture: np.ndarray) -> np.ndarray:
    """What is lost between the mix and the listener; the stems stay as they were."""
    if rng.random() < 0.08:
        mixture = run(mixture, pedalboard.MP3Compressor(rng.uniform(1, 7)))
    return mixture
