"""Our BSS Eval engine beside museval: time of each, ratio, largest difference of any figure.

    python benchmarks/bss_eval.py [--seconds 30] [--stems FOLDER]

Scores the ideal ratio mask's estimates of four stereo stems, random ones or those of a folder with drums, bass, other
and vocals. Times are those of the processor, over all threads, so that what else runs on the machine counts less; with
OMP_NUM_THREADS=1 in the environment both engines run on one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from stems.evaluate import load_engine
from stems.evaluate.oracles import estimate
from stems.evaluate.tracks import song_tracks

SAMPLE_RATE = 44100


def random_stems(seconds: float) -> np.ndarray:
    """Stereo noises `(4, 2, samples)`, each with a spectrum, a place on the stage and a loudness over time."""
    generator = np.random.default_rng(0)
    samples = int(seconds * SAMPLE_RATE)
    stems = generator.standard_normal((4, 2, samples)) * 0.1
    for stem, share in zip(stems, (0.0, 0.9, 0.5, -0.3), strict=True):
        stem[1] = share * stem[0] + (1 - abs(share)) * stem[1]
        stem[:, 1:] += share * stem[:, :-1]
        stem *= 0.2 + np.abs(np.sin(np.linspace(0, (2 + share) * seconds, samples)))
    return stems.astype(np.float32)


def song_stems(folder: Path, seconds: float) -> tuple[np.ndarray, int]:
    """The loudest stretch of a song, where as many stems as possible sound, `(4, 2, samples)`, and its rate."""
    song = song_tracks(folder)[0].load()
    stems = np.stack(list(song.stems.values()))
    length = min(int(seconds * song.sample_rate), stems.shape[-1])
    starts = range(0, stems.shape[-1] - length + 1, song.sample_rate)
    loudness = [min(float((stem[:, s : s + length] ** 2).mean()) for stem in stems) for s in starts]
    start = starts[int(np.argmax(loudness))]
    return stems[..., start : start + length], song.sample_rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--stems", type=Path, help="folder of a song with true stems")
    options = parser.parse_args()
    if options.stems:
        stems, rate = song_stems(options.stems, options.seconds)
    else:
        stems, rate = random_stems(options.seconds), SAMPLE_RATE
    estimates = estimate("irm", stems.sum(axis=0), stems, rate)

    seconds, scores = {}, {}
    for name in ("stems", "museval"):
        started = time.process_time()
        scores[name] = load_engine(name)(list(stems), rate).score(list(estimates))
        seconds[name] = time.process_time() - started
        print(f"{name:8} {seconds[name]:8.2f} s of processor time for {stems.shape[-1] / rate:.0f} s of audio")
    print(f"ratio    {seconds['museval'] / seconds['stems']:8.1f}")
    for metric, figures in scores["stems"].items():
        print(f"{metric:8} {np.nanmax(np.abs(figures - scores['museval'][metric])):8.1e} dB apart at most")


if __name__ == "__main__":
    main()
