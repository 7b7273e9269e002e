"""A local page to listen to songs, correct their separation and export it.

`library` keeps songs on disk, `hearing` hears them one after the other, `separation` makes stems of one that was heard,
block by block, under any hints and sensitivities; `server` shows all of it to the page in `page/`.
"""
