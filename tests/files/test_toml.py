import pytest

from stems.batch.presets import load_preset
from stems.errors import OptionError, PresetError, RecipeError
from stems.hints import read_hints
from stems.train.recipe import read_recipe

READERS = [(read_hints, OptionError), (lambda path: load_preset(str(path)), PresetError), (read_recipe, RecipeError)]


@pytest.mark.parametrize(("read", "error"), READERS)
@pytest.mark.parametrize("content", [b"vocals", b"\x80\x81\xff"])
def test_what_is_not_toml_is_refused_with_its_name_and_the_remedy(tmp_path, read, error, content):
    path = tmp_path / "song.toml"
    path.write_bytes(content)
    with pytest.raises(error, match=r"song\.toml is not TOML: .*\. Correct it, or give another\."):
        read(path)


@pytest.mark.parametrize(("read", "error"), READERS)
def test_a_missing_file_or_a_folder_is_refused_with_the_remedy(tmp_path, read, error):
    for path in (tmp_path / "nosuch.toml", tmp_path):
        with pytest.raises(error, match="give the path of a"):
            read(path)
