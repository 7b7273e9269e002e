import dataclasses

import numpy as np
import pytest

from stems.errors import RecipeError
from stems.train.mixes import Mixer
from stems.train.recipe import Data, Recipe

RECIPE = Recipe("test", data=Data(songs={"songs": 1.0}, frames=40))


@pytest.fixture(scope="module")
def mixer(material, tmp_path_factory):
    return Mixer(RECIPE, material, tmp_path_factory.mktemp("cache"))


def with_data(**changes):
    return dataclasses.replace(RECIPE, data=dataclasses.replace(RECIPE.data, **changes))


def test_a_mix_depends_on_its_number_and_the_seed_alone(mixer, material, tmp_path):
    again = Mixer(RECIPE, material, tmp_path)
    other_seed = Mixer(dataclasses.replace(RECIPE, seed=9), material, tmp_path)
    for number in (0, 7, 1000):
        np.testing.assert_array_equal(mixer(number).parts, again(number).parts)
        assert not np.array_equal(mixer(number).parts, other_seed(number).parts)


def test_parts_sum_to_the_mixture_unless_a_codec_came_between(mixer):
    exact = [np.abs(mix.parts.sum(0) - mix.mixture).max() < 1e-6 for mix in map(mixer, range(24))]
    assert 0.75 < np.mean(exact) <= 1


def test_mixes_are_finite_and_of_the_length_of_the_frames(mixer):
    for number in range(24):
        mix = mixer(number)
        assert mix.mixture.shape == (2, 43 * 1024) and mix.parts.shape == (4, 2, 43 * 1024)
        assert np.isfinite(mix.parts).all() and mix.mixture.dtype == np.float32


def test_a_part_of_the_mixes_is_mono(mixer):
    sides = [np.abs(mix.parts[:, 0] - mix.parts[:, 1]).max() for mix in map(mixer, range(40))]
    assert 0.02 < np.mean(np.array(sides) < 1e-6) < 0.4


def test_every_stem_is_silent_at_times_and_sounds_mostly(mixer):
    sounds = np.array([mixer(number).parts.any((1, 2)) for number in range(60)])
    assert (sounds.mean(0) > 0.5).all()
    assert 0 < (~sounds.all(1)).mean() < 0.5


def test_voices_are_laid_over_songs_without_vocals(material, tmp_path):
    recipe = with_data(voices={"songs/song 0": 1.0}, songs={"songs": 1.0}, sung=1.0, coherent=0.0)
    mixer = Mixer(recipe, material, tmp_path)
    assert np.mean([mixer(number).parts[2].any() for number in range(20)]) > 0.7


def test_instrumentals_are_one_part_beside_the_voice(material, tmp_path):
    recipe = with_data(voices={"songs/song 0": 1.0}, instrumentals={"songs/song 1": 1.0}, instrumental=1.0)
    mix = Mixer(recipe, material, tmp_path)(3)
    np.testing.assert_array_equal(mix.groups[0], [1, 1, 0, 1])
    np.testing.assert_array_equal(mix.groups.sum(1), [3, 0, 1, 0])
    assert not mix.parts[[1, 3]].any()


def test_a_recipe_without_songs_or_without_musdb_is_refused(material, tmp_path):
    with pytest.raises(RecipeError, match="names no songs"):
        Mixer(with_data(songs={}), material, tmp_path)
    with pytest.raises(RecipeError, match="--musdb PATH"):
        Mixer(with_data(songs={}, musdb=1.0), material, tmp_path)
