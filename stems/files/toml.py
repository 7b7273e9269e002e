"""Reads the TOML files that people write: hints, presets and recipes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from stems.errors import StemsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(path: Path, error: type[StemsError], remedy: str) -> dict[str, Any]:
    """What a TOML file says.

    Args:
        error: raised where the file cannot be read or is not TOML.
        remedy: what to do where it cannot be read, such as "give the path of a TOML file with hints".
    """
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise error(f"{path} cannot be read ({fault.strerror}): {remedy}.") from fault
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise error(f"{path} is not TOML: {fault}. Correct it, or give another.") from fault
    return data
