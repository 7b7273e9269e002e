"""Models on disk and the cards beside them, which can be read without loading a model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from stems.compatibility import EARLIER, FORMAT, upgrade_design
from stems.errors import ModelError, OptionError, did_you_mean
from stems.limits import check_design

STEMS = ("drums", "bass", "vocals", "other")
SHIPPED = Path(__file__).parent / "weights"


def shipped_models() -> dict[str, Path]:
    """The models inside the package, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.safetensors"))}


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """The weights of a shipped model's name or of a path; raises ModelError where there are none."""
    shipped = shipped_models()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if not os.path.isfile(path):
        raise ModelError(
            f"There is no model {str(name_or_path)!r}{did_you_mean(name_or_path, shipped)}: "
            "give the path of a .safetensors file, or one of "
            f"{', '.join(shipped) or 'the shipped ones'}."
        )
    return path


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a model's weights; raises ModelError if it is missing or not one of ours."""
    card_path = path.with_suffix(".json")
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{path} has no card: {card_path.name} must lie beside it.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{card_path} is not a model card ({error}): copy or download the model again.") from error
    if not isinstance(card, dict) or card.get("format") not in (FORMAT, *EARLIER):
        raise ModelError(f"{card_path} is not the card of a stems model (its format should be {FORMAT!r}).")
    design = upgrade_design(card.get("design"))
    try:
        check_design(design)
    except ValueError as error:
        raise ModelError(f"{card_path} describes no model of ours: {error}. Copy or download it again.") from error
    return {**card, "design": {"stems": list(STEMS), "clustering": {}, **design}}


def stem_names(model: str | os.PathLike[str]) -> tuple[str, ...]:
    """The stems that a model, given by name or path, has names for.

    Raises:
        ModelError: there is no such model.
        OptionError: it finds clusters without names.
    """
    design = read_card(find_model(model))["design"]
    if not design["clustering"].get("anchored", True):
        raise OptionError(
            f"The model {str(model)!r} has no names for what it finds: use `stems cluster SONG --model {model}`."
        )
    return tuple(design["stems"])
