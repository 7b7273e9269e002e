"""Sounds that the recordings to train on lack: the bass drum of electronic music, and lines of synthesizers and guitars."""

from __future__ import annotations

import numpy as np
import pedalboard
from scipy.signal import lfilter

from stems.spectrum import REFERENCE_RATE
from stems.train import augment

CHORDS = ((0,), (0,), (0,), (0, 12), (0, 7), (0, 7, 12), (0, 4, 7), (0, 3, 7))  # semitones that sound at once
STEPS = (-7, -5, -4, -3, -2, -2, -1, 0, 1, 2, 2, 3, 4, 5, 7)  # semitones from note to note


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
    return _at_usual_level(line[:, :samples])


def lead(rng: np.random.Generator, samples: int) -> np.ndarray:
    """A line, or chords, of a synthesizer or an electric guitar: it glides, trembles and swells like a voice.

    What moves like a voice and is none must be heard often, or all that is not known is taken for one.

    Args:
        samples: at 44.1 kHz.

    Returns:
        (2, samples), at a loudness of 0.1, which is -20 dB.
    """
    pitch, swell = _melody(rng, samples)
    wave = _oscillator(rng)
    line = np.zeros(samples)
    for interval in CHORDS[rng.integers(len(CHORDS))]:
        out_of_tune = rng.normal(0, 0.05)
        hz = 440 * 2 ** ((pitch + interval + out_of_tune - 69) / 12)
        line += wave(rng.random() + np.cumsum(hz) / REFERENCE_RATE)
    stereo = _at_usual_level(np.tile(line * swell, (2, 1)).astype(np.float32))
    played = augment.run(stereo, *_sound(rng))
    return _at_usual_level(augment.pan(played, rng.uniform(-0.8, 0.8)) if rng.random() < 0.5 else played)


def _melody(rng: np.random.Generator, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Semitones as of MIDI and amplitude over time, (samples,) each."""
    pitch, swell = np.zeros(samples), np.zeros(samples)
    note, longest = rng.uniform(45, 76), rng.uniform(0.2, 1.4)
    attack, fall, rests = rng.uniform(0.003, 0.08), float(np.exp(rng.uniform(-2, 2))), rng.uniform(0, 0.3)
    start = 0
    while start < samples:
        end = min(samples, start + int(rng.uniform(0.08, longest) * REFERENCE_RATE))
        seconds = np.arange(end - start) / REFERENCE_RATE
        release = np.minimum(1, (seconds[-1] - seconds) / 0.02)
        pitch[start:end] = note
        swell[start:end] = np.minimum(1, seconds / attack) * np.exp(-seconds / fall) * release
        swell[start:end] *= rng.uniform(0.5, 1) * (rng.random() >= rests)
        note = float(np.clip(note + rng.choice(STEPS), 40, 86))
        start = end
    glide = np.exp(-1 / (REFERENCE_RATE * rng.uniform(0.001, 0.06)))
    pitch = lfilter([1 - glide], [1, -glide], pitch, zi=[glide * pitch[0]])[0]
    trembling = rng.uniform(0, 0.7) * (rng.random() < 0.6)
    return pitch + trembling * np.sin(2 * np.pi * rng.uniform(4, 7.5) * np.arange(samples) / REFERENCE_RATE), swell


def _oscillator(rng: np.random.Generator):  # type: ignore[no-untyped-def]
    """A waveform over its phase, which is 1 after a period: a saw, a pulse, or a sine whose phase trembles."""
    kind, width = rng.random(), rng.uniform(0.1, 0.5)
    ratio, depth = rng.choice([0.5, 1, 1, 2, 3, 4]), rng.uniform(0.3, 5)
    if kind < 0.35:
        return lambda phase: 2 * (phase % 1) - 1
    if kind < 0.6:
        return lambda phase: np.where(phase % 1 < width, 1.0, -1.0)
    return lambda phase: np.sin(2 * np.pi * phase + depth * np.sin(2 * np.pi * ratio * phase))


def _sound(rng: np.random.Generator) -> list[pedalboard.Plugin]:
    """Filters, an amplifier that is driven or not, and modulation, as for synthesizers and guitars."""
    plugins: list[pedalboard.Plugin] = [
        pedalboard.HighpassFilter(rng.uniform(40, 250)),
        pedalboard.PeakFilter(rng.uniform(300, 3000), rng.uniform(-4, 14), rng.uniform(0.5, 4)),
        pedalboard.PeakFilter(rng.uniform(300, 3000), rng.uniform(-4, 14), rng.uniform(0.5, 4)),
        pedalboard.LowpassFilter(float(np.exp(rng.uniform(np.log(600), np.log(12000))))),
    ]
    if rng.random() < 0.4:
        plugins += [pedalboard.Distortion(rng.uniform(6, 36)), pedalboard.LowpassFilter(rng.uniform(2500, 7000))]
    if rng.random() < 0.3:
        plugins.append(pedalboard.Chorus(rng.uniform(0.2, 3), rng.uniform(0.05, 0.5), 8, 0, rng.uniform(0.2, 0.6)))
    if rng.random() < 0.2:
        plugins.append(pedalboard.Phaser(rng.uniform(0.2, 3), rng.uniform(0.2, 0.8)))
    if rng.random() < 0.6:
        plugins.append(augment.space(rng, 0.5))
    return plugins


def _at_usual_level(audio: np.ndarray) -> np.ndarray:
    return augment.at_level(audio, -20 - 20 * np.log10(max(augment.loudness(audio), 1e-4)))
