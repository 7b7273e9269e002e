"""The real-time plugin for DAWs: built from its sources in `plugin/`, and put where DAWs look for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stems.card import SHIPPED
from stems.errors import ExportError
from stems.files.destination import whole

FORMATS = ("vst3", "clap", "lv2")
WEIGHTS = "openband-live.safetensors"
COMPILERS = ("c++", "g++", "clang++", "cl")
DPF = "/usr/share/dpf"  # where Debian's package dpf-source has it


def sources() -> Path:
    """The folder of the plugin's sources: beside the package in a checkout, else inside it."""
    package = Path(__file__).parents[1]
    inside = package / "plugin_sources"
    return (inside if inside.is_dir() else package.parent / "plugin").resolve()


def missing_tools(dpf: Path | None = None) -> list[str]:
    """What a build lacks, each with the name of the package that has it in Debian and Ubuntu."""
    lacking = []
    if not any(shutil.which(compiler) for compiler in COMPILERS):
        lacking.append("a C++ compiler (g++)")
    if not shutil.which("cmake"):
        lacking.append("CMake (cmake)")
    if not any(shutil.which(tool) for tool in ("make", "ninja", "cl")):
        lacking.append("make (make)")
    if not (_dpf(dpf) / "CMakeLists.txt").is_file():
        lacking.append("DPF (dpf-source, or `DPF_PATH=` where it is)")
    return lacking


def build(
    folder: Path,
    formats: Sequence[str] = FORMATS,
    dpf: Path | None = None,
    options: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> Path:
    """Builds the plugins, or what has changed of them.

    Args:
        folder: where to; it is made if missing.
        formats: some of `FORMATS`.
        dpf: folder of DISTRHO Plugin Framework; `DPF_PATH` or Debian's when left out.
        options: for CMake, such as `-DSANITIZE=ON`.
        targets: of CMake; all by default.

    Returns:
        The folder that holds what was built.

    Raises:
        ExportError: if something that it needs is not there, or it does not compile.
    """
    lacking = missing_tools(dpf)
    if lacking:
        raise ExportError(f"The plugin cannot be built without {_listed(lacking)}: install what is named in brackets.")
    settings = [
        f"-DDPF_PATH={_dpf(dpf)}",
        f"-DSTEMS_MODEL={SHIPPED / WEIGHTS}",
        f"-DSTEMS_FORMATS={';'.join(formats)}",
        "-DSTEMS_PLUGINS=ON",
        "-DSTEMS_WINDOW=ON",
        "-DCMAKE_BUILD_TYPE=Release",
        "-Wno-dev",
    ]
    _forget_other_sources(folder)
    _run(["cmake", "-S", str(sources()), "-B", str(folder), *settings, *options])
    chosen = ["--target", *targets] if targets else []
    _run(["cmake", "--build", str(folder), "--config", "Release", "--parallel", str(os.cpu_count() or 1), *chosen])
    return folder / "bin"


def install(built: Path, formats: Sequence[str] = FORMATS, to: Path | None = None) -> list[Path]:
    """Copies plugins to where DAWs look for them, each whole or not at all.

    Args:
        built: what `build` returned.
        formats: some of `FORMATS`.
        to: one folder for all, instead of the user's own folder of each format.

    Returns:
        What was written.

    Raises:
        ExportError: a folder cannot be written to.
    """
    written = []
    for name in formats:
        found = [built / "clap"] if name == "clap" else sorted(built.glob(f"*.{name}"))
        for plugin in found:
            target = (to or user_folder(name)) / ("stems-clap" if name == "clap" else plugin.name)
            with whole(target, is_folder=True) as unfinished:
                shutil.copytree(plugin, unfinished, dirs_exist_ok=True)
            written.append(target)
    return written


def user_folder(name: str) -> Path:
    """The folder in which DAWs look for a user's plugins of a format."""
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Audio" / "Plug-Ins" / name.upper()
    if sys.platform == "win32":
        if name == "lv2":
            return Path(os.environ.get("APPDATA", home)) / "LV2"
        return Path(os.environ.get("LOCALAPPDATA", home)) / "Programs" / "Common" / name.upper()
    return home / f".{name}"


def cache_folder() -> Path:
    """Where builds are kept, so that the next one compiles only what changed."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "stems" / "plugin"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "stems" / "plugin"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "stems" / "plugin"


def _dpf(given: Path | None) -> Path:
    return Path(given or os.environ.get("DPF_PATH") or DPF)


def _forget_other_sources(folder: Path) -> None:
    """CMake does not build from sources that lie elsewhere than those of the last time, as after an upgrade."""
    cache = folder / "CMakeCache.txt"
    if cache.is_file() and f"CMAKE_HOME_DIRECTORY:INTERNAL={sources()}\n" not in cache.read_text(errors="replace"):
        cache.unlink()
        shutil.rmtree(folder / "CMakeFiles", ignore_errors=True)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _run(command: list[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        said = run.stdout + run.stderr
        if wanted := re.findall(r"^\s*stems: (.+)$", said, re.MULTILINE):
            raise ExportError(f"The plugin cannot be built: {wanted[0].strip()}")
        lines = [line for line in said.splitlines() if "rror" in line] or said.splitlines()
        raise ExportError(f"The plugin does not compile ({' '.join(lines[0].split()) if lines else 'no message'}).")
