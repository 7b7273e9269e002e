"""Compares lengths of embeddings by the logs of their runs: prints a table and draws `scores.png`.

    python recipes/ablation-embedding/compare.py

The logs are the `log.jsonl` of `stems train recipes/ablation-embedding/dimensions-N.toml`, kept here as
`dimensions-N.jsonl`. A score is the mean of both voices' SDR in validation; as their levels in the mixture are as far
above 0 dB as below it, that is an improvement, too.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
DIMENSIONS = (5, 20, 40, 60)


def read_log(folder: Path, dimensions: int) -> list[dict]:
    """The entries of a run."""
    return [json.loads(line) for line in (folder / f"dimensions-{dimensions}.jsonl").read_text().splitlines()]


def scores(entry: dict) -> dict[str, float]:
    """SDR in dB by group of duets."""
    return {group.split("/")[-1]: sum(voices.values()) / len(voices) for group, voices in entry["sdr"].items()}


def table(logs: dict[int, list[dict]]) -> str:
    """The last entries of all runs as Markdown."""
    groups = list(scores(next(iter(logs.values()))[-1]))
    lines = [
        "| D | steps | minutes | affinity loss | " + " | ".join(groups) + " |",
        "|---|" + "---|" * (3 + len(groups)),
    ]
    for dimensions, log in logs.items():
        last = log[-1]
        found = " | ".join(f"{score:.2f}" for score in scores(last).values())
        lines.append(f"| {dimensions} | {last['step']} | {last['minutes']:.0f} | {last['affinity']:.3f} | {found} |")
    return "\n".join(lines)


def draw(logs: dict[int, list[dict]], picture: Path) -> None:
    """Scores over the steps of each run, and at their ends over the length of embeddings."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (over_steps, over_dimensions) = pyplot.subplots(1, 2, figsize=(10, 4))
    for dimensions, log in logs.items():
        means = [sum(scores(entry).values()) / len(scores(entry)) for entry in log]
        over_steps.plot([entry["step"] for entry in log], means, marker="o", label=f"D = {dimensions}")
    over_steps.set(xlabel="steps", ylabel="SDR / dB", title="both groups")
    over_steps.legend()
    for group in scores(next(iter(logs.values()))[-1]):
        over_dimensions.plot(list(logs), [scores(log[-1])[group] for log in logs.values()], marker="o", label=group)
    over_dimensions.set(xlabel="D", ylabel="SDR / dB", title="after the last step", xticks=list(logs))
    over_dimensions.set_ylim(bottom=min(0, over_dimensions.get_ylim()[0]))
    over_dimensions.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=80)
    pyplot.close(figure)


def main() -> None:
    logs = {dimensions: read_log(HERE, dimensions) for dimensions in DIMENSIONS}
    print(table(logs))
    draw(logs, HERE / "scores.png")


if __name__ == "__main__":
    main()
