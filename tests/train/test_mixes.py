import dataclasses
import json

import numpy as np
import pedalboard
import pytest
import soundfile
from scipy.signal import welch

from stems.errors import RecipeError
from stems.train import augment, tone
from stems.train.augmentation import Augmentation
from stems.train.mixes import Mixer
from stems.train.recipe import Data, Recipe

HOW = Augmentation()
TONES = (200, 500, 1000, 3000, 7000)  # Hz
RECIPE = Recipe("test", data=Data(songs={"songs": 1.0}, frames=40))
VOICES = {"songs/song 0": 1.0}
SUNG_OVER = {"voices": VOICES, "sung": 1.0, "coherent": 0.0}


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
    recipe = with_data(**SUNG_OVER)
    mixer = Mixer(recipe, material, tmp_path)
    assert np.mean([mixer(number).parts[2].any() for number in range(20)]) > 0.7


def test_a_driven_amplifier_adds_overtones_and_keeps_the_level():
    seconds = np.arange(44100) / 44100
    note = np.float32(0.2) * np.sin(2 * np.pi * 220 * seconds).astype(np.float32) * np.ones((2, 1), np.float32)
    for seed in range(8):
        played = augment.driven(np.random.default_rng(seed), note, HOW)
        assert augment.loudness(played) == pytest.approx(augment.loudness(note), rel=0.02)
        spectrum = np.abs(np.fft.rfft(played[0]))
        assert spectrum[660] > 30 * np.abs(np.fft.rfft(note[0]))[660]
    silence = np.zeros((2, 44100), np.float32)
    assert not augment.driven(np.random.default_rng(0), silence, HOW).any()


def test_driven_recipes_change_basses_and_others_alone(material, tmp_path):
    plain = Mixer(with_data(driven=0.0, coherent=1.0, voices={}), material, tmp_path)(3).parts
    driven = Mixer(with_data(driven=1.0, coherent=1.0, voices={}), material, tmp_path)(3).parts
    shapes = [np.abs(np.corrcoef(a[0], b[0])[0, 1]) if a.any() else 1.0 for a, b in zip(plain, driven, strict=True)]
    assert shapes[0] > 0.999 and shapes[2] > 0.999 and min(shapes[1], shapes[3]) < 0.99


def gains(effect, *hz):
    """What an effect does to tones at some frequencies, for eight seeds, as factors."""
    seconds = np.arange(44100) / 44100
    tones = sum(np.sin(2 * np.pi * each * seconds) for each in hz) * np.float32(0.1) * np.ones((2, 1), np.float32)
    bins = [round(0.9 * each) for each in hz]  # of what follows the first tenth of a second
    for seed in range(8):
        played = effect(np.random.default_rng(seed), tones.astype(np.float32), HOW)
        before, after = (np.abs(np.fft.rfft(audio[0, 4410:]))[bins] for audio in (tones, played))
        yield after / before


def test_a_bright_bass_has_louder_overtones_and_its_lowest_note_as_before():
    for lowest, overtone in gains(augment.bright, 50, 1000):
        assert 0.8 < lowest < 1.5
        assert overtone > 1.05 * lowest


def test_kicks_are_low_struck_and_of_one_loudness():
    for seed in range(8):
        line = augment.kicks(np.random.default_rng(seed), 4 * 44100, HOW)
        assert line.shape == (1, 4 * 44100) and line.dtype == np.float32
        assert augment.loudness(line) == pytest.approx(0.1, rel=0.01)
        power = np.abs(np.fft.rfft(line[0])) ** 2
        assert power[: 4 * 500].sum() > 0.9 * power.sum()  # below 500 Hz
        assert power[: 4 * 20].sum() < 0.05 * power.sum()


def test_recipes_add_kicks_to_drums_alone(material, tmp_path):
    plain = Mixer(with_data(coherent=1.0, voices={}), material, tmp_path)(3).parts
    kicked = Mixer(with_data(kicks=1.0, coherent=1.0, voices={}), material, tmp_path)(3).parts
    shapes = [np.abs(np.corrcoef(a[0], b[0])[0, 1]) if a.any() else 1.0 for a, b in zip(plain, kicked, strict=True)]
    assert shapes[0] < 0.9 and min(shapes[1:]) > 0.98


def test_a_choir_sings_other_notes_besides_on_both_sides_and_as_loud():
    seconds = np.arange(3 * 44100) / 44100
    line = sum(np.sin(2 * np.pi * 220 * n * seconds) / n for n in (1, 2, 3)) * np.float32(0.1) * np.ones((2, 1))
    own = np.zeros(3 * 22050 + 1, bool)
    for overtone in (1, 2, 3):
        own[3 * (220 * overtone - 8) : 3 * (220 * overtone + 8)] = True
    elsewhere = []
    for seed in range(8):
        sung = augment.choir(np.random.default_rng(seed), line.astype(np.float32), HOW)
        assert sung.shape == line.shape and sung.dtype == np.float32
        assert augment.loudness(sung) == pytest.approx(augment.loudness(line), rel=0.02)
        assert np.abs(sung[0] - sung[1]).max() > 0.01
        power = np.abs(np.fft.rfft(sung[:, 13230:].mean(0), 3 * 44100)) ** 2
        elsewhere.append(power[~own].sum() / power.sum())
    assert np.median(elsewhere) > 0.2
    assert not augment.choir(np.random.default_rng(0), np.zeros((2, 44100), np.float32), HOW).any()


def test_recipes_let_choirs_sing(material, tmp_path, monkeypatch):
    sung = []
    monkeypatch.setattr(augment, "choir", lambda rng, audio, how: sung.append(audio) or audio)
    for share, voices in ((0.0, 0), (1.0, 8)):
        recipe = with_data(**SUNG_OVER, choirs=share)
        mixer = Mixer(recipe, material, tmp_path)
        assert sum(mixer(number).parts[2].any() for number in range(12)) >= 8
        assert len(sung) >= voices and bool(sung) == bool(share)


def test_a_voice_is_given_the_tone_of_another_some_of_the_way_and_where_it_was():
    voice, record = np.random.default_rng(0).standard_normal((2, 2, 4 * 44100)).astype(np.float32)
    record = augment.run(record, pedalboard.LowShelfFilter(400, -9), pedalboard.HighShelfFilter(4000, 6))

    def slopes_db(audio):
        frequencies, power = welch(audio[0], 44100, nperseg=4096)
        levels = [10 * np.log10(power[(frequencies > 0.7 * hz) & (frequencies < 1.4 * hz)].mean()) for hz in TONES]
        return np.array(levels) - levels[2]

    wanted = slopes_db(record)
    assert np.abs(wanted - slopes_db(voice)).max() > 5
    assert np.abs(wanted - slopes_db(tone.toned(voice, record, 1.0))).max() < 1
    half = slopes_db(tone.toned(voice, record, 0.5))
    np.testing.assert_allclose(half, 0.5 * wanted, atol=1)
    steep = augment.run(voice, *(pedalboard.HighShelfFilter(2000, 20) for _ in range(3)))
    quiet = steep * np.float32(0.01)
    assert 10 < np.ptp(slopes_db(tone.toned(voice, quiet, 1.0))) < 2 * tone.MOST_TONED_DB + 1
    assert augment.loudness(tone.toned(voice, record * np.float32(0.01), 1.0)) > 0.5 * augment.loudness(voice)
    silence = np.zeros_like(voice)
    assert not tone.toned(silence, record, 1.0).any()
    np.testing.assert_array_equal(tone.toned(voice, silence, 1.0), voice)
    played = tone.toned(voice[:1], record, 1.0)
    assert played.shape == voice[:1].shape and played.dtype == np.float32
    np.testing.assert_allclose(tone.toned(voice, record, 0.0), voice, atol=1e-5)


def test_recipes_tone_as_many_voices_as_they_say_at_least_half_of_the_way(material, tmp_path, monkeypatch):
    toned, counts = [], []
    monkeypatch.setattr(tone, "toned", lambda audio, reference, amount: toned.append((reference, amount)) or audio)
    for share in (0.0, 0.5, 1.0):
        toned.clear()
        recipe = with_data(**SUNG_OVER, records=VOICES, toned=share)
        mixer = Mixer(recipe, material, tmp_path)
        for number in range(32):
            mixer(number)
        counts.append(len(toned))
        assert all(reference.any() and 0.5 <= amount <= 1 for reference, amount in toned)
    none, half, all_of_them = counts
    assert none == 0 and 0.25 * all_of_them < half < 0.75 * all_of_them


def test_recipes_let_two_songs_play_a_part_at_once(material, tmp_path, monkeypatch):
    played, instrument = [], augment.instrument
    monkeypatch.setattr(
        augment, "instrument", lambda rng, audio, how: played.append(audio) or instrument(rng, audio, how)
    )
    counts = {}
    for share in (0.0, 1.0):
        mixer = Mixer(with_data(songs={"songs": 1.0}, coherent=0.0, layered=share), material, tmp_path)
        played.clear()
        assert all(np.isfinite(mixer(number).mixture).all() for number in range(6))
        counts[share] = len(played)
    assert counts[1.0] >= 1.8 * counts[0.0] > 0


def test_the_speed_of_as_many_voices_changes_as_the_recipe_says(material, tmp_path, monkeypatch):
    asked = []
    pick = augment.pick_speed
    monkeypatch.setattr(
        augment, "pick_speed", lambda rng, share, factor: asked.append(share) or pick(rng, share, factor)
    )
    recipe = with_data(voices=VOICES, sung=1.0, voices_changed=0.9)
    for number in range(8):
        Mixer(recipe, material, tmp_path)(number)
    assert set(asked) == {0.4, 0.9}


def test_instrumentals_are_one_part_beside_the_voice(material, tmp_path):
    recipe = with_data(voices=VOICES, instrumentals={"songs/song 1": 1.0}, instrumental=1.0)
    mix = Mixer(recipe, material, tmp_path)(3)
    np.testing.assert_array_equal(mix.groups[0], [1, 1, 0, 1])
    np.testing.assert_array_equal(mix.groups.sum(1), [3, 0, 1, 0])
    assert not mix.parts[[1, 3]].any()


@pytest.fixture
def accompanied(material, tmp_path):
    """Songs, and one of a voice that stops half way and an accompaniment in which a tenth of the voice is left."""
    rng = np.random.default_rng(0)
    voice = rng.normal(0, 0.03, (6 * 44100, 2)).astype(np.float32)
    voice[3 * 44100 :] = 0
    folder = tmp_path / "accompanied" / "song"
    folder.mkdir(parents=True)
    soundfile.write(folder / "vocals.flac", voice, 44100, subtype="PCM_24")
    soundfile.write(folder / "accompaniment.flac", 0.1 * voice, 44100, subtype="PCM_24")
    (tmp_path / "songs").symlink_to(material / "songs")
    return tmp_path


def test_a_voice_and_its_accompaniment_are_varied_alike_and_stay_together(accompanied, monkeypatch):
    monkeypatch.delattr(augment, "compressor")  # each by itself, it would bring out what is left of the voice
    mixer = Mixer(with_data(songs={"accompanied": 1.0}, coherent=1.0, sung=0.0), accompanied, accompanied / "cache")
    mixes = [mixer(number) for number in range(40)]
    for mix in mixes:
        np.testing.assert_array_equal(mix.groups.sum(1), [3, 0, 1, 0])
        assert not mix.parts[[1, 3]].any()
    sung = [mix.parts for mix in mixes if mix.parts[0].any()]
    assert 10 < len(sung) < 40
    for parts in sung:
        np.testing.assert_allclose(parts[0], 0.1 * parts[2], atol=3e-3 * np.abs(parts).max())
    tones = [welch(parts[2].mean(0), 44100, nperseg=512)[1][[2, 80]] for parts in sung]
    assert np.std([np.log10(low / high) for low, high in tones]) > 0.1


def test_a_voice_is_laid_over_what_accompanies_nobody_as_often_as_the_recipe_says(accompanied):
    (accompanied / "accompanied/song/vocals.flac").unlink()
    (accompanied / "accompanied/song/accompaniment.flac").unlink()
    soundfile.write(accompanied / "accompanied/song/accompaniment.wav", np.full((9 * 44100, 2), 0.1), 44100)
    for sung in (0.0, 1.0):
        recipe = with_data(songs={"accompanied": 1.0}, voices=VOICES, coherent=1.0, sung=sung)
        mixer = Mixer(recipe, accompanied, accompanied / "cache")
        assert abs(np.mean([mixer(number).parts[2].any() for number in range(12)]) - sung) < 0.2


def test_accompaniments_stand_for_no_other_in_incoherent_mixes(accompanied):
    mixer = Mixer(with_data(songs={"accompanied": 1.0}, coherent=0.0, sung=1.0), accompanied, accompanied / "cache")
    mixes = [mixer(number) for number in range(12)]
    assert not any(mix.parts[[0, 1, 3]].any() for mix in mixes) and any(mix.parts[2].any() for mix in mixes)


@pytest.fixture
def estimated(material, tmp_path):
    """Songs, and one whose stems are estimates: in each is a tenth of one noise, in the vocals the most of it."""
    noise = np.random.default_rng(0).normal(0, 0.03, (9 * 44100, 2)).astype(np.float32)
    folder = tmp_path / "estimated" / "song"
    folder.mkdir(parents=True)
    for name, share in (("drums", 0.1), ("bass", 0.1), ("vocals", 0.7), ("other", 0.1)):
        soundfile.write(folder / f"{name}.flac", share * noise, 44100, subtype="PCM_24")
    (folder / "song.json").write_text('{"estimated": true}')
    (tmp_path / "songs").symlink_to(material / "songs")
    return tmp_path


def test_estimated_stems_are_apart_but_varied_alike_and_stay_together(estimated, monkeypatch):
    monkeypatch.delattr(augment, "compressor")  # each by itself, it would change how much of another each has
    recipe = with_data(songs={"estimated": 1.0}, coherent=1.0, sung=0.0, driven=1.0, bright=1.0)
    mixer = Mixer(recipe, estimated, estimated / "cache")
    for mix in map(mixer, range(12)):
        np.testing.assert_array_equal(mix.groups, np.eye(4))
        for part in mix.parts[[0, 1, 3]]:
            np.testing.assert_allclose(part, mix.parts[2] / 7, atol=3e-3 * np.abs(mix.parts).max())


def test_estimated_stems_are_not_heard_among_those_of_other_songs(estimated):
    mixer = Mixer(with_data(songs={"estimated": 1.0}, coherent=0.0), estimated, estimated / "cache")
    assert not any(mixer(number).parts.any() for number in range(12))


@pytest.mark.parametrize(("about", "together"), [({}, []), ({"absent": ["bass"]}, [1, 3])])
def test_stems_that_cannot_be_told_apart_become_one_part(tmp_path, about, together):
    folder = tmp_path / "songs/one"
    folder.mkdir(parents=True)
    for name in ("drums", "other"):
        soundfile.write(folder / f"{name}.wav", np.full((9 * 44100, 2), 0.1), 44100)
    about |= {"stems": {"other": {"energy_below_150_hz": 0.5}}}
    (folder / "song.json").write_text(json.dumps(about))
    mixer = Mixer(with_data(coherent=1.0), tmp_path, tmp_path / "cache")
    for mix in map(mixer, range(8)):
        assert not mix.parts[1 if not together else 3].any()
        wanted = np.eye(4)
        if together:
            wanted[1, 3], wanted[3, 3] = 1, 0
        np.testing.assert_array_equal(mix.groups, wanted)
    assert any(mixer(number).parts[1 if together else 3].any() for number in range(8))


def test_a_recipe_without_the_songs_records_or_music_that_it_needs_is_refused(material, tmp_path):
    with pytest.raises(RecipeError, match="names no songs"):
        Mixer(with_data(songs={}), material, tmp_path)
    with pytest.raises(RecipeError, match="--musdb PATH"):
        Mixer(with_data(songs={}, musdb=1.0), material, tmp_path)
    with pytest.raises(RecipeError, match="names no records"):
        Mixer(with_data(toned=0.5), material, tmp_path)
    with pytest.raises(RecipeError, match="of no music"):
        Mixer(with_data(matched=0.5), material, tmp_path)


def varied(**tables):
    """The recipe with other shares and ranges in some tables of its augmentation."""
    changed = {name: dataclasses.replace(getattr(HOW, name), **values) for name, values in tables.items()}
    return dataclasses.replace(RECIPE, augmentation=dataclasses.replace(HOW, **changed))


def test_what_the_recipe_says_of_augmentation_is_done(material, tmp_path):
    loud = Mixer(varied(mixing={"level_db": 0.0, "coded": 0.0, "glued": 0.0, "narrowed": 0.0}), material, tmp_path)
    for number in range(8):
        mix = loud(number)
        assert augment.loudness(mix.mixture) == pytest.approx(RECIPE.data.loudness, rel=1e-3)
    mono = Mixer(varied(mixing={"narrowed": 1.0, "mono": 1.0, "coded": 0.0}), material, tmp_path)
    assert all(np.abs(np.diff(mono(number).mixture, axis=0)).max() < 1e-6 for number in range(8))
    silent = Mixer(varied(mixing={"silenced": 1.0}), material, tmp_path)
    assert all(not silent(number).parts.any((1, 2)).all() for number in range(8))


def test_nothing_is_varied_where_every_share_is_nothing(material):
    still = varied(
        instrument={"swapped": 0, "inverted": 0, "equalized": 0, "compressed": 0, "in_a_room": 0, "widened": 0,
                    "level_db": (0.0, 0.0)},
    ).augmentation  # fmt: skip
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)
    np.testing.assert_array_equal(augment.instrument(np.random.default_rng(1), audio, still), audio)
    assert not np.array_equal(augment.instrument(np.random.default_rng(1), audio, HOW), audio)
