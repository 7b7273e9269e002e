"""Presets: those that ship load, and mistakes in a user's own are answered with what is possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from stems.batch.presets import (
    build_chain,
    load_preset,
    only,
    parameters,
    plugins,
    shipped_presets,
    sums_among,
    two_stems,
)
from stems.card import STEMS
from stems.errors import PresetError

EXPECTED = {"stems", "karaoke", "acapella", "drumless", "bassless", "rhythm", "remix"}


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_presets_ship() -> None:
    assert set(shipped_presets()) >= EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED | set(shipped_presets())))
def test_shipped_presets_load(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.about.endswith(".")
    assert preset.outputs
    assert {stem for stems in preset.outputs.values() for stem in stems} == set(preset.stems) <= set(STEMS)
    assert set(preset.chains) <= set(preset.stems)
    assert preset.divides == (name != "remix")


def test_the_preset_of_all_stems_matches_the_model() -> None:
    from stems.model import Design

    assert Design().stems == STEMS
    assert load_preset("stems").outputs == {stem: (stem,) for stem in STEMS}


def test_karaoke_is_the_song_without_its_vocals() -> None:
    assert load_preset("karaoke").outputs == {"karaoke": ("drums", "bass", "other")}
    assert load_preset("karaoke").stems == ("drums", "bass", "other")


def test_a_users_own_preset_loads_by_its_path(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [outputs]
        "loud drums" = ["drums"]
        band = ["other", "bass", "drums"]
        [chains]
        drums = [{ plugin = "Gain", gain_db = 6 }, { plugin = "LadderFilter", mode = "HPF24", cutoff_hz = 100.0 }]
        bass = []
        """,
    )
    preset = load_preset(path)
    assert preset.name == "mine"
    assert preset.stems == ("drums", "bass", "other")
    assert list(preset.chains) == ["drums"]
    assert not preset.divides
    gain, ladder = build_chain(preset.chains["drums"], "here")
    assert (gain.gain_db, ladder.cutoff_hz, ladder.mode.name) == (6, 100, "HPF24")


def test_outputs_that_overlap_do_not_divide_the_song(tmp_path: Path) -> None:
    assert not load_preset(written(tmp_path, '[outputs]\na = ["drums", "bass"]\nb = ["bass"]')).divides
    assert load_preset(written(tmp_path, '[outputs]\na = ["drums"]\nb = ["bass"]')).divides


@pytest.mark.parametrize("name", sorted(plugins()))
def test_every_plugin_takes_all_of_its_parameters(name: str) -> None:
    plugin = plugins()[name]()
    values = {key: getattr(plugin, key) for key in parameters(plugins()[name])}
    assert values
    table = {key: getattr(value, "name", value) for key, value in values.items()}
    (built,) = build_chain([{"plugin": name, **table}], "here")
    for key, value in values.items():
        assert getattr(built, key) == (pytest.approx(value) if isinstance(value, float) else value)


def chain(text: str) -> str:
    return f'[outputs]\nx = ["vocals"]\n[chains]\nvocals = [{text}]'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("outputs = [", ["is not TOML"]),
        ("[outputs]", ["has no outputs", "[outputs]"]),
        ("", ["has no outputs"]),
        ("outputs = 3", ["has no outputs"]),
        ('colour = "red"', ["unknown key 'colour'", "about, outputs or chains"]),
        ('[outputs]\nx = "vocals"', ["'x'", "list of stems"]),
        ("[outputs]\nx = []", ["'x'", "list of stems"]),
        ('[outputs]\nx = ["piano"]', ["output 'x'", "'piano'", *STEMS]),
        ("[outputs]\nx = [3]", ["no stem 3", *STEMS]),
        ('[outputs]\nx = [["vocals"]]', ["no stem ['vocals']", *STEMS]),
        ('[outputs]\nx = ["bass", "bass"]', ["'x'", "twice"]),
        *((f'[outputs]\n"{name}" = ["bass"]', ["part of a file's name"]) for name in ("", "../x", "a/b", ".a")),
        ('chains = 3\n[outputs]\nx = ["bass"]', ["chains must be a table"]),
        ('[outputs]\nx = ["bass"]\n[chains]\npiano = []', ["'piano'", *STEMS]),
        ('[outputs]\nx = ["bass"]\n[chains]\nbass = "Gain"', ["chain of bass must be a list"]),
        (chain('"Gain"'), ["chain of vocals must be a list"]),
        (chain("{ gain_db = 3 }"), ["no plugin None", "Compressor", "Reverb"]),
        (chain('{ plugin = "Grain" }'), ["no plugin 'Grain'", "Compressor", "Gain", "Reverb"]),
        (chain('{ plugin = "Compresor" }'), ["did you mean 'Compressor'?"]),
        ('[outputs]\nx = ["vocal"]', ["did you mean 'vocals'?"]),
        *((chain(f"{{ plugin = {value} }}"), ["no plugin"]) for value in ('["Gain"]', "{}", "3", "true")),
        (chain('{ plugin = "Chorus", rate_hz = 1e9 }'), ["rate_hz must be from", "96000"]),
        (chain('{ plugin = "Delay", delay_seconds = 1e6 }'), ["delay_seconds must be from"]),
        (chain('{ plugin = "Resample", target_sample_rate = 0.001 }'), ["target_sample_rate must be from"]),
        (chain('{ plugin = "Gain", gain_db = 1%s }' % (400 * "0")), ["gain_db must be a number"]),
        (chain('{ plugin = "VST3Plugin" }'), ["no plugin 'VST3Plugin'"]),
        (chain('{ plugin = "Gain", gain = 3 }'), ["Gain has no parameter 'gain'", "gain_db"]),
        (chain('{ plugin = "Compressor", ratio = 0.5 }'), ["Compressor refuses", "ratio", ">= 1.0"]),
        (chain('{ plugin = "Gain", gain_db = "loud" }'), ["gain_db must be a number, not 'loud'"]),
        (chain('{ plugin = "Gain", gain_db = nan }'), ["gain_db must be a number, not nan"]),
        (chain('{ plugin = "Gain", gain_db = true }'), ["gain_db must be a number, not True"]),
        (chain('{ plugin = "BrickwallLimiter", true_peak = 1 }'), ["true_peak must be true or false, not 1"]),
        (chain('{ plugin = "LadderFilter", mode = "HPF" }'), ["mode cannot be 'HPF'", "LPF12", "HPF24"]),
    ],
)
def test_mistakes_are_answered_with_what_is_possible(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(PresetError) as caught:
        load_preset(written(tmp_path, text))
    message = str(caught.value)
    assert "mine.toml" in message
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize("name", ["nosuch", "nosuch.toml", "."])
def test_an_unknown_preset_lists_the_shipped_ones(name: str) -> None:
    with pytest.raises(PresetError) as caught:
        load_preset(name)
    assert repr(name) in str(caught.value)
    assert all(shipped in str(caught.value) for shipped in EXPECTED)


def test_stems_named_on_the_command_line() -> None:
    assert only(("vocals", "drums")).outputs == {"vocals": ("vocals",), "drums": ("drums",)}
    assert two_stems("vocals").outputs == {"vocals": ("vocals",), "instrumental": ("drums", "bass", "other")}
    assert two_stems("bass").outputs == {"bass": ("bass",), "no-bass": ("drums", "vocals", "other")}
    for make in (lambda: only(("piano",)), lambda: two_stems("piano"), lambda: only(())):
        with pytest.raises(PresetError, match="choose from drums, bass, vocals, other"):
            make()


def test_presets_know_the_stems_of_any_model() -> None:
    known = ("lead", "choir")
    assert load_preset("stems", known=known).outputs == {"lead": ("lead",), "choir": ("choir",)}
    assert load_preset("stems", ("bell",), known).stems == ("lead", "choir", "bell")
    assert load_preset("stems", ("bell",)) == load_preset("stems").including(("bell",))
    with pytest.raises(PresetError, match="choose from lead, choir"):
        load_preset("karaoke", known=known)


@pytest.mark.parametrize(
    ("names", "sums"),
    [
        ([*STEMS, "karaoke", "instrumental", "remix", "acapella"], {"karaoke", "instrumental", "remix"}),
        ([*STEMS, "no-bass", "guitar"], {"no-bass"}),
        (["vocals", "instrumental", "karaoke"], set()),
        (["drums", "bass", "rhythm", "melody"], {"rhythm"}),
    ],
)
def test_sums_are_told_from_stems_by_what_lies_beside_them(names: list[str], sums: set[str]) -> None:
    found = sums_among(names)
    assert set(found) == sums
    assert all(set(stems) <= set(names) and len(stems) > 1 for stems in found.values())
