"""The command line: arguments, progress and messages, one file per command."""

import sys


def program() -> None:
    """Runs the command line as a process of its own."""
    from stems.ending import ending_at_once

    with ending_at_once():
        main()


def main() -> None:
    """Runs the command line; Ctrl-C is as quiet in the first moments, while modules are loaded, as later on."""
    try:
        from stems.cli.program import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
