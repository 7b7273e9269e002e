"""The errors that stems raises: one sentence each, naming the file and the remedy."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; `typing` takes long to load
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class StemsError(Exception):
    """Base of every error that stems raises on purpose."""


class AudioError(StemsError):
    """A file or an array that cannot be separated as it is."""


class ModelError(StemsError):
    """A checkpoint that is missing, damaged, or not one of ours."""


class PresetError(StemsError):
    """A preset that names an unknown stem, plugin or parameter."""


class RecipeError(StemsError):
    """A training recipe with an unknown key or an impossible value."""


class OptionError(StemsError):
    """A combination of options that cannot be carried out."""


class PlaceError(StemsError):
    """A file or folder on another machine that cannot be had, or not be written."""


class Cancelled(StemsError):
    """The caller asked a separation to stop."""


class ExportError(StemsError):
    """Stems that cannot be handed to a DAW as they are."""


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """What somebody may have meant who misspelled a name, to follow it in a message; empty where nothing is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(name).lower(), list(known), 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
