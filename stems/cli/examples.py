"""Examples at the end of each command's help."""

from __future__ import annotations

EXAMPLES = {
    "split": (
        "stems split song.wav",
        "stems split Music --out stems --format flac --jobs 2",
        "stems split song.m4a --two-stems vocals --daw reaper",
        "stems split film.mkv --track 2 --from 1:00 --to 2:30",
    ),
    "studio": ("stems studio", "stems studio song.wav --out stems"),
    "cluster": ("stems cluster song.wav", "stems cluster song.wav --clusters 3 --method spectral"),
    "watch": ("stems watch Inbox", "stems watch Inbox --out stems --preset karaoke --daw dawproject"),
    "live": ("stems live --vocals-db -inf", "stems live --list-devices"),
    "export": (
        "stems export separated/song --to reaper,stem-mp4",
        "stems export separated/song --song song.wav --bpm auto",
    ),
    "presets": ("stems presets",),
    "models": ("stems models",),
    "info": ("stems info", "stems info --model mine.safetensors"),
    "report": ("stems report song.wav", "stems report separated/song --song song.wav --out song.html"),
    "train": ("stems train recipes/tiny.toml", "stems train recipes/musdb18.toml --musdb MUSDB18-HQ --minutes 60"),
    "evaluate": (
        "stems evaluate --musdb MUSDB18-HQ",
        "stems evaluate --reference true --estimates mine --quick",
        "stems evaluate --songs songs --baseline mixture,ibm",
    ),
    "plugin build": ("stems plugin build --format clap",),
    "plugin install": ("stems plugin install", "stems plugin install --format vst3 --to plugins"),
    "plugin reaper": ("stems plugin reaper",),
}
"""By command, lines to type."""


def examples_of(command: str) -> str:
    """What the help of a command ends with."""
    return "\n".join(("Examples:", *EXAMPLES[command]))
