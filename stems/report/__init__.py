"""Pages that show and play what was separated, each one HTML file.

from stems.report.song import song_report

page = song_report(Path("song.wav"), Separator())
"""
