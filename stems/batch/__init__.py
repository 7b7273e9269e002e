"""Many songs: plan, presets, workers, resume, watching a folder."""
