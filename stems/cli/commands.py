"""All commands, as one app."""

from __future__ import annotations

from typing import Annotated

import typer

from stems import __version__
from stems.cli.cluster import cluster
from stems.cli.evaluate import evaluate
from stems.cli.examples import examples_of
from stems.cli.export import export
from stems.cli.info import info, models, presets
from stems.cli.live import live
from stems.cli.plugin import app as plugin
from stems.cli.report import report
from stems.cli.split import split
from stems.cli.studio import studio
from stems.cli.train import train
from stems.cli.watch import watch
from stems.cli.words import Command, Commands

app = typer.Typer(
    name="stems",
    cls=Commands,
    help="Split songs into drums, bass, vocals and other.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stems {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


for command in (split, studio, cluster, watch, live, export, presets, models, info, report, train, evaluate):
    app.command(cls=Command, epilog=examples_of(command.__name__))(command)
app.add_typer(plugin, name="plugin")
