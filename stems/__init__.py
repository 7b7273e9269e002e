"""Splits songs into stems by deep clustering; see the README for a tour."""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it; `typing` takes longer to load than all that is here
if TYPE_CHECKING:
    from typing import Any

    from stems.board import Board as Board
    from stems.board import Chain as Chain
    from stems.board import Mix as Mix
    from stems.board import Split as Split
    from stems.model import Model as Model
    from stems.processors import Isolate as Isolate
    from stems.processors import Remix as Remix
    from stems.processors import Remove as Remove
    from stems.separator import Separator as Separator
    from stems.stream import Stream as Stream

__version__ = "0.1.0"

# Importing torch takes seconds, so a name is looked up in its room only when it is first used.
_ROOMS = {
    "Separator": "stems.separator",
    "Model": "stems.model",
    "Stream": "stems.stream",
    "Isolate": "stems.processors",
    "Remove": "stems.processors",
    "Remix": "stems.processors",
    "Split": "stems.board",
    "Board": "stems.board",
    "Chain": "stems.board",
    "Mix": "stems.board",
}
__all__ = [
    "Board",
    "Chain",
    "Isolate",
    "Mix",
    "Model",
    "Remix",
    "Remove",
    "Separator",
    "Split",
    "Stream",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        from importlib import import_module

        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module 'stems' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
