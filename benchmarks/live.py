"""Latency, real-time factor and time of a block in real time on one core: Python's stream and the plugin's engine.

    taskset -c 0 python benchmarks/live.py --model openband-live [--seconds 20] [--blocks 64,512] [--repeat 3] [--paced]

Blocks come as fast as they are done, or with `--paced` when an audio interface would deliver them, which is slower:
in between, other programs take the caches. Without a model, one of random weights and of the design of
`recipes/openband-live.toml` is used, which takes the same time. A block is late when it takes longer than it sounds,
and busy when it takes as much of the processor, which other programs do not change.
The engine, which `stems plugin build` compiles, is measured where it can be built. Both take turns `--repeat` times,
and of each line the run that took the least processor time is shown. The last line is the full song; below is the
memory that each stream takes beyond a process that has loaded numpy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from measure import describe_machine, table
from songs import EXAMPLE

from stems import Isolate, Model, Separator
from stems.daw.plugin import build, cache_folder, missing_tools
from stems.train.recipe import read_recipe

sys.path.append(str(Path(__file__).parents[1] / "tests" / "plugin"))  # where the engine is called from Python
from engine import WHOLE_HOP, Engine, EngineStream

Process = Callable[[np.ndarray], object]

BLOCKS = (64, 128, 256, 512, 1024, 2048, 4096)  # samples
RECIPE = Path(__file__).parents[1] / "recipes/openband-live.toml"
ALLOWED_FACTOR = 0.25  # at blocks of 512


def live_model(name: str | None) -> Model:
    """The model of a name or path, or one of random weights."""
    if name:
        return Model.load(name)
    return Model(read_recipe(RECIPE).design).eval()


def blocks(audio: np.ndarray, size: int, seconds: float, rate: int) -> Iterator[np.ndarray]:
    """Blocks of the audio, over and over, for that many seconds."""
    for number in range(int(seconds * rate / size)):
        start = number * size % (audio.shape[1] - size)
        yield audio[:, start : start + size]


def python_stream(model: Model, rate: int) -> tuple[Process, int]:
    """What hears one stem by the stream in Python, and its latency."""
    isolate = Isolate("vocals", live_model=model)
    isolate.process(np.zeros((2, 64), np.float32), rate, reset=False)
    return lambda block: isolate.process(block, rate, reset=False), isolate.latency_samples


def engine_stream(library: Path, model: Model, rate: int) -> tuple[Process, int]:
    """The same by the engine of the plugin, with the settings that the plugin has."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        engine = Engine(library).model(path)
    stream = EngineStream(engine, rate, 2, mixes=1, spread=WHOLE_HOP)
    stream.set(np.array([[0, 0, 1, 0]], np.float32))
    return stream.run, stream.latency_samples


def row(
    name: str, stream: tuple[Process, int], audio: np.ndarray, rate: int, size: int, options: argparse.Namespace
) -> tuple[float, list[str]]:
    """Seconds of processor time, and one line of the table."""
    process, latency = stream
    taken, used = [], []
    for warm_up in blocks(audio, size, 1.0, rate):
        process(warm_up)
    due = time.perf_counter()
    for block in blocks(audio, size, options.seconds, rate):
        due += size / rate
        started, processor = time.perf_counter(), time.thread_time()
        process(block)
        used.append(time.thread_time() - processor)
        taken.append(time.perf_counter() - started)
        if options.paced:
            time.sleep(max(0.0, due - time.perf_counter()))
    sounds, milliseconds = size / rate, 1000 * np.array(taken)
    late, busy = np.mean(milliseconds > 1000 * sounds), np.mean(np.array(used) > sounds)
    return sum(used), [
        name,
        f"{size}",
        f"{1000 * latency / rate:.1f} ms",
        f"{1000 * sounds:.1f} ms",
        *(f"{np.percentile(milliseconds, share):.2f} ms" for share in (50, 95, 99, 100)),
        f"{100 * late:.2f} %",
        f"{100 * busy:.2f} %",
        f"{milliseconds.mean() / 1000 / sounds:.3f}",
        f"{np.mean(used) / sounds:.3f}",
    ]


MEMORY = """
import sys
import numpy as np

def resident():
    return 4096 * int(open("/proc/self/statm").read().split()[1])

before = resident()
{lines}
for _ in range(200):
    run(np.random.default_rng(0).normal(0, 0.1, (2, 512)).astype(np.float32))
print(resident() - before)
"""
PYTHON_LINES = "from stems import Stream\nrun = Stream({model!r})"
ENGINE_LINES = (
    "sys.path.append({tests!r})\nfrom engine import Engine, EngineStream\nfrom pathlib import Path\n"
    "run = EngineStream(Engine(Path({library!r})).model(Path({model!r})), 44100, 2, 1, -1).run"
)


def memory_of(lines: str, model: Model, **values: str) -> str:
    """What a stream takes of memory in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        code = MEMORY.format(lines=lines.format(model=str(path), **values))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return f"{int(done.stdout) / 1e6:.0f} MB"


def full_song_row(audio: np.ndarray, rate: int) -> list[str]:
    """The line of the full-song model, which has to hear the whole song first."""
    separator = Separator()
    separator(audio[:, :rate], rate)
    seconds = audio.shape[1] / rate
    started, processor = time.perf_counter(), time.thread_time()
    separator(audio, rate, stems=["vocals"])
    taken, used = time.perf_counter() - started, time.thread_time() - processor
    blanks = ["-"] * 6
    return [
        "full song",
        "-",
        "the song",
        f"{seconds:.0f} s",
        *blanks,
        f"{taken / seconds:.3f}",
        f"{used / seconds:.3f}",
    ]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="name or path of a live model (one of random weights)")
    parser.add_argument("--seconds", type=float, default=20, help="of audio for each line (20)")
    parser.add_argument("--blocks", default=",".join(map(str, BLOCKS)), help="their sizes, in samples")
    parser.add_argument("--repeat", type=int, default=3, help="times that all take turns (3)")
    parser.add_argument("--paced", action="store_true", help="deliver blocks as an audio interface would")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = live_model(options.model)
    samples, rate = soundfile.read(EXAMPLE, dtype="float32", always_2d=True)
    music = np.ascontiguousarray(samples.T)
    print(describe_machine())
    streams, memory = {"Python": python_stream(model, rate)}, {"Python": memory_of(PYTHON_LINES, model)}
    if lacking := missing_tools():
        print(f"The engine is not measured, without {', '.join(lacking)}.")
    else:
        library = build(cache_folder(), targets=["stems-engine-c"]).parent / "engine" / "libstems-engine-c.so"
        streams["engine"] = engine_stream(library, model, rate)
        memory["engine"] = memory_of(ENGINE_LINES, model, library=str(library), tests=sys.path[-1])
    kinds = [("music", music, int(size)) for size in options.blocks.split(",")]
    kinds += [("silence", np.zeros_like(music), 512), ("denormals", music * np.float32(1e-39), 512)]
    best: dict[tuple[str, str, int], tuple[float, list[str]]] = {}
    for _ in range(options.repeat):
        for kind, audio, size in kinds:
            for name, stream in streams.items():
                found = row(f"{name}, {kind}", stream, audio, rate, size, options)
                best[name, kind, size] = min(found, best.get((name, kind, size), found))
    rows = [best[name, kind, size][1] for name in streams for kind, _, size in kinds]
    rows.append(full_song_row(music, rate))
    heads = [
        "stream",
        "block",
        "latency",
        "sounds",
        "median",
        "95 %",
        "99 %",
        "longest",
        "late",
        "busy",
        "factor",
        "processor",
    ]
    print(table(heads, rows))
    print("Memory: " + ", ".join(f"{taken} {name}" for name, taken in memory.items()) + ".")
    print(f"The factor is the time taken per time of audio; {ALLOWED_FACTOR} is allowed at blocks of 512.")


if __name__ == "__main__":
    main()
