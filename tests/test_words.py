"""What the command line says of options: in the help, and where one cannot be used."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest
import typer

from stems.cli.commands import app
from stems.cli.examples import EXAMPLES
from stems.cli.words import kind_of

Run = Callable[..., tuple[int, str, str]]
ROOT: Any = typer.main.get_command(app)


def command_named(name: str) -> Any:
    command = ROOT
    for part in name.split():
        command = command.commands[part]
    return command


def numbers() -> list[tuple[str, str]]:
    """Each option of each command that takes a number."""
    return [
        (name, option.opts[0])
        for name in EXAMPLES
        for option in command_named(name).params
        if option.param_type_name == "option" and kind_of(option) in (int, float)
    ]


def test_every_command_has_examples() -> None:
    names = {
        f"{name} {inner}".strip() for name, each in ROOT.commands.items() for inner in getattr(each, "commands", [""])
    }
    assert set(EXAMPLES) == names


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_is_whole_at_80_columns_and_shows_no_types(name: str, stems: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, said, _ = stems(*name.split(), "--help")
    assert code == 0
    assert max(map(len, said.splitlines())) <= 80
    assert not any(part in said for part in ("<", "…", "PATH ", "TEXT ", "INTEGER", "FLOAT"))
    for example in EXAMPLES[name]:
        assert example in said


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_commands_that_exist(name: str) -> None:
    for example in EXAMPLES[name]:
        program, *arguments = shlex.split(example)
        assert program == "stems"
        context = command_named(name).make_context(name, arguments[len(name.split()) :], resilient_parsing=False)
        assert context.args == []


@pytest.mark.parametrize(("name", "option"), numbers())
@pytest.mark.parametrize("value", ["x", "", "1.5.2", "None"])
def test_what_is_no_number_is_refused_in_a_sentence(name: str, option: str, value: str, stems: Run) -> None:
    code, said, complaints = stems(*name.split(), "there", f"{option}={value}")
    assert (code, said) == (2, "")
    assert complaints.startswith(f"stems: {option} must be a ")
    assert f"not {value!r}" in complaints and complaints.count("\n") == 1
    assert f"`stems {name} --help`" in complaints


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["split", "a", "--sensitivity", "nan"], "--sensitivity must be from 0.1 to 10, not nan"),
        (["split", "a", "--sensitivity", "11"], "--sensitivity must be from 0.1 to 10, not 11"),
        (["split", "a", "--sensitivity", "hard"], "--sensitivity 'hard' is none: write a number"),
        (["report", "a", "--sensitivity", "vocals=99"], "--sensitivity must be from 0.1 to 10, not 99"),
        (["live", "--sensitivity", "0"], "--sensitivity must be a number from 0.1 to 10, not '0'"),
        (["cluster", "a", "--sensitivity", "0"], "--sensitivity must be a number from 0.1 to 10, not '0'"),
        (["split", "a", "--jobs", "0"], "--jobs must be a whole number from 1 on, not '0'"),
        (["split", "a", "--format", "wva"], "alac, ogg, mp3, m4a, opus, not 'wva' (did you mean 'wav'?)"),
        (["evaluate", "--subset", "tets"], "must be one of test, train, valid, not 'tets' (did you mean 'test'?)"),
        (["split", "a", "--form", "wav"], "There is no option --form (did you mean '--format'?)"),
        (["split", "a", "--overwrit"], "There is no option --overwrit (did you mean '--overwrite'?)"),
        (["split", "a", "--out"], "--out needs a value"),
        (["split", "a", "--overwrite=1"], "--overwrite takes no value"),
        (["cluster"], "SONGS is missing"),
        (["splt"], "There is no command 'splt' (did you mean 'split'?)"),
        (["plugin", "bild"], "There is no command 'bild' (did you mean 'build'?)"),
        (["--versoin"], "There is no option --versoin (did you mean '--version'?)"),
        (["export", "a", "b"], "unexpected extra argument"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: list[str], sentence: str, stems: Run) -> None:
    code, said, complaints = stems(*arguments)
    assert (code, said) == (2, "")
    assert complaints.startswith("stems: ") and complaints.count("\n") == 1
    assert sentence in complaints and "--help` shows what is possible." in complaints
