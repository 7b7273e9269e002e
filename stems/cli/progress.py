"""Progress of a batch: bars in a terminal, plain lines elsewhere, JSON lines on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from stems.batch import Result, Task, summarise


class Watcher(Protocol):
    """What is told of a batch as it goes."""

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        """`share` of task `number`, a song of `seconds`, is done."""

    def on_result(self, number: int, result: Result) -> None:
        """Task `number` is over."""

    def summary(self, results: Sequence[Result]) -> None:
        """The batch is over."""


@contextmanager
def watch_over(tasks: Sequence[Task], json_lines: bool) -> Iterator[Watcher]:
    """The watcher that suits the output."""
    console = Console()
    if json_lines:
        yield JsonLines()
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
        pass

    def on_result(self, number: int, result: Result) -> None:
        self.done += 1
        print(f"[{self.done}/{self.count}] {describe(result)}", flush=True)

    def summary(self, results: Sequence[Result]) -> None:
        print(f"{in_words(results)}.", flush=True)


class JsonLines:
    """A line of JSON for each song."""

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        pass

    def on_result(self, number: int, result: Result) -> None:
        print(json.dumps(result.as_json()), flush=True)

    def summary(self, results: Sequence[Result]) -> None:
        pass


class Bars:
    """A bar for each song that is being split, one for the batch, and a table at the end."""

    def __init__(self, tasks: Sequence[Task], console: Console) -> None:
        self.tasks, self.console = tasks, console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self.whole = self.progress.add_task(f"{len(tasks)} songs", total=len(tasks), rate="", visible=len(tasks) > 1)
        self.bars: dict[int, TaskID] = {}
        self.shares = [0.0] * len(tasks)

    def __enter__(self) -> Bars:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def on_progress(self, number: int, share: float, seconds: float) -> None:
        if number not in self.bars:
            self.bars[number] = self.progress.add_task(self.tasks[number].track, total=1.0, rate="")
        bar = self.bars[number]
        elapsed = self.progress.tasks[self.progress.task_ids.index(bar)].elapsed or 0.0
        self.progress.update(bar, completed=share, rate=f"{share * seconds / elapsed:.0f}x" if elapsed > 0.2 else "")
        self._advance(number, share)

    def on_result(self, number: int, result: Result) -> None:
        if number in self.bars:
            self.progress.remove_task(self.bars.pop(number))
        self.progress.console.print(describe(result), style="red" if result.error else None, highlight=False)
        self._advance(number, 1.0)

    def _advance(self, number: int, share: float) -> None:
        self.shares[number] = share
        self.progress.update(self.whole, completed=sum(self.shares))

    def summary(self, results: Sequence[Result]) -> None:
        if len(results) > 1:
            table = Table("song", "result", "length", "speed")
            for result in results:
                speed = f"{result.seconds / result.elapsed:.0f}x" if result.status == "done" else ""
                table.add_row(str(result.song), result.status, clock(result.seconds), speed)
            self.console.print(table)
            self.console.print(f"{in_words(results)}.", highlight=False)


def describe(result: Result) -> str:
    """One line about a song."""
    if result.status == "failed":
        return f"failed: {result.error}"
    if result.status == "skipped":
        return f"skipped {result.song}: its stems are there already (--overwrite splits it again)"
    folders = sorted({str(path.parent) for path in result.outputs.values()})
    speed = result.seconds / max(result.elapsed, 1e-9)
    return f"{result.song} -> {', '.join(folders)} ({clock(result.seconds)} in {result.elapsed:.1f} s, {speed:.0f}x)"


def in_words(results: Sequence[Result]) -> str:
    """How a batch ended, such as "3 done, 1 failed"."""
    return ", ".join(f"{count} {status}" for status, count in summarise(results).items()) or "nothing to do"


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
