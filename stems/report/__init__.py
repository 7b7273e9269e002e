"""Pages that show and play what was separated, each one HTML file.

from stems.report.song import song_report
from stems.report.source import open_source

with open_source(Path("song.wav")) as source:
    page = song_report(source, Separator())
"""
