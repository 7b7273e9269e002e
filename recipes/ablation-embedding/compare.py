"""Compares lengths of embeddings by what their runs left: prints tables and draws `scores.png`.

    python recipes/ablation-embedding/compare.py

Of each run of `stems train recipes/ablation-embedding/NETWORK-N.toml` two files are kept here: its `log.jsonl` as
`NETWORK-N.jsonl`, and as `NETWORK-N.json` what `recipes/score_voices.py --json` found of its model.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
NETWORKS = ("groups", "whole-frames")
DIMENSIONS = (5, 20, 40, 60)


def log_of(network: str, dimensions: int) -> list[dict]:
    """The entries of a run."""
    return [json.loads(line) for line in (HERE / f"{network}-{dimensions}.jsonl").read_text().splitlines()]


def scores_of(network: str, dimensions: int) -> dict[str, dict[str, float]]:
    """Improvements of a run's model in dB, by group of duets and metric."""
    return json.loads((HERE / f"{network}-{dimensions}.json").read_text())


def table(network: str) -> str:
    """Losses and improvements of all runs of a network as Markdown."""
    columns = [(group, metric) for group, metrics in scores_of(network, DIMENSIONS[0]).items() for metric in metrics]
    lines = [f"| D | steps | affinity loss | {' | '.join(f'{group}: {metric}' for group, metric in columns)} |"]
    lines.append("|---" * (3 + len(columns)) + "|")
    for dimensions in DIMENSIONS:
        last, scores = log_of(network, dimensions)[-1], scores_of(network, dimensions)
        found = " | ".join(f"{scores[group][metric]:.2f}" for group, metric in columns)
        lines.append(f"| {dimensions} | {last['step']} | {last['affinity']:.3f} | {found} |")
    return "\n".join(lines)


def draw(picture: Path) -> None:
    """SDR in validation over the steps of each run, and improvements at their ends over the length of embeddings."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(len(NETWORKS), 2, figsize=(10, 4 * len(NETWORKS)), sharey="col", sharex="col")
    for network, (over_steps, over_dimensions) in zip(NETWORKS, rows, strict=True):
        for dimensions in DIMENSIONS:
            log = log_of(network, dimensions)
            voices = [[sdr for group in entry["sdr"].values() for sdr in group.values()] for entry in log]
            means = [sum(found) / len(found) for found in voices]
            over_steps.plot([entry["step"] for entry in log], means, marker="o", label=f"D = {dimensions}")
        over_steps.set(xlabel="steps", ylabel="SDR / dB", title=f"{network}: validation, mean of all voices")
        over_steps.legend()
        for group, metrics in scores_of(network, DIMENSIONS[0]).items():
            for metric, line in zip(metrics, ("-", "--"), strict=True):
                found = [scores_of(network, dimensions)[group][metric] for dimensions in DIMENSIONS]
                over_dimensions.plot(DIMENSIONS, found, line, marker="o", label=f"{group}, {metric}")
        over_dimensions.set(xlabel="D", ylabel="dB", title=f"{network}: after the last step", xticks=DIMENSIONS)
        over_dimensions.legend(loc="upper right", fontsize="small")
    rows[0][1].set_ylim(0, 1.5 * rows[0][1].get_ylim()[1])
    figure.tight_layout()
    figure.savefig(picture, dpi=80)
    pyplot.close(figure)


def main() -> None:
    for network in NETWORKS:
        print(f"{network}\n\n{table(network)}\n")
    draw(HERE / "scores.png")


if __name__ == "__main__":
    main()
