"""How far recordings are varied in training: the shares and ranges that `stems.train.augment` draws from."""

from __future__ import annotations

from dataclasses import dataclass, field

Range = tuple[float, float]


@dataclass(frozen=True)
class Speed:
    """Pitch and tempo together.

    Args:
        changed: share of recordings at another speed; that of voices is `data.voices_changed`.
        factor: of the speeds, which are ratios of whole numbers.
    """

    changed: float = 0.4
    factor: Range = (0.84, 1.19)


@dataclass(frozen=True)
class Equalizer:
    """A tone control of a low shelf, a peak and a high shelf; who uses it says by how many dB."""

    low_shelf_hz: Range = (80.0, 300.0)
    peak_hz: Range = (300.0, 5000.0)
    peak_q: Range = (0.5, 1.5)
    high_shelf_hz: Range = (3000.0, 9000.0)


@dataclass(frozen=True)
class Compressor:
    """A compressor; its threshold is relative to the loudness of what is played through it."""

    threshold_db: Range = (-6.0, 4.0)
    ratio: Range = (1.5, 6.0)
    attack_ms: Range = (1.0, 25.0)
    release_ms: Range = (50.0, 250.0)


@dataclass(frozen=True)
class Room:
    """A reverberation; who uses it says how wet it is at most."""

    size: Range = (0.1, 0.9)
    damping: Range = (0.1, 0.8)
    width: Range = (0.5, 1.0)


@dataclass(frozen=True)
class Instrument:
    """What is done to stems that are already produced; shares are of stems."""

    swapped: float = 0.5
    inverted: float = 0.5
    equalized: float = 0.5
    equalizer_db: float = 5.0
    compressed: float = 0.15
    in_a_room: float = 0.1
    wettest: float = 0.25
    widened: float = 0.15
    width: Range = (0.0, 1.3)
    level_db: Range = (-5.0, 5.0)


@dataclass(frozen=True)
class Amplifier:
    """An amplifier driven hard and its loudspeaker; the share is `data.driven`."""

    highpass_hz: Range = (30.0, 120.0)
    drive_db: Range = (6.0, 34.0)
    lowpass_hz: Range = (3000.0, 9000.0)
    peak_hz: Range = (400.0, 3500.0)
    peak_db: Range = (-6.0, 6.0)
    peak_q: Range = (0.5, 1.5)


@dataclass(frozen=True)
class Brightness:
    """Louder overtones of a bass; the share is `data.bright`."""

    shelf_hz: Range = (120.0, 350.0)
    shelf_db: Range = (3.0, 15.0)
    lowpass_hz: Range = (1500.0, 8000.0)


@dataclass(frozen=True)
class Kick:
    """The bass drum of electronic music; the share is `data.kicks`.

    Args:
        pitch_hz: of its ringing.
        start_hz: where its pitch falls from.
        fall_seconds: time constant of the fall.
        ring_seconds: time constant of the ringing.
        drive: factor before it saturates.
        left_out: share of beats without it, drawn for each song.
        accent: amplitude of each.
        level_db: against the rest of the mix.
    """

    pitch_hz: Range = (36.0, 68.0)
    start_hz: Range = (100.0, 450.0)
    fall_seconds: Range = (0.008, 0.05)
    ring_seconds: Range = (0.06, 0.35)
    drive: Range = (1.0, 4.0)
    beats_per_minute: Range = (85.0, 150.0)
    left_out: Range = (0.0, 0.4)
    accent: Range = (0.8, 1.0)
    level_db: Range = (-8.0, 2.0)


@dataclass(frozen=True)
class Doubles:
    """Takes of the same line at both sides of a voice."""

    cents: Range = (-14.0, 14.0)
    late_seconds: Range = (0.008, 0.03)
    rate_hz: Range = (0.1, 0.4)
    position: Range = (0.3, 1.0)
    level_db: Range = (-12.0, -2.0)


@dataclass(frozen=True)
class Choir:
    """Voices in harmony or unison; the share is `data.choirs`.

    Args:
        with_line: share of choirs in which the line itself is sung as well.
        takes: least and most of them.
        semitones: what the intervals are drawn from; those that occur twice are twice as likely.
    """

    with_line: float = 0.7
    takes: tuple[int, int] = (2, 4)
    semitones: tuple[int, ...] = (-12, -9, -8, -7, -5, -4, -3, 0, 0, 3, 4, 5, 7, 8, 9, 12)
    cents: Range = (-12.0, 12.0)
    late_seconds: Range = (0.0, 0.04)
    position: Range = (-1.0, 1.0)
    level_db: Range = (-9.0, 0.0)


@dataclass(frozen=True)
class Voice:
    """The production of a dry voice; shares are of voices.

    Args:
        panned: share of those that are not doubled.
        chorus_hz: rate of the chorus; `chorus_depth` and `chorus_mix` are shares of 1.
        echo_seconds: of the delay; `echo_feedback` and `echo_mix` are shares of 1.
        second: share of mixes in which two sing.
        second_below_db: how much softer the second is.
        partly: share of voices that start or end within the excerpt.
        edge: where, as a share of the excerpt.
        toned: how far towards the tone of a record, of those that are toned (`data.toned`).
        level_db: mean and spread of the level against what is sung over.
    """

    highpass_hz: Range = (60.0, 160.0)
    equalizer_db: float = 6.0
    compressed: float = 0.8
    distorted: float = 0.08
    distortion_db: Range = (6.0, 18.0)
    doubled: float = 0.3
    panned: float = 0.3
    position: Range = (-0.7, 0.7)
    chorus: float = 0.2
    chorus_hz: Range = (0.3, 1.5)
    chorus_depth: Range = (0.05, 0.3)
    chorus_mix: Range = (0.2, 0.5)
    echo: float = 0.3
    echo_seconds: Range = (0.08, 0.5)
    echo_feedback: Range = (0.0, 0.45)
    echo_mix: Range = (0.03, 0.3)
    in_a_room: float = 0.8
    wettest: float = 0.5
    second: float = 0.15
    second_below_db: Range = (0.0, 8.0)
    partly: float = 0.25
    edge: Range = (0.15, 0.85)
    toned: Range = (0.5, 1.0)
    level_db: Range = (-5.0, 4.5)


@dataclass(frozen=True)
class Mixing:
    """How parts are put together; shares are of mixes, but where another thing is named.

    Args:
        left_out: share of the stems of incoherent mixes that are silent.
        voice_apart: share of incoherent mixes that are sung by a single voice in place of a song's.
        layer_db: level of the second song where two play a part (`data.layered`).
        evened: share of incoherent mixes whose stems are brought to one loudness, but for `uneven_db`.
        silenced: share in which one stem falls silent.
        level_db: spread of the loudness of mixes.
        narrowed: share that lose width; of those `mono` lose all of it, the others keep `width`.
        glued: share that are compressed as one; the threshold is relative to the loudness.
        glue_strength: 0 leaves the level as it is, 1 holds it at the threshold.
        dull: share that have nothing above `top_hz`.
        coded: share that an mp3 encoder of quality `coded_quality` was at.
        matched: how far towards the spectrum of an instrumental, of those that are matched (`data.matched`).
    """

    left_out: float = 0.08
    voice_apart: float = 0.6
    layer_db: Range = (-9.0, 0.0)
    evened: float = 0.5
    uneven_db: Range = (-5.0, 5.0)
    silenced: float = 0.06
    level_db: float = 3.0
    narrowed: float = 0.35
    mono: float = 0.4
    width: Range = (0.0, 0.7)
    glued: float = 0.5
    glue_threshold_db: Range = (-6.0, 3.0)
    glue_strength: Range = (0.2, 0.8)
    glue_release_seconds: Range = (0.04, 0.3)
    dull: float = 0.2
    top_hz: Range = (9000.0, 17000.0)
    coded: float = 0.08
    coded_quality: Range = (1.0, 7.0)
    matched: Range = (0.3, 1.0)


@dataclass(frozen=True)
class Augmentation:
    """All of it: one table of the recipe each. Ranges are drawn from evenly, frequencies of peaks by octaves."""

    speed: Speed = field(default_factory=Speed)
    equalizer: Equalizer = field(default_factory=Equalizer)
    compressor: Compressor = field(default_factory=Compressor)
    room: Room = field(default_factory=Room)
    instrument: Instrument = field(default_factory=Instrument)
    amplifier: Amplifier = field(default_factory=Amplifier)
    brightness: Brightness = field(default_factory=Brightness)
    kick: Kick = field(default_factory=Kick)
    doubles: Doubles = field(default_factory=Doubles)
    choir: Choir = field(default_factory=Choir)
    voice: Voice = field(default_factory=Voice)
    mixing: Mixing = field(default_factory=Mixing)
