"""How model files of earlier formats are read.

The keys of weights depend on the names of attributes in `stems.network` and `stems.model`, so renaming one there makes
a new format here.
"""

from __future__ import annotations

import re
from typing import Any, TypeVar

FORMAT = "stems-model/2"
EARLIER = ("stems-model/1",)

Value = TypeVar("Value")

# What the keys of weights of format 1 were called, as patterns, and what they are called now.
_KEYS = (
    (r"^log_sensitivity$", "log_kappa"),
    (r"^network\.hints\.", "network.queries."),
    (r"^network\.recurrent\.entrance\.", "network.recurrent.input_projection."),
    (r"^network\.recurrent\.exit\.", "network.recurrent.output_projection."),
    (r"^network\.recurrent\.(weight|bias)_", r"network.recurrent.lstm.\1_"),
)


def upgrade_weights(weights: dict[str, Value]) -> dict[str, Value]:
    """Weights of any format under the keys of today's."""
    return {_key(key): value for key, value in weights.items()}


def upgrade_design(design: Any) -> Any:
    """The design in a card of any format as today's cards have it; what is no design is left for others to refuse."""
    network = design.get("network") if isinstance(design, dict) else None
    if not isinstance(network, dict) or "hints" not in network:
        return design
    renamed = {"queries" if key == "hints" else key: value for key, value in network.items()}
    return {**design, "network": renamed}


def _key(key: str) -> str:
    for pattern, name in _KEYS:
        key = re.sub(pattern, name, key)
    return key
