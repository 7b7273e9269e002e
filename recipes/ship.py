"""Puts the model of a run into the package, and its log and curves beside the recipes.

    python recipes/ship.py runs/openband --sensitivity 0.6 --iterations 2 --before runs/first/model.safetensors

Training makes masks sharper than they should be on songs that the network has not met, so the learned sensitivity
may be multiplied here by what validation prefers; the card says so.
"""

import argparse
import dataclasses
import json
import math
import shutil
from pathlib import Path

from stems.card import SHIPPED, read_card
from stems.model import Model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--model", default="best.safetensors", help="file of the run")
    parser.add_argument("--sensitivity", type=float, default=1.0, help="factor on the learned one")
    parser.add_argument("--iterations", type=int, help="of the clustering, if not those of the recipe")
    parser.add_argument("--scores", type=Path, help="JSON of scores for the card, as recipes/score.py writes them")
    parser.add_argument("--material", default="", help="what it was trained on, for the card")
    parser.add_argument("--before", type=Path, action="append", default=[], help="model that it went on from")
    parser.add_argument("--name", help="of the model, if not the recipe's")
    parser.add_argument("--limits", default="", help="what the model does badly, for the card")
    options = parser.parse_args()
    model = Model.load(options.run / options.model)
    name = model.card["name"] = options.name or model.card["name"]
    model.log_sensitivity.data += math.log(options.sensitivity)
    if options.iterations is not None:
        clustering = dataclasses.replace(model.design.clustering, iterations=options.iterations)
        model.design = dataclasses.replace(model.design, clustering=clustering)
    model.card["sensitivity_factor"] = options.sensitivity
    if options.material:
        model.card["material"] = options.material
    if options.before:
        trained = [read_card(model)["training"] for model in options.before]
        model.card["started_from"] = {key: round(sum(part[key] for part in trained), 2) for key in ("steps", "hours")}
    if options.limits:
        model.card["limits"] = options.limits
    if options.scores:
        model.card["scores_sdr_db"] = json.loads(options.scores.read_text())
    model.save(SHIPPED / f"{name}.safetensors")
    kept = Path(__file__).parent / name
    kept.mkdir(exist_ok=True)
    for file in ("recipe.toml", "log.jsonl", "curves.png"):
        shutil.copyfile(options.run / file, kept / file)


if __name__ == "__main__":
    main()
