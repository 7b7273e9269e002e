"""The plugin, built once for all its tests, which are left out where it cannot be built."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from engine import Engine, EngineModel

from stems.card import SHIPPED
from stems.daw.plugin import build, missing_tools
from stems.errors import ExportError

EXAMPLE = Path(__file__).parents[2] / "examples" / "song.ogg"
ENGINE = "engine/libstems-engine-c.so"


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Builds in a folder that is kept from run to run, so that only what changed is compiled."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the plugin was only ever built on Linux")
    if lacking := missing_tools():
        pytest.skip(f"the plugin is not built here, without {', '.join(lacking)}")

    def run(name: str, *options: str, targets: tuple[str, ...] = ()) -> Path:
        folder = Path(request.config.cache.mkdir(f"plugin-{name}"))
        try:
            return build(folder, options=options, targets=targets).parent
        except ExportError as error:
            if "cannot be built" in str(error):  # a library is missing, unlike where something does not compile
                pytest.skip(str(error))
            raise

    return run


@pytest.fixture(scope="session")
def plugins(built: Callable[..., Path]) -> Path:
    """The folder that holds all plugins."""
    return built("release") / "bin"


@pytest.fixture(scope="session")
def engine(plugins: Path) -> Engine:
    """The engine without a shell."""
    return Engine(plugins.parent / ENGINE)


@pytest.fixture(scope="session")
def shipped(engine: Engine) -> EngineModel:
    """The shipped weights, in the engine."""
    return engine.model(SHIPPED / "openband-live.safetensors")


@pytest.fixture(scope="session")
def song() -> tuple[np.ndarray, int]:
    """Real music: float32 (2, samples), Hz."""
    audio, rate = soundfile.read(EXAMPLE, dtype="float32", always_2d=True)
    return np.ascontiguousarray(audio.T), rate
