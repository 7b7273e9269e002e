"""What the clustering found in a song."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from stems.methods import Clusters
from stems.song.guidance import Leaning


@dataclass(frozen=True)
class ClusteredSong:
    """The landmarks of a song, evenly spread frames, and in each its loudest cells, clustered.

    Attributes:
        stems: names of the clusters, in the order of the centroids.
        anchors: (stems, dimensions), where the clusters started; seeds, in a model without anchors.
        clusters: what they became, one for each stem.
        seconds: of the middle of each landmark, (landmarks,).
        contexts: what the recurrent layers know of each landmark, (landmarks, size), in half precision.
        powers: of all bands of each landmark, (landmarks, bands).
        loudest: numbers of the bands that were clustered, (landmarks, cells).
        embeddings: of these cells, (landmarks, cells, dimensions).
        leanings: what hints change besides, see `stems.song.guidance`.
    """

    stems: tuple[str, ...]
    anchors: Tensor
    clusters: Clusters
    seconds: Tensor
    contexts: Tensor
    powers: Tensor
    loudest: Tensor
    embeddings: Tensor
    leanings: tuple[Leaning, ...] = ()

    @property
    def centroids(self) -> Tensor:
        """Where the clusters came to rest, (stems, dimensions)."""
        return self.clusters.centroids
