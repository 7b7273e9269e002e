"""What is said of options that cannot be used, and of options in the help, in the words of the other messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from stems.cli.output import complain
from stems.errors import OptionError, did_you_mean

_PLACEHOLDERS = ((bool, ""), (Path, "PATH"), ((int, float), "NUMBER"), (object, "TEXT"))


class Command(TyperCommand):
    """A command whose faults in the options are one sentence, and whose help shows no types of Python."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options and arguments, among them `--help`, which the library adds."""
        return [_named(param) for param in super().get_params(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the options; a fault ends the program with exit code 2."""
        with _in_a_sentence(ctx):
            return super().parse_args(ctx, args)


class Commands(TyperGroup):
    """A group of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options, among them `--help`."""
        return [_named(param) for param in super().get_params(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the options before the command; a fault ends the program with exit code 2."""
        with _in_a_sentence(ctx):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the command; one that is not there ends the program with exit code 2."""
        with _in_a_sentence(ctx, args[0]):
            return super().resolve_command(ctx, args)


@contextmanager
def _in_a_sentence(ctx: Any, command: str | None = None) -> Iterator[None]:
    remedy = f"`{ctx.command_path} --help` shows what is possible"
    try:
        yield
    except OptionError as error:
        complain(f"stems: {str(error).rstrip('.')}: {remedy}.")
        raise typer.Exit(2) from None
    except Exception as error:  # the library's own kinds, which lie elsewhere in each of its versions
        if not hasattr(error, "format_message") or type(error).__name__ == "NoArgsIsHelpError":
            raise
        complain(f"stems: {_reason(error, ctx, command)}: {remedy}.")
        raise typer.Exit(2) from None


def _reason(error: Any, ctx: Any, command: str | None) -> str:
    if command is not None:
        return f"There is no command {command!r}{did_you_mean(command, ctx.command.commands)}"
    if hasattr(error, "possibilities"):
        known = [option for param in ctx.command.get_params(ctx) for option in param.opts]
        return f"There is no option {error.option_name}{did_you_mean(error.option_name, known)}"
    if hasattr(error, "option_name"):
        needs = "needs a value" if "requires" in error.message else "takes no value"
        return f"{error.option_name} {needs}"
    param = getattr(error, "param", None)
    if param is None:
        return str(error.format_message()).rstrip(".")
    name = next((option for option in param.opts if option.startswith("--")), param.metavar or param.name)
    if type(error).__name__ == "MissingParameter":
        return f"{name} is missing"
    value = _value(error)
    choices = _choices(param)
    meant = did_you_mean(value, choices) if value is not None else ""
    return f"{name} must be {_wanted(param, choices)}{'' if value is None else f', not {value!r}'}{meant}"


def _value(error: Any) -> str | None:
    """What was given: the cause knows it, or the message begins with it."""
    details: Any = getattr(error.__cause__, "errors", list)()
    if details:
        return str(details[0].get("input"))
    found = re.match(r"'?(.*?)'? is not ", error.message)
    return found and found[1]


def _wanted(param: Any, choices: list[str]) -> str:
    if choices:
        return f"one of {', '.join(choices)}"
    kind = kind_of(param)
    if kind not in (int, float):
        return "something else"
    number = "a whole number" if kind is int else "a number"
    return f"{number} {_range(param)}".rstrip()


def _range(param: Any) -> str:
    limits = param if hasattr(param, "min") else param.type
    lowest, highest = getattr(limits, "min", None), getattr(limits, "max", None)
    if lowest is not None and highest is not None:
        return f"from {lowest:g} to {highest:g}"
    if lowest is not None:
        return f"from {lowest:g} on"
    return "" if highest is None else f"up to {highest:g}"


def kind_of(param: Any) -> Any:
    """The type of what an option takes; of a list, that of one of it."""
    if (descriptor := getattr(param, "type_descriptor", None)) is not None:
        return next(iter(get_args(descriptor.annotation)), descriptor.annotation)
    names = {"integer": int, "float": float, "boolean": bool, "path": Path, "file": Path}
    return names.get(param.type.name.split()[0], str)


def _choices(param: Any) -> list[str]:
    descriptor = getattr(param, "type_descriptor", None)
    choices = descriptor.choices if descriptor is not None else getattr(param.type, "choices", None)
    return [str(choice.value if isinstance(choice, Enum) else choice) for choice in choices or ()]


def _named(param: Any) -> Any:
    """The same, whose help says what an option takes in place of its type; arguments tell it by their names."""
    if param.param_type_name == "argument":
        for name in ("display_type", "display_type_rich"):
            if hasattr(param, name):
                setattr(param, name, lambda ctx: "")
        if hasattr(param, "_usage_display_name"):
            name = f"{param.metavar or param.name.upper()}{'...' if param.nargs != 1 else ''}"
            param._usage_display_name = lambda: name if param.required else f"[{name}]"
    elif param.metavar is None and not _choices(param):
        kind = kind_of(param)
        kind = kind if isinstance(kind, type) else str
        param.metavar = next(shown for types, shown in _PLACEHOLDERS if issubclass(kind, types))
    elif param.metavar is None:
        param.metavar = "|".join(_choices(param))
    if hasattr(param, "_get_number_range_help_str"):
        param._get_number_range_help_str = lambda: _range(param) or None
    return param
