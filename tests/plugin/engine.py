"""The C++ engine of the plugin, called through its C interface."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np

WHOLE_HOP = -1
Floats = ctypes.POINTER(ctypes.c_float)


class EngineError(Exception):
    """What the engine refuses, in its own words."""


class Engine:
    """A loaded library of the engine.

    Args:
        path: of the shared library.
    """

    def __init__(self, path: Path) -> None:
        self.library = library = ctypes.CDLL(str(path))
        for name in ("stems_error", "stems_kernels"):
            getattr(library, name).restype = ctypes.c_char_p
        for name in ("stems_model_load", "stems_model_parse", "stems_stream_new", "stems_model_embed"):
            getattr(library, name).restype = ctypes.c_void_p
        library.stems_model_load.argtypes = [ctypes.c_char_p]
        library.stems_model_parse.argtypes = [ctypes.c_char_p, ctypes.c_longlong] * 2
        library.stems_model_free.argtypes = [ctypes.c_void_p]
        library.stems_model_bins.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_void_p]
        library.stems_model_embed.argtypes = [ctypes.c_void_p, Floats, ctypes.c_int, Floats]
        library.stems_stream_new.argtypes = [ctypes.c_void_p, ctypes.c_double, *[ctypes.c_int] * 3]
        library.stems_stream_work_done.restype = ctypes.c_double
        for name in ("stems_stream_free", "stems_stream_reset", "stems_stream_latency", "stems_stream_work_done"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        library.stems_stream_set.argtypes = [ctypes.c_void_p, ctypes.c_float, ctypes.c_double, Floats]
        library.stems_stream_run.argtypes = [ctypes.c_void_p, *[ctypes.POINTER(Floats)] * 3, ctypes.c_int]
        library.stems_fourier.argtypes = [Floats, ctypes.c_int, Floats]

    @property
    def kernels(self) -> str:
        """The instruction set that is used."""
        return str(self.library.stems_kernels().decode())

    def use_kernels(self, name: str) -> bool:
        """Has another instruction set used, if this machine can run it."""
        return bool(self.library.stems_use_kernels(name.encode()))

    def made(self, result: int | None) -> int:
        """A result, or the reason why there is none, raised."""
        if not result:
            raise EngineError(self.library.stems_error().decode(errors="replace"))
        return result

    def model(self, path: Path) -> EngineModel:
        """The model of a `.safetensors` file."""
        return EngineModel(self, self.made(self.library.stems_model_load(str(path).encode())))

    def parse(self, content: bytes, card: bytes) -> EngineModel:
        """The model of the contents of its files."""
        return EngineModel(self, self.made(self.library.stems_model_parse(content, len(content), card, len(card))))

    def fourier(self, signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The spectrum of a signal, and the signal that the spectrum gives."""
        back, spectrum = signal.astype(np.float32), np.zeros(len(signal) + 2, np.float32)
        self.library.stems_fourier(_pointer(back), len(back), _pointer(spectrum))
        return spectrum.view(np.complex64), back


class EngineModel:
    """A model that the engine has loaded."""

    def __init__(self, engine: Engine, handle: int) -> None:
        self.engine, self.handle = engine, handle

    def __del__(self) -> None:
        self.engine.library.stems_model_free(self.handle)

    def band_of_bin(self, rate: float) -> np.ndarray:
        """The band of every bin, (bins,)."""
        bands = np.zeros(self.engine.library.stems_model_bins(self.handle, rate, None), np.int32)
        self.engine.library.stems_model_bins(self.handle, rate, bands.ctypes.data)
        return bands

    def embed(self, levels: np.ndarray, dimensions: int) -> np.ndarray:
        """(2, frames, bands) in dB -> (frames, bands, dimensions)."""
        given = np.ascontiguousarray(levels.transpose(1, 0, 2), np.float32)
        found = np.zeros((*given.shape[::2], dimensions), np.float32)
        self.engine.made(
            self.engine.library.stems_model_embed(self.handle, _pointer(given), len(given), _pointer(found))
        )
        return found


class EngineStream:
    """What `stems.Stream` is in Python: blocks in, mixes of stems out.

    Args:
        spread: samples that the work on a frame is spread over, by which the output comes later still.
    """

    def __init__(self, model: EngineModel, rate: float, channels: int, mixes: int = 4, spread: int = 0) -> None:
        self.model, self.library, self.channels, self.mixes = model, model.engine.library, channels, mixes
        self.handle = model.engine.made(self.library.stems_stream_new(model.handle, rate, channels, mixes, spread))

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self.library.stems_stream_free(self.handle)

    @property
    def latency_samples(self) -> int:
        """Samples by which the output is late."""
        return int(self.library.stems_stream_latency(self.handle))

    @property
    def work_done(self) -> float:
        """What was computed since all was forgotten, in about as many multiplications."""
        return float(self.library.stems_stream_work_done(self.handle))

    def reset(self) -> None:
        """Forgets all that was heard."""
        self.library.stems_stream_reset(self.handle)

    def set(self, gains: np.ndarray, sensitivity: float = 1.0, follow_seconds: float = 3.0) -> None:
        """Settings for the blocks that come; gains: (mixes, stems)."""
        assert gains.shape[0] == self.mixes
        self.library.stems_stream_set(
            self.handle, sensitivity, follow_seconds, _pointer(np.ascontiguousarray(gains, np.float32))
        )

    def run(self, audio: np.ndarray, in_place: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(channels, samples) -> the mixture as late as the mixes, and (mixes, channels, samples)."""
        given, samples = np.array(audio, np.float32, order="C"), audio.shape[1]
        mixture = np.zeros_like(given)
        mixes = np.zeros((self.mixes, self.channels, samples), np.float32)
        lines = [*mixes.reshape(-1, samples)]
        if in_place:
            lines[: self.channels] = list(given)
        self.library.stems_stream_run(self.handle, _lines(given), _lines(mixture), _lines(lines), samples)
        if in_place:
            mixes[0] = given
        return mixture, mixes

    def run_all(self, audio: np.ndarray, sizes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """The same of all audio, in blocks of these sizes, over and over."""
        found, start, turn = [], 0, 0
        while start < audio.shape[1]:
            size = sizes[turn % len(sizes)]
            found.append(self.run(audio[:, start : start + size]))
            start, turn = start + size, turn + 1
        return np.concatenate([mixture for mixture, _ in found], 1), np.concatenate([mixes for _, mixes in found], 2)


def _pointer(array: np.ndarray) -> ctypes._Pointer[ctypes.c_float]:
    return array.ctypes.data_as(Floats)


def _lines(lines: Sequence[np.ndarray] | np.ndarray) -> ctypes.Array[ctypes._Pointer[ctypes.c_float]]:
    return (Floats * len(lines))(*[_pointer(line) for line in lines])
