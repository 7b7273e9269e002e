from pathlib import Path

import pytest

from stems.errors import RecipeError
from stems.train.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_ours_can_be_read(path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.about and recipe.licence
    assert recipe.design.bands.edges.shape == (recipe.bands.count + 1,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bandz = 3", "unknown key 'bandz'"),
        ("[network]\nlayer = 3", "unknown key 'layer'; it may be one of bands"),
        ("[network]\nlayers = 'three'", "layers must be of type int"),
        ("[schedule]\nsteps = 1.5", "steps must be of type int"),
        ("bands = 3", "bands must be a table"),
        ("[bands]\ncount = 100", "network.bands is 192 but bands.count is 100"),
        ("[data]\ncold = true", "set network.bidirectional to false"),
        ("[objective]\nonline = true", "set network.bidirectional to false"),
        (
            "[objective]\nonline = true\n[network]\nbidirectional = false\n[clustering]\nanchored = false",
            "set clustering.anchored to true",
        ),
        ("[bands]\nreference_synthesis = 3000", "3000 does not divide the window of 4096 samples"),
        ("[schedule]\nprecision = 'int8'", "'float32' or 'bfloat16'"),
        ("[network]\nchannels = 4\ndepth = 9", "network.depth is 9, and at most 4"),
        ("[network]\novertones = [2.0]", "set network.channels as well"),
        ("[network]\ngroups = 7", "network.groups is 7, and must divide the 192 bands"),
        ("[network]\ngroups = 8\nbidirectional = false", "network.stride must be 1 in real time"),
        ("[network]\nstride = 0", "network.stride must be a whole number from 1 to 64"),
        ("[objective]\nteacher = true\n[clustering]\nanchored = false", "objective.teacher need names"),
        ("[objective]\nuntaught_steps = 9", "set objective.teacher as well"),
        ("seed = ", "is not TOML"),
        ("[augmentation.voice]\nrange = 3", "unknown key 'range'"),
        ("[augmentation.voice]\nposition = 3.0", "position must be a list of 2"),
        ("[augmentation.voice]\nposition = [1.0]", "position must be a list of 2"),
        ("[augmentation.choir]\nsemitones = [1.5]", "semitones must be a list of type int"),
        ("[augmentation.voice]\necho = [0.1, 0.2]", "echo must be of type float, not a list"),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_name_and_the_remedy(tmp_path, text, said):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"wrong\.toml") as error:
        read_recipe(path)
    assert said in str(error.value)


def test_a_whole_number_will_do_where_a_fraction_is_expected(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[schedule]\nlearning_rate = 1")
    assert read_recipe(path).schedule.learning_rate == 1.0


def test_shares_and_ranges_of_augmentation_are_read(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("[augmentation.voice]\necho = 1\nposition = [0, 0.5]\n[augmentation.choir]\ntakes = [3, 3]")
    augmentation = read_recipe(path).augmentation
    assert augmentation.voice.echo == 1.0 and augmentation.voice.position == (0.0, 0.5)
    assert augmentation.choir.takes == (3, 3) and augmentation.mixing.glued == 0.5


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"nothing\.toml cannot be read"):
        read_recipe(tmp_path / "nothing.toml")
