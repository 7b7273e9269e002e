"""Seeded cases of everything that people, disks and other programs can hand to `stems`: odd, damaged, absurd.

    python tests/fuzz/cases.py 10000 [FIRST_SEED]

runs that many, each in a folder of its own, and ends with the seeds of those that failed. Each case splits songs (or
only says what would be split) with one thing odd about it, and must end with exit code 0, 1 or 2, in sentences and
not in a traceback, with nothing left over and with stems that add up wherever a song is called done.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

NAMES = ("drums", "bass", "vocals", "other")
SUBTYPES = {"wav": ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "PCM_U8"), "flac": ("PCM_16", "PCM_24"), "ogg": ("VORBIS",)}
ODD_TEXTS = (
    *("", " ", ".", "..", "...", "~", "-", "--", "-o", "a b", "é 🎵", "Песня", "a\x1b[31mb", "a\nb", "\udce9", "CON"),
    *("[live]", "*", "?", "**", "a:b", "a|b", "{track}", "{", "}", "%s", "$HOME", "a.wav", "con.", "x" * 120),
)
ODD_VALUES = (
    None,
    True,
    0,
    -1,
    1,
    1e9,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "x",
    [],
    {},
    [[]],
    ["a", "a"],
    {"a": 1},
)


class Case:
    """One run of the command in a folder of its own.

    Attributes:
        rng: all chance of this case.
        arguments: of the command.
        songs: that were made, by path.
    """

    def __init__(self, seed: int, folder: Path, weights: Path) -> None:
        self.rng = random.Random(seed)
        self.folder, self.weights = folder, weights
        self.arguments = ["split", "--model", str(weights), "--jobs", "1", "--json", "--out", "out"]
        self.given: list[str] = []
        KINDS[self.rng.choice(sorted(KINDS))](self)
        if not self.given:
            self.song("song.wav")

    def song(self, name: str, damage: bool = False) -> Path:
        """A short song of any format and length, called so if the system allows it."""
        rng = self.rng
        container = rng.choice(sorted(SUBTYPES))
        shape = (rng.choice((1, 50, 777, 3_000)), rng.choice((1, 2)))
        audio = np.random.default_rng(rng.getrandbits(32)).uniform(-1, 1, shape) * rng.choice((0.3, 1e-4, 1.0, 0.0))
        content = io.BytesIO()
        rate = rng.choice((8_000, 44_100))
        soundfile.write(content, audio, rate, subtype=rng.choice(SUBTYPES[container]), format=container.upper())
        data = self.damaged(content.getvalue()) if damage else content.getvalue()
        path = Path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except (OSError, ValueError):  # no name of this system
            path = Path("song.wav")
            path.write_bytes(data)
        self.given.append(str(path))
        return path

    def damaged(self, data: bytes) -> bytes:
        """Bytes with some of them changed, cut off, doubled or put before."""
        rng, changed = self.rng, bytearray(data)
        place = rng.randrange(len(data))
        kind = rng.randrange(6)
        if kind == 0:
            for _ in range(rng.choice((1, 3, 30))):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        elif kind == 1:
            del changed[place:]
        elif kind == 2:
            del changed[place : place + rng.choice((1, 7, 1_000))]
        elif kind == 3:
            changed[place:place] = rng.randbytes(rng.choice((1, 8, 3_000)))
        elif kind == 4:
            changed[:0] = rng.randbytes(rng.choice((1, 10, 5_000)))
        else:
            changed[: min(48, len(changed))] = rng.randbytes(min(48, len(changed)))
        return bytes(changed)

    def text(self) -> str:
        return self.rng.choice(ODD_TEXTS)

    def changed_table(self, table: object) -> object:
        """A JSON table in which one value, anywhere, is another."""
        if isinstance(table, dict) and table and self.rng.random() < 0.8:
            key = self.rng.choice(sorted(table))
            return {**table, key: self.changed_table(table[key])}
        return self.rng.choice(ODD_VALUES)


def _damaged_song(case: Case) -> None:
    case.song(f"song.{case.rng.choice(('wav', 'flac', 'ogg', 'mp3', 'aiff'))}", damage=True)


def _odd_name(case: Case) -> None:
    for _ in range(case.rng.randrange(1, 3)):
        suffix = case.rng.choice((".wav", ".WAV", "", ".flac", ".\x01"))
        case.song(f"in/{case.text()}{suffix}")
    if case.rng.random() < 0.3:
        case.given = ["in"]


def _clashing_names(case: Case) -> None:
    for name in case.rng.sample(("a.wav", "a.flac", "a.wav.wav", "A.wav", "a.m4a", "b/a.wav", "b/.wav"), 4):
        case.song(f"in/{name}")
    case.given = [case.rng.choice(("in", "in/*", "in/**", "in/**/*.wav", "in/[a]*"))]


def _odd_template(case: Case) -> None:
    parts = ("{track}", "{stem}", "{ext}", "/", "..", ".", "{stem:.0}", "{track!r}", "{stem:{ext}}", "{0}", "{", "{x}")
    name = "".join(case.rng.choices(parts, k=case.rng.randrange(1, 6))) + case.rng.choice((".{ext}", ""))
    case.arguments += ["--name", name + case.rng.choice(("", case.text()))]


def _odd_preset(case: Case) -> None:
    value = case.rng.choice(
        ('"Gain"', "3", "nan", "[]", "{}", "1e30", "true", '["Gain"]', "-5", '"x"', "1" + 400 * "0")
    )
    key = case.rng.choice(("gain_db", "plugin", "rate_hz", "cutoff_hz", "delay_seconds", "x"))
    plugin = case.rng.choice(("Gain", "Chorus", "Delay", "LowpassFilter", "Reverb", "Nothing"))
    text = case.rng.choice(
        (
            f'[outputs]\nx = ["vocals"]\n[chains]\nvocals = [{{ plugin = "{plugin}", {key} = {value} }}]',
            f"[outputs]\nx = {value}",
            f"outputs = {value}",
            f'[outputs]\n{json.dumps(case.text())} = ["vocals", "bass"]',
            f'chains = {value}\n[outputs]\na = ["drums"]',
        )
    )
    data = text.encode("utf-8", "surrogateescape")
    Path("p.toml").write_bytes(case.damaged(data) if case.rng.random() < 0.3 else data)
    case.arguments += ["--preset", "p.toml"]


def _odd_hint(case: Case) -> None:
    span = case.rng.choice(("0:00-0:01", "0-0.3", "1-0", "0:00-9:59:59", "-", "0-0.2@1-2Hz", "0-0.3@9-1kHz", "0-1@x"))
    hint = f"{case.rng.choice((*NAMES, 'vocal', 'mixture', 'own', case.text()))}={span}"
    if case.rng.random() < 0.3:
        Path("h.toml").write_bytes(case.damaged(b'vocals = ["0:00-0:00.3"]\nown = ["0-0.2@40-250Hz"]\n'))
        hint = "h.toml"
    case.arguments += ["--hint", hint]


def _odd_card(case: Case) -> None:
    card = json.loads(case.weights.with_suffix(".json").read_text())
    weights = case.weights.read_bytes()
    text = json.dumps(case.changed_table(card)).encode()
    if case.rng.random() < 0.3:
        text = case.damaged(text)
    Path("m.safetensors").write_bytes(case.damaged(weights) if case.rng.random() < 0.2 else weights)
    Path("m.json").write_bytes(text)
    case.arguments[case.arguments.index("--model") + 1] = "m.safetensors"


def _odd_option(case: Case) -> None:
    option = case.rng.choice(
        ("--stems", "--two-stems", "--preset", "--daw", "--format", "--bit-depth", "--sensitivity")
    )
    odd = (
        case.text().replace("\n", " "),
        *NAMES,
        "vocals,drums",
        "wav",
        "24",
        "1e9",
        "nan",
        "0.5",
        "reaper",
        "dawproject",
    )
    case.arguments += [option, case.rng.choice(odd)]


def _earlier_results(case: Case) -> None:
    song = case.song("song.wav")
    folder = Path("out", song.stem)
    folder.mkdir(parents=True)
    for name in case.rng.sample((*NAMES, "hints"), 3):
        place = folder / f"{name}.{'toml' if name == 'hints' else song.suffix[1:]}"
        if case.rng.random() < 0.2:
            place.mkdir()
        else:
            place.write_bytes(case.rng.randbytes(20))
    (folder / ".stems-0123.partial").write_bytes(b"of a killed run")


KINDS: dict[str, Callable[[Case], None]] = {
    "card": _odd_card,
    "clashing names": _clashing_names,
    "damaged song": _damaged_song,
    "earlier results": _earlier_results,
    "hint": _odd_hint,
    "name": _odd_name,
    "option": _odd_option,
    "preset": _odd_preset,
    "template": _odd_template,
}


def run(case: Case) -> list[str]:
    """Runs a case in its folder, which is the current one, and returns what is wrong with how it ended."""
    from stems.cli import main

    before = set(case.folder.parent.iterdir())
    said, complained, code = io.StringIO(), io.StringIO(), 0
    arguments = sys.argv
    sys.argv = ["stems", *case.arguments, "--", *case.given]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        return [f"{type(error).__name__}: {error}"]
    finally:
        sys.argv = arguments
    faults = [] if code in (0, 1, 2) else [f"exit code {code}"]
    if code and not said.getvalue() + complained.getvalue():
        faults.append("failed without a word")
    if "Traceback" in complained.getvalue() or "\x1b" in said.getvalue() + complained.getvalue():
        faults.append(f"said {complained.getvalue()[:200]!r}")
    if set(case.folder.parent.iterdir()) != before:
        faults.append("wrote outside of its folder")
    faults += [f"left {path}" for path in Path().rglob(".stems-*")]
    results = [json.loads(line) for line in said.getvalue().splitlines() if line.startswith("{")]
    if any(result["status"] == "failed" for result in results) != (code == 1) and results:
        faults.append(f"exit code {code} of {Counter(result['status'] for result in results)}")
    return faults + [fault for result in results if result["status"] == "done" for fault in _faults_of(result)]


def _faults_of(result: dict[str, object]) -> list[str]:
    """What is wrong with the stems of a song that is called done."""
    outputs = result["outputs"]
    assert isinstance(outputs, dict)
    if missing := [path for path in outputs.values() if not Path(path).is_file()]:
        return [f"{missing} of a song that is done"]
    if not set(NAMES) <= set(outputs):
        return []
    mixture, kind = _read(Path(str(result["song"])))
    stems = [_read(Path(path)) for path in outputs.values()]
    lengths = {len(audio) for audio, _ in stems}
    if lengths != {len(mixture)}:
        return [f"stems of {lengths} samples of {len(mixture)}"]
    if "VORBIS" in (kind, stems[0][1]) or "MPEG" in kind + stems[0][1]:
        return []
    missed = float(np.abs(np.sum([audio for audio, _ in stems], 0) - mixture).max(initial=0))
    bound = 1e-6 * max(1.0, float(np.abs(mixture).max(initial=0))) if "FLOAT" in (kind, stems[0][1]) else 0.0
    if kind != stems[0][1]:  # the song is rounded to another depth
        bound += {"PCM_16": 2.0**-16, "PCM_24": 2.0**-24}.get(stems[0][1], 0.0)
    return [] if missed <= bound else [f"the sum of stems in {stems[0][1]} misses a song in {kind} by {missed:g}"]


def _read(path: Path) -> tuple[np.ndarray, str]:
    """Audio (samples, channels) and its encoding; of what only FFmpeg finds in a damaged file, "VORBIS"."""
    try:
        with path.open("rb") as file, soundfile.SoundFile(file) as sound:
            return sound.read(always_2d=True), sound.subtype
    except soundfile.LibsndfileError:
        from stems.files.audio import open_song

        with open_song(path) as song:
            return song.read_exact(0, song.samples).T, "VORBIS"


def run_all(seeds: range, weights: Path) -> dict[int, list[str]]:
    """Runs cases of many seeds; what is wrong, by seed."""
    import os

    wrong = {}
    back = Path.cwd()
    for seed in seeds:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as outer:
            folder = Path(outer, "case")
            folder.mkdir()
            os.chdir(folder)
            try:
                if faults := run(Case(seed, folder, weights)):
                    wrong[seed] = faults
            finally:
                os.chdir(back)
    return wrong


def small_weights(folder: Path) -> Path:
    """A model of untrained weights that is loaded and run in next to no time."""
    import torch

    from stems.model import Design, Model
    from stems.network.embedding import NetworkShape
    from stems.spectrum import Bands

    torch.manual_seed(0)
    design = Design(bands=Bands(count=80), network=NetworkShape(bands=80, dimensions=4, layers=1, units=8))
    path = folder / "small.safetensors"
    Model(design, {"name": "small"}).save(path)
    return path


def main() -> None:
    """Runs as many cases as the command line says."""
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as folder:
        wrong = run_all(range(first, first + count), small_weights(Path(folder)))
    for seed, faults in wrong.items():
        print(f"seed {seed}: {'; '.join(faults)}")
    print(f"{count - len(wrong)} of {count} cases ended well.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
