"""A training recipe: one TOML file that holds everything a run depends on."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from stems.card import STEMS
from stems.errors import RecipeError
from stems.files.toml import read_toml
from stems.limits import check_design
from stems.model import ClusteringSettings, Design
from stems.network.embedding import NetworkShape
from stems.network.texture import SPREADS
from stems.spectrum import Bands, Grid
from stems.train.augmentation import Augmentation

VOICES = ("voice-1", "voice-2")


@dataclass(frozen=True)
class Data:
    """What mixes are made of. Folders are looked up below the `--data` folder.

    Args:
        songs: folders of songs with stems, each with the weight with which its songs are drawn.
        voices: folders of single voices, dry or produced, likewise.
        instrumentals: folders of produced music without singing; all of it but the voice laid over it is
            "not vocals", and no more is asked of the network there.
        records: folders of voices of produced songs, likewise, whose tone other recordings of voices are given.
        singers: folders of singers, each a folder with recordings of one voice, likewise. A recipe that names them
            mixes two voices instead of a band.
        musdb: draw from MUSDB18's training set (`--musdb`), with this weight.
        validation: folders of songs, never trained on.
        loudness: root mean square of the mixtures, full scale being 1; the model's card tells it.
        cold: each excerpt is the first that a stream hears: after silence, and at the levels that its running loudness
            gives; see `stems.train.cells.cells_of`.
        frames: length of an excerpt.
        scored_frames: frames of an excerpt, drawn at random, that the losses look at. Neighbours are alike, and
            most of the time goes into embeddings, so a quarter of them teaches as much in half the time.
        uses: how often each mix is looked at, each time at other frames of it.
        equalizer_db: spread of the gains of a random equalizer over a whole mix.
        coherent: share of mixes whose drums, bass and other come from one song. Incoherent mixes alone
            beat coherent ones (Manilow et al. 2019); both together are best.
        layered: share of the parts of incoherent mixes that are played by two songs at once.
        instrumental: share of mixes made of an instrumental and a voice.
        sung: share of mixes in which somebody sings, beside voices that have their own accompaniment and stay with it.
        driven: share of basses and of others that are played through an amplifier driven hard.
        bright: share of basses whose overtones are raised.
        kicks: share of mixes that get the bass drum of electronic music as well.
        voices_changed: share of voices at another speed, pitch and tempo together, so that few singers become several.
        choirs: share of the voices that several sing at once, in harmony or in unison.
        toned: share of the voices that are equalized towards the long-term spectrum of one of the records.
        matched: share of mixes that are equalized towards the long-term spectrum of one of the instrumentals.
    """

    songs: dict[str, float] = field(default_factory=dict)
    voices: dict[str, float] = field(default_factory=dict)
    instrumentals: dict[str, float] = field(default_factory=dict)
    records: dict[str, float] = field(default_factory=dict)
    singers: dict[str, float] = field(default_factory=dict)
    musdb: float = 0.0
    validation: tuple[str, ...] = ()
    loudness: float = 0.1
    cold: bool = False
    frames: int = 256
    scored_frames: int = 64
    uses: int = 1
    equalizer_db: float = 0.0
    coherent: float = 0.5
    layered: float = 0.0
    instrumental: float = 0.0
    sung: float = 0.9
    driven: float = 0.0
    bright: float = 0.0
    kicks: float = 0.0
    voices_changed: float = 0.4
    choirs: float = 0.0
    toned: float = 0.0
    matched: float = 0.0


@dataclass(frozen=True)
class Objective:
    """Weights of the losses, and the number of k-means iterations that are unrolled in training.

    Without anchors, stems are compared in the order that suits them best.

    Args:
        affinity: of `|VV' - YY'|^2` over pairs of cells.
        stems: of the amplitude of the stems' errors.
        ratio: of the stems' signal-to-distortion ratios, which are what is scored in the end.
        teacher: learn the stems of music whose parts are not known from what the running mean of the weights makes of
            it without the voice.
        untaught_steps: at the beginning of a run, in which there is no teacher yet: random weights would teach that
            nothing can be told apart. 0 suits a run that starts from trained weights.
        naming: of the cross entropy of the names that the anchors give to cells, so that no stem is left without any.
        online: the clusters are those of a stream, which follow what was heard so far, see
            `stems.running.RunningCentroids`, in place of those of all of the excerpt.
    """

    affinity: float = 0.5
    stems: float = 0.5
    ratio: float = 0.0
    naming: float = 0.0
    teacher: bool = False
    untaught_steps: int = 0
    iterations: int = 1
    online: bool = False


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Args:
        steps: of the optimiser, over all sessions.
        batch: excerpts in a step.
        learning_rate: of Adam, after `warmup_steps`.
        final_rate: the learning rate falls along a half cosine to this share of itself.
        clip: largest norm of a gradient.
        averaging: the weights that are kept are a running mean, with this decay per step.
        precision: "float32" or "bfloat16"; processors that have no instructions for the latter, where it takes
            many times as long or fails, train in the former all the same.
        checkpoint_minutes: time between checkpoints, each with a validation.
    """

    steps: int = 30000
    batch: int = 8
    learning_rate: float = 1e-3
    final_rate: float = 0.02
    warmup_steps: int = 100
    clip: float = 5.0
    averaging: float = 0.998
    precision: str = "float32"
    checkpoint_minutes: float = 5.0


@dataclass(frozen=True)
class Recipe:
    """Everything about a run but the place of its data."""

    name: str
    seed: int = 0
    about: str = ""
    licence: str = ""
    data: Data = field(default_factory=Data)
    augmentation: Augmentation = field(default_factory=Augmentation)
    bands: Bands = field(default_factory=Bands)
    network: NetworkShape = field(default_factory=NetworkShape)
    clustering: ClusteringSettings = field(default_factory=ClusteringSettings)
    objective: Objective = field(default_factory=Objective)
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def design(self) -> Design:
        """The model that this recipe trains."""
        stems = VOICES if self.data.singers else STEMS
        return Design(stems, self.bands, self.network, self.clustering, self.data.loudness)

    @property
    def cold_loudness(self) -> float | None:
        """Root mean square to which a cold stream would bring the excerpts; None where they are not for one."""
        return self.data.loudness if self.data.cold else None

    def samples(self, grid: Grid) -> int:
        """Samples of an excerpt of so many frames; a cold one has silence before it."""
        before = 0 if self.data.cold else grid.window - grid.hop
        return self.data.frames * grid.hop + before


def read_recipe(path: str | Path) -> Recipe:
    """Reads a recipe; raises RecipeError where a key is unknown or a value has the wrong type."""
    path = Path(path)
    data = read_toml(path, RecipeError, "give the path of a recipe such as recipes/tiny.toml")
    recipe: Recipe = _build(Recipe, {"name": path.stem, **data}, str(path))
    _check_numbers(path, recipe)
    if recipe.network.bands != recipe.bands.count:
        raise RecipeError(f"{path}: network.bands is {recipe.network.bands} but bands.count is {recipe.bands.count}.")
    network = recipe.network
    if network.depth > len(SPREADS):
        raise RecipeError(f"{path}: network.depth is {network.depth}, and at most {len(SPREADS)}.")
    if (network.depth or network.overtones) and not network.channels:
        raise RecipeError(f"{path}: network.depth and network.overtones are of textures; set network.channels as well.")
    if network.groups and network.bands % network.groups:
        raise RecipeError(f"{path}: network.groups is {network.groups}, and must divide the {network.bands} bands.")
    if network.groups and network.stride > 1 and not network.bidirectional:
        raise RecipeError(f"{path}: network.stride must be 1 in real time, where the next frame is not known.")
    if (recipe.objective.naming or recipe.objective.teacher) and not recipe.clustering.anchored:
        raise RecipeError(f"{path}: objective.naming and objective.teacher need names, so clustering.anchored as well.")
    if recipe.objective.untaught_steps and not recipe.objective.teacher:
        raise RecipeError(f"{path}: objective.untaught_steps come before a teacher; set objective.teacher as well.")
    if recipe.data.singers and recipe.clustering.anchored:
        raise RecipeError(f"{path}: two voices have no names to be anchored by; set clustering.anchored to false.")
    if recipe.network.bidirectional and (recipe.data.cold or recipe.objective.online):
        raise RecipeError(
            f"{path}: data.cold and objective.online are for streams; set network.bidirectional to false."
        )
    if recipe.objective.online and not recipe.clustering.anchored:
        raise RecipeError(f"{path}: objective.online follows clusters from anchors; set clustering.anchored to true.")
    if recipe.schedule.precision not in ("float32", "bfloat16"):
        raise RecipeError(f"{path}: schedule.precision is 'float32' or 'bfloat16', not {recipe.schedule.precision!r}.")
    return recipe


_ONE_OR_MORE = ("steps", "batch", "frames", "scored_frames", "uses")
_SHARES = (
    *("coherent", "layered", "instrumental", "sung", "driven", "bright", "kicks", "voices_changed", "choirs", "toned"),
    *("matched", "final_rate", "averaging"),
)
_LARGEST = 1e9


def _check_numbers(path: Path, recipe: Recipe) -> None:
    if not 0 <= recipe.seed < 2**63:
        raise RecipeError(f"{path}: seed must be a whole number from 0 on, below 2 ** 63.")
    try:
        check_design(asdict(recipe.design))
        _ = recipe.bands.edges  # which do not fit all numbers
    except ValueError as error:
        raise RecipeError(f"{path}: {error}.") from error
    for part in ("data", "objective", "schedule"):
        for name, value in asdict(getattr(recipe, part)).items():
            for where, number in value.items() if isinstance(value, dict) else [("", value)]:
                key = f"{part}.{name}" + (f".{where}" if where else "")
                if isinstance(number, (int, float)) and not isinstance(number, bool):
                    lowest, highest = int(name in _ONE_OR_MORE), 1 if name in _SHARES else _LARGEST
                    if not lowest <= number <= highest:  # which no NaN is
                        raise RecipeError(f"{path}: {key} must be from {lowest} to {highest:g}, not {number}.")
                elif isinstance(value, dict):
                    raise RecipeError(f"{path}: {key} must be a weight, which is a number, not {number!r}.")


def _build(kind: Any, values: dict[str, Any], where: str) -> Any:
    """Fills a dataclass from plain data, table by table."""
    types = get_type_hints(kind)
    known = {part.name: part for part in fields(kind)}
    for key in values:
        if key not in known:
            raise RecipeError(f"{where}: unknown key {key!r}; it may be one of {', '.join(known)}.")
    built: dict[str, Any] = {}
    for name, value in values.items():
        wanted = types[name]
        if is_dataclass(wanted):
            if not isinstance(value, dict):
                raise RecipeError(f"{where}: {name} must be a table.")
            built[name] = _build(wanted, value, f"{where} [{name}]")
        elif isinstance(value, list) or get_origin(wanted) is tuple:
            built[name] = _several(value, wanted, f"{where}: {name}")
        elif get_origin(wanted) is dict:
            if not isinstance(value, dict):
                raise RecipeError(f"{where}: {name} must be a table, not {value!r}.")
            built[name] = value
        elif wanted is float and isinstance(value, int) and not isinstance(value, bool):
            built[name] = float(value)
        elif wanted in (int, float, str, bool) and type(value) is not wanted:
            raise RecipeError(f"{where}: {name} must be of type {wanted.__name__}, not {value!r}.")
        else:
            built[name] = value
    missing = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in built]
    if missing:
        raise RecipeError(f"{where}: {', '.join(missing)} missing.")
    return kind(**built)


def _several(values: Any, wanted: Any, where: str) -> tuple[Any, ...]:
    """A list as the tuple that is wanted: of so many numbers, or of any number of one kind."""
    kinds = get_args(wanted)
    if not kinds:
        raise RecipeError(f"{where} must be of type {getattr(wanted, '__name__', wanted)}, not a list.")
    many, kind = kinds[-1] is Ellipsis, kinds[0]
    if not isinstance(values, list) or not (many or len(values) == len(kinds)):
        raise RecipeError(f"{where} must be a list of {'any number' if many else len(kinds)}, not {values!r}.")
    if any(type(value) is not kind and not (kind is float and type(value) is int) for value in values):
        raise RecipeError(f"{where} must be a list of type {kind.__name__}, not {values!r}.")
    return tuple(kind(value) for value in values)
