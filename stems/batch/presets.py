"""Presets: which files a split writes, and the effects that each stem runs through."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from stems.card import STEMS
from stems.errors import PresetError, did_you_mean
from stems.files.toml import read_toml
from stems.limits import can_name_a_file

LARGEST_BY_UNIT = {
    "_hz": 96_000.0,
    "_rate": 384_000.0,
    "_seconds": 60.0,
    "_ms": 60_000.0,
    "_db": 200.0,
    "_semitones": 72.0,
}
LARGEST_PARAMETER = 1e6  # of any other unit; beyond these an effect needs for ever, or all memory
LOWEST_RATE = 1_000.0  # Hz, of what resamples


@dataclass(frozen=True)
class Preset:
    """What to make of the stems of a song.

    Attributes:
        name: of the file that it was read from.
        about: one sentence.
        outputs: stems that are summed into each output file, by the file's name.
        chains: plugins of pedalboard for a stem, each a table of `plugin` and its parameters.
    """

    name: str
    about: str
    outputs: dict[str, tuple[str, ...]]
    chains: dict[str, tuple[dict[str, Any], ...]] = field(default_factory=dict)

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems that any output needs, in their usual order, stems of a user's own last."""
        named = dict.fromkeys(stem for parts in self.outputs.values() for stem in parts)
        return tuple(sorted(named, key=lambda stem: STEMS.index(stem) if stem in STEMS else len(STEMS)))

    @property
    def divides(self) -> bool:
        """Whether the outputs are parts of the song, which can be made to add up to it; effects change the sum."""
        return not self.chains and sum(map(len, self.outputs.values())) == len(self.stems)

    def including(self, own: tuple[str, ...], known: tuple[str, ...] = STEMS) -> Preset:
        """The same where there are further stems than those of the model, which are `known`.

        One that no output names gets an output where all stems have outputs of their own, and stays with `other` where
        they have not.
        """
        unnamed = tuple(stem for stem in own if stem not in self.stems)
        if all((stem,) in self.outputs.values() for stem in known):
            outputs = self.outputs | {stem: (stem,) for stem in unnamed}
        else:
            outputs = {name: parts + unnamed if "other" in parts else parts for name, parts in self.outputs.items()}
        return replace(self, outputs=outputs)


def only(stems: tuple[str, ...], known: tuple[str, ...] = STEMS) -> Preset:
    """A preset that writes some stems as they are."""
    if not stems:
        raise PresetError(f"--stems names no stem: choose from {', '.join(known)}.")
    return Preset("stems", "", {_known_stem(stem, "--stems", known): (stem,) for stem in stems})


def two_stems(stem: str, known: tuple[str, ...] = STEMS) -> Preset:
    """A preset that writes one stem and the sum of the others, which is called "instrumental" for vocals."""
    _known_stem(stem, "--two-stems", known)
    rest = "instrumental" if stem == "vocals" else f"no-{stem}"
    return Preset("two-stems", "", {stem: (stem,), rest: tuple(name for name in known if name != stem)})


def sums_among(names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Which names are of sums that shipped presets and `two_stems` make, and of which stems, all named as well."""
    if {*names} <= {*STEMS}:  # as nearly always, when no preset needs to be read
        return {}
    made = [*map(two_stems, STEMS), *map(load_preset, shipped_presets())]
    outputs = {name: stems for preset in made for name, stems in preset.outputs.items() if len(stems) > 1}
    return {name: stems for name, stems in outputs.items() if {name, *stems} <= {*names}}


def shipped_presets() -> dict[str, Path]:
    """The presets inside the package, by name."""
    package = Path(__file__).parents[1]
    folder = package / "preset_files"
    folder = folder if folder.is_dir() else package.parent / "presets"  # a checkout keeps them at its top
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_preset(name_or_path: str, own: tuple[str, ...] = (), known: tuple[str, ...] = STEMS) -> Preset:
    """Reads a shipped preset by name, or any by the path of its file. The preset "stems" has all that the model knows.

    Args:
        own: stems that the model does not know, see `Preset.including`.
        known: stems of the model.

    Raises:
        PresetError: where there is no such preset, or it names an unknown stem, plugin or parameter; the
            message lists the valid ones.
    """
    if name_or_path == "stems" and known != STEMS:
        return replace(only(known, known), name="stems").including(own, known)
    shipped = shipped_presets()
    path = shipped.get(name_or_path, Path(name_or_path))
    remedy = f"give the path of a .toml file, or one of {', '.join(shipped)}"
    if not path.is_file():
        raise PresetError(f"There is no preset {name_or_path!r}{did_you_mean(name_or_path, shipped)}: {remedy}.")
    data = read_toml(path, PresetError, remedy)
    return _checked(path, data, known + own).including(own, known)


def _checked(path: Path, data: dict[str, Any], known: tuple[str, ...]) -> Preset:
    if unknown := set(data) - {"about", "outputs", "chains"}:
        raise PresetError(f"{path}: unknown key {sorted(unknown)[0]!r}; it may be about, outputs or chains.")
    outputs, chains = data.get("outputs", {}), data.get("chains", {})
    if not isinstance(outputs, dict) or not outputs:
        raise PresetError(f'{path} has no outputs: add a table such as [outputs] with vocals = ["vocals"].')
    for name, stems in outputs.items():
        if not can_name_a_file(name):
            raise PresetError(f"{path}: the output {name!r} cannot be part of a file's name: call it otherwise.")
        if not isinstance(stems, list) or not stems:
            raise PresetError(f'{path}: the output {name!r} must be a list of stems, such as ["drums", "bass"].')
        for stem in stems:
            _known_stem(stem, f"{path}: output {name!r}", known)
        if len(set(stems)) < len(stems):
            raise PresetError(f"{path}: the output {name!r} names a stem twice.")
    if not isinstance(chains, dict):
        raise PresetError(f"{path}: chains must be a table with a list of plugins for each stem.")
    for stem, plugins in chains.items():
        _known_stem(stem, f"{path}: chains", known)
        if not isinstance(plugins, list) or not all(isinstance(plugin, dict) for plugin in plugins):
            raise PresetError(
                f'{path}: the chain of {stem} must be a list such as [{{ plugin = "Gain", gain_db = 3 }}].'
            )
        build_chain(plugins, f"{path}: chain of {stem}")
    return Preset(
        path.stem,
        str(data.get("about", "")),
        {name: tuple(stems) for name, stems in outputs.items()},
        {stem: tuple(plugins) for stem, plugins in chains.items() if plugins},
    )


def _known_stem(stem: Any, where: str, known: tuple[str, ...]) -> str:
    if stem not in known:
        raise PresetError(
            f"{where}: there is no stem {stem!r}{did_you_mean(stem, known)}; choose from {', '.join(known)}."
        )
    return str(stem)


def plugins() -> dict[str, type]:
    """The effects of pedalboard that a chain may name: those that need no file."""
    import pedalboard

    needing_files = (pedalboard.ExternalPlugin, pedalboard.Convolution)
    return {
        name: kind
        for name, kind in vars(pedalboard).items()
        if inspect.isclass(kind)
        and issubclass(kind, pedalboard.Plugin)
        and not issubclass(kind, needing_files)
        and parameters(kind)
    }


def parameters(kind: type) -> tuple[str, ...]:
    """The parameters that an effect takes: what can be set on it."""
    return tuple(name for name, value in inspect.getmembers(kind) if isinstance(value, property) and value.fset)


def build_chain(chain: list[Mapping[str, Any]] | tuple[Mapping[str, Any], ...], where: str) -> Any:
    """A `pedalboard.Pedalboard` of a chain's plugins.

    Raises:
        PresetError: for unknown plugins and parameters, and values out of range.
    """
    from pedalboard import Pedalboard  # type: ignore[attr-defined]

    known = plugins()
    board = Pedalboard([])
    for table in chain:
        name = table.get("plugin")
        if not isinstance(name, str) or name not in known:
            raise PresetError(
                f"{where}: there is no plugin {name!r}{did_you_mean(name, known)}; "
                f"choose from {', '.join(sorted(known))}."
            )
        plugin, settable = known[name], parameters(known[name])
        values = {key: value for key, value in table.items() if key != "plugin"}
        if unknown := set(values) - set(settable):
            raise PresetError(f"{where}: {name} has no parameter {sorted(unknown)[0]!r}; it has {', '.join(settable)}.")
        values = {key: _checked_value(plugin, key, value, f"{where}: {name}") for key, value in values.items()}
        try:
            board.append(plugin(**values))
        except (TypeError, ValueError, RuntimeError) as error:
            raise PresetError(f"{where}: {name} refuses {values}: {' '.join(str(error).split())}") from error
    return board


def _checked_value(plugin: type, key: str, value: Any, where: str) -> Any:
    """The value of a parameter, which presets give by its name where it is one of a few."""
    default = getattr(plugin(), key)
    if members := getattr(type(default), "__members__", None):
        if value not in list(members):
            raise PresetError(f"{where}: {key} cannot be {value!r}; choose from {', '.join(members)}.")
        return members[value]
    is_number = isinstance(value, (bool, int, float)) and abs(value) < 1e30  # neither infinite nor too long for a float
    if not is_number or isinstance(default, bool) != isinstance(value, bool):
        expected = "true or false" if isinstance(default, bool) else "a number"
        raise PresetError(f"{where}: {key} must be {expected}, not {value!r}.")
    largest = next((most for unit, most in LARGEST_BY_UNIT.items() if key.endswith(unit)), LARGEST_PARAMETER)
    lowest = LOWEST_RATE if key.endswith("_rate") else -largest
    if not isinstance(value, bool) and not lowest <= value <= largest:
        raise PresetError(f"{where}: {key} must be from {lowest:g} to {largest:g}, not {value:g}.")
    return value
