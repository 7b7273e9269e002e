"""Progress of a batch: bars in a terminal, plain lines elsewhere, JSON lines on request."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from stems.batch.outcome import Result
from stems.batch.tasks import Task
from stems.cli.output import complain, say, say_data, shown
from stems.clock import clock

MOST_ROWS = 200  # of the table at the end, which nobody would read if it were longer
ENDS = ("done", "skipped", "failed", "cancelled", "passed over")


class Watcher(Protocol):
    """What is told of a batch as it goes."""

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        """`share` of task `number`, a song of `seconds`, is done."""

    def on_result(self, number: int, result: Result) -> None:
        """Task `number` is over."""

    def on_passed_over(self, result: Result) -> None:
        """Something in a folder is not taken."""

    def summary(self, counts: Mapping[str, int]) -> None:
        """The batch is over, and so many songs came to each end."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Says how to go on where Ctrl-C ends a batch, and ends the program."""
    try:
        yield
    except KeyboardInterrupt:
        complain("stems: stopped, unfinished files were removed; the same command goes on from here.")
        raise typer.Exit(130) from None


@contextmanager
def watch_over(tasks: Sequence[Task], json_lines: bool, json_progress: bool = False) -> Iterator[Watcher]:
    """The watcher that suits the output."""
    console = Console()
    if json_lines:
        yield JsonProgress(tasks) if json_progress else JsonLines()
    elif console.is_terminal:
        with Bars(tasks, console) as bars:
            yield bars
    else:
        yield Lines(tasks)


class Lines:
    """A line for each song, for logs and pipes."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.count = len(tasks)
        self.done = 0

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        """Prints nothing: a line comes when a song is over."""
        pass

    def on_result(self, number: int, result: Result) -> None:
        """Prints how many tasks are over, of how many, and what became of this one."""
        self.done += 1
        say(f"[{self.done}/{self.count}] {describe(result)}")

    def on_passed_over(self, result: Result) -> None:
        """Prints what is not taken, and why."""
        say(describe(result))

    def summary(self, counts: Mapping[str, int]) -> None:
        """Prints how many songs came to which end."""
        say(f"{in_words(counts)}.")


class JsonLines:
    """A line of JSON for each song."""

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        """Prints nothing: a line comes when a song is over."""
        pass

    def on_result(self, number: int, result: Result) -> None:
        """Prints the result as a line of JSON."""
        say_data(json.dumps(result.as_json()))

    def on_passed_over(self, result: Result) -> None:
        """Prints the result as a line of JSON."""
        say_data(json.dumps(result.as_json()))

    def summary(self, counts: Mapping[str, int]) -> None:
        """Prints nothing: the lines say it all."""
        pass


class JsonProgress(JsonLines):
    """The same, and a line for each tenth of a song that is done: `status` is "splitting", `progress` the share."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.tenths: dict[int, int] = {}

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        """Prints the share as a line of JSON, once for each tenth."""
        tenth = int(10 * share)
        if tenth > self.tenths.get(number, -1):
            self.tenths[number] = tenth
            song = str(self.tasks[number].song)
            line = {"song": song, "status": "splitting", "progress": tenth / 10, "seconds": round(seconds, 3)}
            say_data(json.dumps(line))


class Bars:
    """A bar for each song that is being split, one for the batch, and a table at the end."""

    def __init__(self, tasks: Sequence[Task], console: Console) -> None:
        self.tasks, self.console = tasks, console
        self.progress = progress_on(console)
        self.whole = self.progress.add_task(f"{len(tasks)} songs", total=len(tasks), rate="", visible=len(tasks) > 1)
        self.bars: dict[int, TaskID] = {}
        self.going: dict[int, tuple[float, float]] = {}  # share that is done and seconds, of songs in work
        self.over, self.seconds_over = 0, 0.0
        self.rows: list[tuple[str, str, str, str]] = []

    def __enter__(self) -> Bars:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        """Moves the bar of the task, which appears with the first share, and that of the batch."""
        if number not in self.bars:
            self.bars[number] = self.progress.add_task(shown(self.tasks[number].track), total=1.0, rate="")
        self.going[number] = share, seconds
        self._show(self.bars[number], share, share * seconds)
        self._advance()

    def on_result(self, number: int, result: Result) -> None:
        """Takes the bar of the task away and prints what became of it."""
        if number in self.bars:
            self.progress.remove_task(self.bars.pop(number))
        self._print(result)
        self.over += 1
        self.seconds_over += self.going.pop(number, (1.0, result.seconds))[1]
        self._advance()

    def on_passed_over(self, result: Result) -> None:
        """Prints what is not taken, and why."""
        self._print(result)

    def _print(self, result: Result) -> None:
        style = "red" if result.error else None
        self.console.print(shown(describe(result)), style=style, highlight=False, markup=False)
        if len(self.rows) <= MOST_ROWS:
            done = (clock(int(result.seconds)), speed(result)) if result.status == "done" else ("", "")
            self.rows.append((escape(shown(str(result.song))), result.status, *done))

    def _advance(self) -> None:
        separated = self.seconds_over + sum(share * seconds for share, seconds in self.going.values())
        self._show(self.whole, self.over + sum(share for share, _ in self.going.values()), separated)

    def _show(self, bar: TaskID, completed: float, seconds: float) -> None:
        """Moves a bar, with its rate: `seconds` of songs in the time since the bar appeared."""
        elapsed = self.progress.tasks[self.progress.task_ids.index(bar)].elapsed or 0.0
        self.progress.update(bar, completed=completed, rate=f"{seconds / elapsed:.0f}x" if elapsed > 0.2 else "")

    def summary(self, counts: Mapping[str, int]) -> None:
        """Prints a table of the songs with their lengths and speeds, if there are several and not too many to look at.

        What became of each has been printed already.
        """
        if 1 < len(self.rows) <= MOST_ROWS:
            table = Table("song", "result", "length", "speed")
            for row in self.rows:
                table.add_row(*row)
            self.console.print(table)
        if len(self.rows) > 1:
            self.console.print(f"{in_words(counts)}.", highlight=False)


@contextmanager
def bar(label: str) -> Iterator[Callable[[float], None]]:
    """A bar for one piece of work; it is given the share that is done. There is none where nobody looks on."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda share: None
        return
    with progress_on(console) as progress:
        work = progress.add_task(shown(label), total=1.0, rate="")
        yield lambda share: progress.update(work, completed=share)


def progress_on(console: Console) -> Progress:
    """The bars of all commands; names give way to them where there is little room."""
    name = Column(ratio=1, no_wrap=True, overflow="ellipsis", min_width=8)
    return Progress(
        TextColumn("{task.description}", markup=False, table_column=name),  # songs may be called "Anthem [live]"
        BarColumn(bar_width=max(8, min(40, console.width // 4))),
        TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[rate]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        console=console,
        expand=True,
    )


def describe(result: Result) -> str:
    """One line about a song, and one about each cluster of it that resembles stems."""
    if result.status == "passed over":
        return f"passed over {result.song}: {result.error}"
    if result.status == "failed":
        return f"failed: {result.error}"
    note = [f"    {result.note}"] if result.note else []
    if result.status == "skipped":
        skipped = f"skipped {result.song}: its stems are there already (--overwrite splits it again)"
        return "\n".join([skipped, *note])
    folders = ", ".join(sorted({str(path.parent) for path in result.outputs.values()}))
    done = f"{result.song} -> {folders} ({clock(int(result.seconds))} in {result.elapsed:.1f} s, {speed(result)})"
    parts = (f"    {name}: {in_shares(parts)}" for name, parts in result.resembles.items())
    exports = (f"    wrote {path}" for path in result.exports)
    return "\n".join([done, *parts, *exports, *note])


def in_shares(parts: Mapping[str, float]) -> str:
    """Which parts something has, such as "80 % vocals, 15 % other", without those of next to nothing."""
    largest = sorted(parts.items(), key=lambda part: -part[1])
    return ", ".join(f"{share:.0%} {name}".replace("%", " %") for name, share in largest if share >= 0.05)


def speed(result: Result) -> str:
    """How many seconds of a song were split in a second."""
    return f"{result.seconds / max(result.elapsed, 1e-9):.0f}x"


def in_words(counts: Mapping[str, int]) -> str:
    """How a batch ended, such as "3 done, 1 failed"."""
    ends = sorted(counts, key=lambda end: ENDS.index(end) if end in ENDS else len(ENDS))
    return ", ".join(f"{counts[end]} {end}" for end in ends) or "nothing to do"
