"""What a mixing engineer might have done to a recording: levels, width, equalizers, rooms, doubled voices.

How often and how far is in the recipe, see `stems.train.augmentation`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pedalboard
from scipy.signal import lfilter, resample_poly

from stems.spectrum import REFERENCE_RATE
from stems.train.augmentation import Augmentation, Range


def loudness(audio: np.ndarray) -> float:
    """Root mean square of (channels, samples) over the parts that sound, within 40 dB of the loudest."""
    blocks = audio[:, : audio.shape[1] // 2205 * 2205].reshape(audio.shape[0], -1, 2205)
    power = np.square(blocks).mean((0, 2))
    loud = power[power >= power.max(initial=0.0) * 1e-4]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.0


@cache
def speeds(factor: Range) -> tuple[tuple[int, int], ...]:
    """Ratios of small whole numbers within a range, which resample fast."""
    lowest, highest = factor
    pairs = ((up, down) for down in range(12, 21) for up in range(12, 21) if np.gcd(up, down) == 1)
    return tuple((up, down) for up, down in pairs if lowest < up / down < highest)


def pick_speed(rng: np.random.Generator, probability: float, factor: Range) -> tuple[int, int]:
    """Up and down factors of a change of speed (pitch and tempo together); (1, 1) is none."""
    known = speeds(factor)
    return known[rng.integers(len(known))] if rng.random() < probability else (1, 1)


def change_speed(audio: np.ndarray, speed: tuple[int, int]) -> np.ndarray:
    """(channels, samples) -> (channels, samples * up / down)."""
    return audio if speed[0] == speed[1] else resample_poly(audio, *speed, axis=-1).astype(np.float32)


def frequency(rng: np.random.Generator, hz: Range) -> float:
    """A frequency between two in Hz, every octave as likely as another."""
    return float(np.exp(rng.uniform(*np.log(hz))))


def equalizer(rng: np.random.Generator, how: Augmentation, amount_db: float) -> list[pedalboard.Plugin]:
    """A random tone control of three filters."""
    of = how.equalizer

    def gain() -> float:
        return float(rng.uniform(-amount_db, amount_db))

    return [
        pedalboard.LowShelfFilter(rng.uniform(*of.low_shelf_hz), gain()),
        pedalboard.PeakFilter(frequency(rng, of.peak_hz), gain(), rng.uniform(*of.peak_q)),
        pedalboard.HighShelfFilter(rng.uniform(*of.high_shelf_hz), gain()),
    ]


def compressor(rng: np.random.Generator, how: Augmentation, level_db: float) -> pedalboard.Plugin:
    """A compressor whose threshold lies around a level in dBFS."""
    of = how.compressor
    return pedalboard.Compressor(
        level_db + rng.uniform(*of.threshold_db),
        rng.uniform(*of.ratio),
        rng.uniform(*of.attack_ms),
        rng.uniform(*of.release_ms),
    )


def space(rng: np.random.Generator, how: Augmentation, wettest: float) -> pedalboard.Plugin:
    """A room or hall."""
    return pedalboard.Reverb(
        room_size=rng.uniform(*how.room.size),
        damping=rng.uniform(*how.room.damping),
        wet_level=wettest * rng.random() ** 2,
        dry_level=1.0,
        width=rng.uniform(*how.room.width),
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


def instrument(rng: np.random.Generator, audio: np.ndarray, how: Augmentation, together: bool = False) -> np.ndarray:
    """Varies a stem that is already produced: channels, polarity, tone, dynamics (of a share of stems), room, level.

    Args:
        audio: (2, samples).
        how: the recipe's shares and ranges.
        together: for stems that are varied alike and must still sum to their song, so that none is compressed.
    """
    of = how.instrument
    if not audio.any():
        return audio
    if rng.random() < of.swapped:
        audio = audio[::-1]
    if rng.random() < of.inverted:
        audio = -audio
    plugins: list[pedalboard.Plugin] = []
    if rng.random() < of.equalized:
        plugins += equalizer(rng, how, of.equalizer_db)
    if rng.random() < (0 if together else of.compressed):
        plugins.append(compressor(rng, how, 20 * np.log10(max(loudness(audio), 1e-4))))
    if rng.random() < of.in_a_room:
        plugins.append(space(rng, how, of.wettest))
    if plugins:
        audio = run(np.ascontiguousarray(audio), *plugins)
    if rng.random() < of.widened:
        audio = widened(audio, rng.uniform(*of.width))
    return at_level(audio, rng.uniform(*of.level_db))


def driven(rng: np.random.Generator, audio: np.ndarray, how: Augmentation) -> np.ndarray:
    """Plays (2, samples) through an amplifier driven hard and its loudspeaker, as guitars and basses of rock are."""
    of, level = how.amplifier, loudness(audio)
    if level < 1e-4:
        return audio
    played = run(
        np.ascontiguousarray(at_level(audio, -20 - 20 * np.log10(level))),
        pedalboard.HighpassFilter(rng.uniform(*of.highpass_hz)),
        pedalboard.Distortion(rng.uniform(*of.drive_db)),
        pedalboard.LowpassFilter(rng.uniform(*of.lowpass_hz)),
        pedalboard.PeakFilter(rng.uniform(*of.peak_hz), rng.uniform(*of.peak_db), rng.uniform(*of.peak_q)),
    )
    return at_level(played, 20 * np.log10(level / max(loudness(played), 1e-4)))


def bright(rng: np.random.Generator, audio: np.ndarray, how: Augmentation) -> np.ndarray:
    """Raises the overtones of a bass (2, samples), as picks, amplifiers and mixing engineers do.

    It becomes louder with them, by up to 10 dB, as they are more of it.
    """
    of = how.brightness
    return run(
        np.ascontiguousarray(audio),
        pedalboard.HighShelfFilter(rng.uniform(*of.shelf_hz), rng.uniform(*of.shelf_db)),
        pedalboard.LowpassFilter(rng.uniform(*of.lowpass_hz)),
    )


def kicks(rng: np.random.Generator, samples: int, how: Augmentation) -> np.ndarray:
    """A bass drum as electronic music has it, mostly on every beat: a sine that falls to its pitch and rings.

    Args:
        samples: at 44.1 kHz; in less than two beats there may be no hit.
        how: the recipe's shares and ranges.

    Returns:
        (1, samples), at a loudness of 0.1, which is -20 dB.
    """
    of = how.kick
    seconds = np.arange(int(0.9 * REFERENCE_RATE)) / REFERENCE_RATE
    pitch, start, fall = rng.uniform(*of.pitch_hz), rng.uniform(*of.start_hz), rng.uniform(*of.fall_seconds)
    phase = 2 * np.pi * (pitch * seconds + (start - pitch) * fall * (1 - np.exp(-seconds / fall)))
    ringing = np.exp(-seconds / rng.uniform(*of.ring_seconds)) * np.minimum(1, (0.9 - seconds) / 0.05)
    hit = np.tanh(rng.uniform(*of.drive) * np.sin(phase) * ringing)
    line = np.zeros((1, samples + len(hit)), np.float32)
    beat = 60 / rng.uniform(*of.beats_per_minute) * REFERENCE_RATE
    left_out = rng.uniform(*of.left_out)
    for place in np.arange(rng.uniform(0, beat), samples, beat):
        if rng.random() >= left_out:
            line[0, int(place) : int(place) + len(hit)] += hit.astype(np.float32) * np.float32(rng.uniform(*of.accent))
    line = line[:, :samples]
    return at_level(line, -20 - 20 * np.log10(max(loudness(line), 1e-4)))


def voice(rng: np.random.Generator, audio: np.ndarray, how: Augmentation) -> np.ndarray:
    """Produces a dry voice (2, samples) as records do: tone, dynamics, doubling, echo, room, place."""
    if not audio.any():
        return audio
    of, level_db = how.voice, 20 * np.log10(max(loudness(audio), 1e-4))
    plugins: list[pedalboard.Plugin] = [pedalboard.HighpassFilter(rng.uniform(*of.highpass_hz))]
    plugins += equalizer(rng, how, of.equalizer_db)
    if rng.random() < of.compressed:
        plugins.append(compressor(rng, how, level_db))
    if rng.random() < of.distorted:
        plugins += [pedalboard.Gain(-level_db - 26), pedalboard.Distortion(rng.uniform(*of.distortion_db))]
    audio = run(np.ascontiguousarray(audio), *plugins)
    if rng.random() < of.doubled:
        audio = audio + doubles(rng, audio, how)
    elif rng.random() < of.panned:
        audio = pan(audio, rng.uniform(*of.position))
    effects: list[pedalboard.Plugin] = []
    if rng.random() < of.chorus:
        rate, depth, mix = rng.uniform(*of.chorus_hz), rng.uniform(*of.chorus_depth), rng.uniform(*of.chorus_mix)
        effects.append(pedalboard.Chorus(rate, depth, 8, 0, mix))
    if rng.random() < of.echo:
        seconds, feedback = rng.uniform(*of.echo_seconds), rng.uniform(*of.echo_feedback)
        effects.append(pedalboard.Delay(seconds, feedback, rng.uniform(*of.echo_mix)))
    if rng.random() < of.in_a_room:
        effects.append(space(rng, how, of.wettest))
    return run(audio, *effects) if effects else audio


def doubles(rng: np.random.Generator, audio: np.ndarray, how: Augmentation) -> np.ndarray:
    """Takes of the same line, a little late and out of tune, left and right of it."""
    of, out = how.doubles, np.zeros_like(audio)
    for side in (-1, 1):
        cents, late = rng.uniform(*of.cents), int(rng.uniform(*of.late_seconds) * REFERENCE_RATE)
        take = run(audio, pedalboard.Chorus(rng.uniform(*of.rate_hz), 0.1 + abs(cents) / 60, 12, 0, 1.0))
        out[:, late:] += pan(take, side * rng.uniform(*of.position))[:, : audio.shape[1] - late]
    return at_level(out, rng.uniform(*of.level_db))


def choir(rng: np.random.Generator, audio: np.ndarray, how: Augmentation) -> np.ndarray:
    """A line (2, samples) sung by several at once: a few takes in harmony or in unison, with or without the line."""
    of, middle, count = how.choir, audio.mean(0, keepdims=True), audio.shape[1]
    out = audio * np.float32(rng.random() < of.with_line)
    for _ in range(int(rng.integers(*of.takes, endpoint=True))):
        cents, late = rng.uniform(*of.cents), int(rng.uniform(*of.late_seconds) * REFERENCE_RATE)
        interval = float(rng.choice(of.semitones)) + cents / 100
        take = np.tile(run(middle, pedalboard.PitchShift(interval)), (2, 1))
        out[:, late:] += at_level(pan(take, rng.uniform(*of.position)), rng.uniform(*of.level_db))[:, : count - late]
    return at_level(out, 20 * np.log10(max(loudness(audio), 1e-4) / max(loudness(out), 1e-4)))


def widened(audio: np.ndarray, width: float) -> np.ndarray:
    """Scales what differs between the sides of (..., 2, samples): 0 is mono, 1 changes nothing."""
    middle = audio.mean(-2, keepdims=True)
    out: np.ndarray = middle + (audio - middle) * np.float32(width)
    return out


def narrower(rng: np.random.Generator, parts: np.ndarray, how: Augmentation) -> np.ndarray:
    """Takes some or all of the width out of some songs, since many are nearly mono: (..., 2, samples)."""
    of = how.mixing
    if rng.random() > of.narrowed:
        return parts
    return widened(parts, 0.0 if rng.random() < of.mono else rng.uniform(*of.width))


def glued(rng: np.random.Generator, parts: np.ndarray, how: Augmentation) -> np.ndarray:
    """Compresses some mixes as one, as mastering does: the same gain over time for all (parts, 2, samples)."""
    of, block = how.mixing, 441
    count = parts.shape[-1] // block + 1
    if rng.random() < 1 - of.glued or (level := loudness(parts.sum(0))) < 1e-4:
        return parts
    mixture = np.pad(parts.sum(0), ((0, 0), (0, count * block - parts.shape[-1])))
    power = np.square(mixture).reshape(2, count, block).mean((0, 2))
    release = np.exp(-block / REFERENCE_RATE / rng.uniform(*of.glue_release_seconds))
    held = lfilter([1 - release], [1, -release], power)
    threshold = level * 10 ** (rng.uniform(*of.glue_threshold_db) / 20)
    over = np.maximum(np.maximum(power, held) / threshold**2, 1.0)
    gains = over ** (-0.5 * rng.uniform(*of.glue_strength))
    curve = np.interp(np.arange(parts.shape[-1]), (np.arange(count) + 0.5) * block, gains)
    squeezed: np.ndarray = parts * curve.astype(np.float32)
    return squeezed


def master(rng: np.random.Generator, mixture: np.ndarray, how: Augmentation) -> np.ndarray:
    """What is lost between the mix and the listener; the stems stay as they were."""
    if rng.random() < how.mixing.coded:
        mixture = run(mixture, pedalboard.MP3Compressor(rng.uniform(*how.mixing.coded_quality)))
    return mixture
