"""Scores a model as `recipes/README.md` shows it, beside the mixture, ideal masks and rows for comparison.

    python recipes/score.py --songs data/valid-songs --songs data/valid-renders --out evaluation

Every group of songs gets a table of the median over frames, then over songs, of BSS Eval's SDR in dB, and of
the share of the way from the mixture to the ideal binary mask.
"""

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

from stems.card import STEMS
from stems.evaluate.results import load_method, sdr_by_stem, share_of_the_way, summarise
from stems.evaluate.scoring import baseline_estimator, model_estimator, score_track, stream_estimator
from stems.evaluate.tracks import song_tracks
from stems.model import Model

BASELINES = {"mixture": "mixture", "ideal binary mask": "ibm", "ideal ratio mask": "irm"}


def without_adaptation(model: str, folder: Path) -> str:
    """The same model with its clusters at the anchors: what the song itself adds is left out."""
    loaded = Model.load(model)
    loaded.design = dataclasses.replace(
        loaded.design, clustering=dataclasses.replace(loaded.design.clustering, iterations=0)
    )
    path = folder / "anchors.safetensors"
    loaded.save(path)
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--songs", type=Path, action="append", required=True, help="folder of songs with stems")
    parser.add_argument("--model", default="openband")
    parser.add_argument("--masks", help="a model of openband-masks.toml, trained as long")
    parser.add_argument("--live", help="a real-time model, run as a stream")
    parser.add_argument("--json", type=Path, help="also write the scores of the k-means row here, for a card")
    parser.add_argument("--out", type=Path, default=Path("evaluation"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        methods = {name: baseline_estimator(baseline) for name, baseline in BASELINES.items()}
        methods["k-means"] = model_estimator(options.model)
        methods["anchors only"] = model_estimator(without_adaptation(options.model, Path(temporary)))
        if options.masks:
            methods["mask inference"] = model_estimator(options.masks)
        if options.live:
            methods["real time"] = stream_estimator(options.live)
        for songs in options.songs:
            out = options.out / songs.name
            for track in song_tracks(songs):
                score_track(track, methods, out)
            print(table(songs.name, out, list(methods)))
        if options.json:
            options.json.write_text(
                json.dumps({songs.name: medians(options.out / songs.name, "k-means") for songs in options.songs})
            )


def medians(out: Path, method: str) -> dict[str, float]:
    """SDR by stem in dB."""
    return {stem: round(sdr, 2) for stem, sdr in sdr_by_stem(summarise(method, load_method(out / method))).items()}


def table(title: str, out: Path, methods: list[str]) -> str:
    """SDR by method and stem as Markdown, with the share of the way for what is neither mixture nor ideal."""
    sdr = {method: medians(out, method) for method in methods}
    lines = [f"### {title}", "", "| | " + " | ".join(STEMS) + " |", "|---|" + "---|" * len(STEMS)]
    for method in methods:
        cells = []
        for stem in STEMS:
            found, mixture, ideal = (sdr[name].get(stem) for name in (method, "mixture", "ideal binary mask"))
            share = None if method in BASELINES else share_of_the_way(found, mixture, ideal)
            cells.append("" if found is None else f"{found:.2f}" + ("" if share is None else f" ({share:.0%})"))
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
