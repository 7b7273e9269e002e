"""How hard a song is cut into stems: one sensitivity for the song, and others for stems that need them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stems.errors import OptionError, did_you_mean
from stems.limits import check_sensitivity


@dataclass(frozen=True)
class Sensitivity:
    """How hard a song is cut: 1 is what the model learned, lower bleeds softly, higher cuts hard.

    The song's sensitivity sharpens the clustering and all masks. That of a stem takes its place in the stem's own mask:
    it says how much the stem takes of cells that are more another stem's, so that at 3 vocals keep less of the band,
    and at 0.3 more of what is doubtful. The others get what is left, so that all stems still add up to the song.

    Attributes:
        song: from 0.1 to 10.
        stems: names of stems, each with its own, from 0.1 to 10.

    Raises:
        OptionError: where one is out of range.
    """

    song: float = 1.0
    stems: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for value in (self.song, *(value for _, value in self.stems)):
            check_sensitivity(value)

    @classmethod
    def of(cls, given: float | str | Mapping[str, float] | Sensitivity) -> Sensitivity:
        """A sensitivity from what people write: a number, `"vocals=2,drums=1"`, `"0.8,vocals=2"` or a mapping.

        Raises:
            OptionError: where it is none.
        """
        if isinstance(given, Sensitivity):
            return given
        if isinstance(given, str):
            return _parsed(given)
        if isinstance(given, Mapping):
            return cls(stems=tuple(sorted((name, float(value)) for name, value in given.items())))
        return cls(float(given))

    def __str__(self) -> str:
        named = [f"{name}={value:g}" for name, value in self.stems]
        return ",".join(named if named and self.song == 1 else [f"{self.song:g}", *named])

    def check_against(self, known: Collection[str]) -> None:
        """Raises OptionError where it is for a stem that is not among those known."""
        for name, _ in self.stems:
            if name not in known:
                raise OptionError(
                    f"sensitivity names the stem {name!r}{did_you_mean(name, known)}: choose from {', '.join(known)}."
                )

    def exponents(self, names: Collection[str]) -> list[float]:
        """By how much the mask of each stem is sharper than the song's, see `stems.clustering.sharpen`."""
        own = dict(self.stems)
        return [own.get(name, self.song) / self.song for name in names]


def _parsed(text: str) -> Sensitivity:
    song, stems = 1.0, dict[str, float]()
    for place, part in enumerate(text.split(",")):
        name, equals, number = part.rpartition("=")
        name = name.strip().lower()
        is_new = bool(name) and name not in stems if equals else place == 0
        try:
            value = float(number) if is_new else None
        except ValueError:
            value = None
        if value is None:
            raise OptionError(f"sensitivity {text!r} is none: write a number, or stems such as vocals=2,drums=1.")
        if name:
            stems[name] = value
        else:
            song = value
    return Sensitivity(song, tuple(sorted(stems.items())))
