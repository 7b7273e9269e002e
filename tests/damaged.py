"""What people, disks and other programs make of tables of JSON: each key lost, each value another."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stems.errors import OptionError
from stems.files.toml import read_toml

ODD_VALUES = (None, True, -1, 0, 1.5, 10**30, 1e300, float("nan"), "", "x", [], {}, [[]], [None], {"a": 1}, ["x", "x"])


def damaged(table: Any, deepest: int = 6) -> Iterator[Any]:
    """Copies of a table in which one value, anywhere, is odd, or one key is not there; of a list, its first item."""
    yield from ODD_VALUES
    if deepest == 0 or not isinstance(table, (dict, list)):
        return
    for key in list(table) if isinstance(table, dict) else [0] if table else []:
        without = copy.copy(table)
        del without[key]
        yield without
        for value in damaged(table[key], deepest - 1):
            changed = copy.copy(table)
            changed[key] = value
            yield changed


def damaged_files(table: dict, path: Path) -> Iterator[dict]:
    """The damaged forms of a table of TOML, each once it is written to a file; TOML has no None, so some are none."""
    for form in damaged(table):
        if not isinstance(form, dict):
            continue
        path.write_text(as_toml(form))
        try:
            read_toml(path, OptionError, "")
        except OptionError:
            continue
        yield form


def as_toml(table: dict) -> str:
    """A table as TOML, or nearly so where TOML lacks a value."""

    def value_of(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {value_of(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(value_of, value)) + "]"
        return "nan" if value != value else json.dumps(value)

    return "\n".join(f"{json.dumps(key)} = {value_of(value)}" for key, value in table.items())
