"""`stems plugin build` and `install`, as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stems.daw import plugin

Run = Callable[..., tuple[int, str, str]]


def test_without_tools_it_says_what_to_install(stems: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, said = stems("plugin", "build", "--out", tmp_path / "out", "--dpf", tmp_path)
    assert code == 1
    assert said.count("\n") == 1
    for package in ("g++", "cmake", "dpf-source"):
        assert f"({package}" in said
    assert not (tmp_path / "out").exists()


def test_formats_that_do_not_exist(stems: Run, tmp_path: Path) -> None:
    code, _, said = stems("plugin", "install", "--format", "vst3,au", "--to", tmp_path)
    assert code == 1 and "'au'" in said and "vst3, clap, lv2" in said


def test_what_does_not_compile_is_said_so(
    stems: Run, plugins: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "CMakeLists.txt").write_text('message(FATAL_ERROR "stems: install something.")')
    monkeypatch.setattr(plugin, "sources", lambda: tmp_path)
    code, _, said = stems("plugin", "build", "--out", tmp_path / "out")
    assert code == 1 and said.endswith("The plugin cannot be built: install something.\n")


def test_sources_may_move_between_builds(
    stems: Run, plugins: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.16)\nproject(nothing NONE)\n"
            "file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bin/" + name + ".lv2)\n"
        )
        monkeypatch.setattr(plugin, "sources", lambda name=name: tmp_path / name)
        code, said, _ = stems("plugin", "build", "--out", tmp_path / "out")
        assert code == 0 and f"{name}.lv2" in said


def test_install_puts_each_format_where_it_belongs(
    stems: Run, plugins: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plugin, "cache_folder", lambda: plugins.parent)
    monkeypatch.setattr(plugin, "user_folder", lambda name: tmp_path / name)
    assert stems("plugin", "install", "--format", "clap,lv2")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"clap", "lv2"}
    assert {path.name for path in (tmp_path / "lv2").iterdir()} == {"Stems.lv2", "StemsMono.lv2", "StemsMulti.lv2"}
    assert (tmp_path / "clap" / "stems-clap" / "StemsMulti.clap").is_file()
    (tmp_path / "all").mkdir()
    code, said, _ = stems("plugin", "install", "--to", tmp_path / "all")
    assert code == 0 and said.count("Installed") == 7
    for weights in (
        "Stems.vst3/Contents/Resources/openband-live",
        "StemsMono.lv2/openband-live",
        "stems-clap/openband-live",
    ):
        for suffix in (".safetensors", ".json"):
            assert (tmp_path / "all" / f"{weights}{suffix}").is_file()
    assert not [path for path in (tmp_path / "all").iterdir() if path.name.startswith(".")]


def test_the_sources_belong_to_the_package() -> None:
    assert (plugin.sources() / "CMakeLists.txt").is_file()
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '"plugin" = "stems/plugin_sources"' in project
