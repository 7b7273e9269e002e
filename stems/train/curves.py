"""The curves of a run as a picture."""

from __future__ import annotations

from pathlib import Path

from stems.train.log import read_log, score_of


def draw_curves(log: Path, picture: Path) -> None:
    """Draws losses and validation scores of a log (JSON lines) over the minutes of training."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = read_log(log)
    minutes = [entry["minutes"] for entry in entries]
    folders = list(entries[-1]["sdr"])
    figure, axes = pyplot.subplots(1, 1 + len(folders), figsize=(5 * (1 + len(folders)), 4), squeeze=False)
    for loss in ("affinity", "stems"):
        axes[0, 0].plot(minutes, [entry[loss] for entry in entries], label=loss)
    axes[0, 0].set(xlabel="minutes", title="losses")
    axes[0, 0].legend()
    for axis, folder in zip(axes[0, 1:], folders, strict=True):
        for stem in entries[-1]["sdr"][folder]:
            axis.plot(minutes, [score_of(entry, folder, stem) for entry in entries], label=stem)
        axis.set(xlabel="minutes", ylabel="SDR / dB", title=folder)
        axis.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=80)
    pyplot.close(figure)
