"""`stems info`, `stems models` and `stems presets`: what there is."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from typing import Annotated, Any

import typer

from stems.cli.output import say


def presets() -> None:
    """List the presets."""
    from stems.batch.presets import load_preset, shipped_presets

    for name in shipped_presets():
        preset = load_preset(name)
        say(f"{name:10} {preset.about}")
        say(f"{'':10} writes {', '.join(preset.outputs)}")


def models() -> None:
    """List the models that ship with stems."""
    from stems.card import read_card, shipped_models

    for name, path in shipped_models().items():
        card = read_card(path)
        say(f"{name:14} {card.get('about', '')}")
        say(f"{'':14} {card['parameters'] / 1e6:.1f} M parameters, licence {card.get('licence', 'not stated')}")


def info(
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Name or path of the model whose card to show.")
    ] = "openband",
) -> None:
    """Show the version, what was found on this machine, and a model's card."""
    import torch

    import stems
    from stems.card import find_model, read_card
    from stems.separator import choose_device

    path = find_model(model)
    say(f"stems {stems.__version__}, Python {platform.python_version()}, torch {torch.__version__}")
    say(f"device: {choose_device('auto')}, {torch.get_num_threads()} threads")
    say(f"ffmpeg: {shutil.which('ffmpeg') or 'not found (needed only for MUSDB18 and .stem.mp4 files)'}")
    for package, use in (("musdb", "train and score on MUSDB18"), ("museval", "compare scores with museval")):
        there = importlib.util.find_spec(package) is not None
        say(f"{package}: {'found' if there else f'not found (needed to {use})'}")
    say(f"\nmodel {model}: {path}")
    _show(read_card(path), "  ")


def _show(table: dict[str, Any], indent: str) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            say(f"{indent}{key}:")
            _show(value, indent + "  ")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            say(f"{indent}{key}: {shown}")
