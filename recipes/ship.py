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


def mean(models: list[Model], steps: list[int]) -> Model:
    """The last of models of a run, at these steps, with the mean of all weights; one that is there twice weighs twice.

    Early ones know songs unlike the material better, late ones the material, and their mean both (Wortsman et al. 2022,
    arXiv 2109.01903).
    """
    states = [model.state_dict() for model in models]
    models[-1].load_state_dict({name: sum(state[name] for state in states) / len(states) for name in states[0]})
    if len(models) > 1:
        models[-1].card["mean_of_steps"] = steps
        models[-1].card.pop("validation_sdr_db", None)  # of the last alone
    return models[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--model", type=Path, action="append", help="path, if not the run's best; of several the mean")
    parser.add_argument("--sensitivity", type=float, default=1.0, help="factor on the learned one")
    parser.add_argument("--iterations", type=int, help="of the clustering, if not those of the recipe")
    parser.add_argument("--share", type=float, help="of cells that are clustered, if not that of the recipe")
    parser.add_argument("--scores", type=Path, help="JSON of scores for the card, as recipes/score.py writes them")
    parser.add_argument("--material", default="", help="what it was trained on, for the card")
    parser.add_argument("--before", type=Path, action="append", default=[], help="model that it went on from")
    parser.add_argument("--name", help="of the model, if not the recipe's")
    parser.add_argument("--limits", default="", help="what the model does badly, for the card")
    options = parser.parse_args()
    paths = options.model or [options.run / "best.safetensors"]
    models = [Model.load(path) for path in paths]
    for model in models:  # one that shipped has a factor of its own
        model.log_kappa.data -= math.log(model.card.get("sensitivity_factor", 1.0))
    steps = [
        0 if path in options.before else model.card["training"]["steps"]
        for path, model in zip(paths, models, strict=True)
    ]
    model = mean(models, steps)
    name = model.card["name"] = options.name or model.card["name"]
    model.log_kappa.data += math.log(options.sensitivity)
    chosen = {"iterations": options.iterations, "share": options.share}
    changes = {key: value for key, value in chosen.items() if value is not None}
    clustering = dataclasses.replace(model.design.clustering, **changes)
    model.design = dataclasses.replace(model.design, clustering=clustering)
    model.card["sensitivity_factor"] = options.sensitivity
    if options.material:
        model.card["material"] = options.material
    if options.before:
        cards = [read_card(model) for model in options.before]
        trained = [part for card in cards for part in (card["training"], card.get("started_from", {}))]
        sums = {key: round(sum(part.get(key, 0) for part in trained), 2) for key in ("steps", "hours")}
        model.card["started_from"] = sums
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
