"""Scores a model of voices on duets of singers that it was not trained on.

    python recipes/score_voices.py --duets data/duets --json voices-scores.json

Every folder in DUETS is a group of duets, and every duet a folder of `voice-1.flac` and `voice-2.flac`; their sum is
separated. An improvement is the ratio of a voice to what differs from it, in dB over the whole duet, less that of the
mixture. Voices have no names, so the better order of the two counts. SI-SDR does not care for levels, SDR does.
"""

import argparse
import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np
import soundfile

from stems import Separator
from stems.evaluate.oracles import estimate
from stems.evaluate.quick import Quick

METRICS = ("SDR", "SI-SDR")
Method = Callable[[np.ndarray, np.ndarray, int], np.ndarray]  # mixture, true voices, sample rate -> estimates


def improvements(folder: Path, method: Method) -> np.ndarray:
    """What a method gains on a duet, dB: (metrics, voices)."""
    read = [soundfile.read(folder / f"voice-{number}.flac", dtype="float32", always_2d=True) for number in (1, 2)]
    rate, voices = read[0][1], np.stack([audio.T for audio, _ in read])
    mixture = voices.sum(0)
    engine = Quick(list(voices), rate, window_seconds=voices.shape[-1] / rate)

    def ratios(estimates: list[np.ndarray]) -> np.ndarray:
        scores = engine.score(estimates)
        return np.stack([scores[metric][:, 0] for metric in METRICS])

    found = method(mixture, voices, rate)
    orders = [ratios([found[voice] for voice in order]) for order in permutations(range(len(voices)))]
    return max(orders, key=lambda scores: scores[0].sum()) - ratios([mixture] * len(voices))


def halves(mixture: np.ndarray, voices: np.ndarray, rate: int) -> np.ndarray:
    """Half of the mixture for either voice, whose SDR is better by 3 dB, though nothing is separated."""
    return np.stack([mixture / 2, mixture / 2])


def ideal(mixture: np.ndarray, voices: np.ndarray, rate: int) -> np.ndarray:
    """The voices by the ideal binary mask."""
    return estimate("ibm", mixture, voices, rate)


def separated(model: str) -> Method:
    """The voices as a model separates them."""
    separator = Separator(model)

    def separate(mixture: np.ndarray, voices: np.ndarray, rate: int) -> np.ndarray:
        return np.stack(list(separator(mixture, rate).values()))

    return separate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duets", type=Path, required=True, help="folder of groups of duets")
    parser.add_argument("--model", default="voices")
    parser.add_argument("--json", type=Path, help="also write the model's mean improvements here, for a card")
    options = parser.parse_args()
    methods = {"k-means": separated(options.model), "half the mixture": halves, "ideal binary mask": ideal}
    means = {}
    print("| duets | | SDR improvement | worst tenth | SI-SDR improvement |\n|---|---|---|---|---|")
    for group in sorted(place for place in options.duets.iterdir() if place.is_dir()):
        duets = sorted(place for place in group.iterdir() if place.is_dir())
        for name, method in methods.items():
            sdr, si_sdr = np.stack([improvements(duet, method) for duet in duets], 1)  # each (duets, voices)
            worst = np.percentile(sdr.mean(1), 10)
            print(f"| {group.name} ({len(duets)}) | {name} | {sdr.mean():.2f} | {worst:.2f} | {si_sdr.mean():.2f} |")
            found = {"SDR improvement": sdr.mean(), "SI-SDR improvement": si_sdr.mean()}
            means.setdefault(group.name, {metric: round(float(mean), 2) for metric, mean in found.items()})
    if options.json:
        options.json.write_text(json.dumps(means) + "\n")


if __name__ == "__main__":
    main()
