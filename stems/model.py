"""A separation model: bands, network, anchors and sharpness as one thing that loads and saves itself."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn
from torch.nn import functional

from stems.card import STEMS, find_model, read_card
from stems.clustering import assign, cluster, find_seeds
from stems.compatibility import FORMAT, upgrade_weights
from stems.errors import ModelError
from stems.files.destination import whole
from stems.network.embedding import EmbeddingNetwork, NetworkShape
from stems.spectrum import Bands, Grid


@dataclass(frozen=True)
class ClusteringSettings:
    """How the embeddings of a song are clustered; see `stems.clustering`.

    Args:
        iterations: of k-means.
        pull: towards the anchors, or towards the seeds where there are none.
        weight_exponent: a cell of mixture power p weighs p ** (exponent / 2).
        anchored: clusters start at learned anchors, one for each stem. If not, they start at seeds that each song
            gives anew, and stems are told apart but not known by name: the one of most weight comes first.
        share: of the bands of a frame that place the centroids: its loudest.
    """

    iterations: int = 10
    pull: float = 0.05
    weight_exponent: float = 0.5
    anchored: bool = True
    share: float = 0.2


@dataclass(frozen=True)
class Design:
    """Everything about a model but its weights.

    Args:
        stems: names of the clusters.
        bands: that cells lie on.
        network: sizes of the embedding network.
        clustering: of its embeddings.
        loudness: root mean square of the mixtures in training, full scale being 1; what is separated is brought to it.
    """

    stems: tuple[str, ...] = STEMS
    bands: Bands = field(default_factory=Bands)
    network: NetworkShape = field(default_factory=NetworkShape)
    clustering: ClusteringSettings = field(default_factory=ClusteringSettings)
    loudness: float = 0.1


class Model(nn.Module):
    """Embeds the bands of a mixture and clusters them into stems.

    Attributes:
        design: sizes and settings.
        card: what the weights were trained on and what they score, as plain data.
    """

    def __init__(self, design: Design | None = None, card: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.design = design or Design()
        self.card: dict[str, Any] = card or {}
        overtones = self.design.bands.at_multiples(self.design.network.overtones)
        self.network = EmbeddingNetwork(self.design.network, overtones)
        shape = (len(self.design.stems), self.design.network.dimensions)
        self.raw_anchors = nn.Parameter(torch.randn(shape)) if self.design.clustering.anchored else None
        self.log_kappa = nn.Parameter(torch.tensor(math.log(8.0)))

    @property
    def anchors(self) -> Tensor:
        """Where the clusters of every song start, (stems, dimensions), of unit length.

        Raises:
            ModelError: if the model has none.
        """
        if self.raw_anchors is None:
            name = self.card.get("name", "This model")
            raise ModelError(f"{name} has no anchors, which this needs: choose a model that knows its stems by name.")
        return functional.normalize(self.raw_anchors, dim=-1)

    @property
    def kappa(self) -> Tensor:
        """The learned sharpness of the assignments, which a user's sensitivity multiplies."""
        return self.log_kappa.exp()

    def grid(self, sample_rate: float) -> Grid:
        """The frames and bins on which audio of this rate is separated."""
        return self.design.bands.grid(sample_rate)

    def weigh(self, power: Tensor) -> Tensor:
        """How much a cell of this power counts in the clustering; any shape."""
        return power.clamp(min=0) ** (self.design.clustering.weight_exponent / 2)

    def starts(self, embeddings: Tensor, weights: Tensor, kappa: float | Tensor) -> Tensor:
        """Where the clusters of a song start, (..., stems, dimensions): at the anchors, or at seeds of its own."""
        if self.design.clustering.anchored:
            return self.anchors
        return find_seeds(embeddings, weights, len(self.design.stems), kappa)

    def centroids(
        self,
        embeddings: Tensor,
        weights: Tensor,
        kappa: float | Tensor | None = None,
        iterations: int | None = None,
    ) -> Tensor:
        """The centroids of a song: (..., points, dimensions), (..., points) -> (..., stems, dimensions)."""
        settings = self.design.clustering
        kappa = self.kappa if kappa is None else kappa
        return cluster(
            embeddings,
            weights,
            self.starts(embeddings, weights, kappa),
            kappa,
            settings.pull,
            settings.iterations if iterations is None else iterations,
        )

    def shares(self, embeddings: Tensor, centroids: Tensor, kappa: float | Tensor | None = None) -> Tensor:
        """Share of each stem in each cell: (..., points, dimensions) -> (..., points, stems)."""
        return assign(embeddings, centroids, self.kappa if kappa is None else kappa)

    def save(self, path: str | os.PathLike[str], half: bool = True) -> None:
        """Writes `path` (safetensors) and its card beside it (JSON), each to a temporary name first.

        Args:
            path: ends in `.safetensors`.
            half: keep the weights in half precision.

        Raises:
            ModelError: if weights are NaN or infinite, or the files cannot be written.
        """
        path = Path(path)
        tensors = {
            name: (value.half() if half and value.ndim else value).detach().cpu().contiguous()
            for name, value in self.state_dict().items()
        }
        if not _is_finite(tensors):
            raise ModelError(
                f"{path} was not written, since the weights are no longer numbers: train from the last checkpoint with "
                "another seed or a lower learning rate."
            )
        content = save_tensors(tensors, metadata={"format": FORMAT})
        card = {
            "format": FORMAT,
            "sha256": hashlib.sha256(content).hexdigest(),
            "parameters": sum(value.numel() for value in tensors.values()),
            "design": asdict(self.design),
        }
        card |= {key: value for key, value in self.card.items() if key not in card}
        for place, data in ((path, content), (path.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())):
            with whole(place, ModelError) as unfinished:
                unfinished.write_bytes(data)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str] = "openband") -> Model:
        """Reads a shipped model by name, or any model by the path of its `.safetensors` file.

        Raises:
            ModelError: if it is missing, damaged, or not one of ours.
        """
        path = find_model(name_or_path)
        card = read_card(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): check its permissions.") from error
        if hashlib.sha256(content).hexdigest() != card.get("sha256"):
            raise ModelError(f"{path} is damaged: its contents do not match its card. Copy or download it again.")
        try:
            model = cls(design_from(card.get("design")), card)
            tensors = upgrade_weights(load_tensors(content))
            _check_fit(tensors, model.state_dict())
            model.load_state_dict({name: value.float() for name, value in tensors.items()})
        except (KeyError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
            fault = f"{path} does not fit its card {path.with_suffix('.json').name}"
            reason = f" ({error})" if isinstance(error, _Unfit) else ""
            raise ModelError(f"{fault}{reason}: copy or download both again.") from error
        if not _is_finite(tensors):
            raise ModelError(
                f"{path} has weights that are no numbers, of a training that went wrong: give another model."
            )
        return model.eval()


class _Unfit(ValueError):
    """Why weights and a design do not belong together, in our words."""


def _check_fit(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    for name in sorted(tensors.keys() | wanted.keys()):
        if name not in tensors or name not in wanted:
            raise _Unfit(f"{name} is {'missing' if name in wanted else 'none of its weights'}")
        if tensors[name].shape != wanted[name].shape:
            raise _Unfit(f"{name} has the shape {tuple(tensors[name].shape)}, not {tuple(wanted[name].shape)}")


def _is_finite(tensors: Mapping[str, Tensor]) -> bool:
    return all(bool(value.isfinite().all()) for value in tensors.values())


def design_from(data: Any) -> Design:
    """A design from plain data; raises TypeError or ValueError where it is not one."""
    if not isinstance(data, dict):
        raise TypeError(f"a design is a table, not {data!r}")
    parts = {"bands": Bands, "network": NetworkShape, "clustering": ClusteringSettings}
    known = {part.name for part in fields(Design)}
    if unknown := set(data) - known:
        raise _Unfit(f"unknown keys {sorted(unknown)}")
    for key, part in parts.items():
        if unknown := set(data.get(key, {})) - {one.name for one in fields(part)}:
            raise _Unfit(f"{key} has unknown keys {sorted(unknown)}")
    if "overtones" in data.get("network", {}):
        data = {**data, "network": {**data["network"], "overtones": tuple(data["network"]["overtones"])}}
    values: dict[str, Any] = {key: parts[key](**value) if key in parts else value for key, value in data.items()}
    if "stems" in values:
        values["stems"] = tuple(values["stems"])
    design = Design(**values)
    try:
        edges = design.bands.edges
    except ValueError as error:
        raise _Unfit(str(error)) from error
    if len(edges) != design.network.bands + 1:
        raise _Unfit(f"the network has {design.network.bands} bands where there are {design.bands.count}")
    return design
