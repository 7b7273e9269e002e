"""Properties of boards, beside `pedalboard.Pedalboard` and beside lists."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
from made_songs import made_song
from pedalboard import (
    Chain,
    Chorus,
    Compressor,
    Convolution,
    Delay,
    Gain,
    HighpassFilter,
    LadderFilter,
    Limiter,
    LowpassFilter,
    Pedalboard,
    Phaser,
    Reverb,
)
from pedalboard import Mix as NativeMix
from pedalboard_native._internal import AddLatency

import stems
from stems import Board, Isolate, Mix, Model, Remix, Remove, Split
from stems.errors import OptionError

torch.set_num_threads(1)
STEMS = ("drums", "bass", "vocals", "other")
RATE = 44_100


@pytest.fixture(scope="module")
def models(small_model: Model, small_live_model: Model) -> dict[str, Model]:
    return {"model": small_model, "live_model": small_live_model}


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    return np.ascontiguousarray(sum(made_song(np.random.default_rng(0), RATE, 0.5).values()).T, np.float32)


def streamed(plugin: Any, audio: np.ndarray, sizes: int | list[int] = 512, rate: float = RATE) -> np.ndarray:
    out, start, turn = [], 0, 0
    sizes = [sizes] if isinstance(sizes, int) else sizes
    while start < audio.shape[-1]:
        size = sizes[turn % len(sizes)]
        out.append(plugin.process(audio[..., start : start + size], rate, reset=False))
        start, turn = start + size, turn + 1
    return np.concatenate(out, -1)


def native_chain() -> list[Any]:
    return [HighpassFilter(40), Compressor(-30, 4), AddLatency(700), Chain([Chorus(), NativeMix([Gain(-6), Reverb()])])]


def test_a_board_is_a_list() -> None:
    plugins = [Gain(number) for number in range(6)]
    board, expected = Board(plugins[:3]), list(plugins[:3])
    for each in (board, expected):
        each.append(plugins[3])
        each.insert(1, plugins[4])
        each.remove(plugins[0])
        del each[0]
        each[0] = plugins[5]
        each.extend([plugins[0]])
        each[1:2] = [plugins[1], plugins[4]]
    assert list(board) == expected
    assert (len(board), board[0], board[-1]) == (len(expected), expected[0], expected[-1])
    assert board.index(plugins[4]) == expected.index(plugins[4])
    assert list(reversed(board)) == expected[::-1]
    assert isinstance(board[1:3], Board)
    assert list(board[1:3]) == expected[1:3]
    assert plugins[5] in board
    assert plugins[2] not in board
    with pytest.raises(IndexError):
        board[9]
    with pytest.raises(ValueError):
        board.remove(plugins[2])
    assert board.pop() is expected.pop()
    board.clear()
    assert not board


@pytest.mark.parametrize("wrong", [3, False, Gain, "Gain", [Gain()]])
def test_only_plugins_may_stand_on_a_board(wrong: Any) -> None:
    board = Board([Gain()])
    for attempt in (
        lambda: Board([wrong]),
        lambda: board.append(wrong),
        lambda: board.insert(0, wrong),
        lambda: board.__setitem__(0, wrong),
        lambda: board.__setitem__(slice(0, 1), [wrong]),
    ):
        with pytest.raises(TypeError, match="A board holds"):
            attempt()
    assert len(board) == 1


def test_a_plugin_may_not_be_twice_on_a_board(audio: np.ndarray, models: dict[str, Model]) -> None:
    for plugin in (Reverb(), Isolate("drums", **models)):
        with pytest.raises(OptionError, match="twice"):
            Board([plugin, Gain(), plugin])(audio, RATE)


@pytest.mark.parametrize("reset", [True, False])
def test_a_plugin_may_not_be_in_two_places_of_what_is_inside_of_a_board(
    audio: np.ndarray, models: dict[str, Model], reset: bool
) -> None:
    for plugin in (Reverb(), Isolate("drums", **models)):
        holders = [Board, Mix, stems.Chain] if isinstance(plugin, Isolate) else [Board, Mix, stems.Chain, Chain]
        for holder in holders:
            for around in (Board([holder([plugin]), plugin]), Mix([plugin, holder([plugin])])):
                with pytest.raises(OptionError, match="twice"):
                    around(audio, RATE, reset=reset)
    around = Board([Board()])
    around[0].append(around)
    with pytest.raises(OptionError, match="twice"):
        around(audio, RATE, reset=reset)


def test_stems_of_a_split_share_no_plugin(audio: np.ndarray, models: dict[str, Model]) -> None:
    reverb, chain = Reverb(), Chain([Reverb()])
    for one, other in ((reverb, [reverb]), (Board([reverb]), Chain([reverb])), (chain, [Gain(), chain])):
        with pytest.raises(OptionError, match="twice"):
            Split({"vocals": one, "drums": other}, **models)
    split = Split({"vocals": [reverb], "drums": [Reverb()]}, **models)
    split.boards["drums"].append(reverb)
    with pytest.raises(OptionError, match="twice"):
        split(audio, RATE)
    del split.boards["drums"][-1]
    assert set(split(audio, RATE)) == set(STEMS)


@pytest.mark.parametrize("rate", [0, -1, 0.5, np.nan, np.inf, 1e9])
def test_rates_with_which_plugins_end_the_process_are_refused(audio: np.ndarray, rate: float) -> None:
    for board in (Board(), Board([Reverb()]), Mix([Reverb()])):
        with pytest.raises(OptionError, match="from 1000 to 768000 Hz"):
            board(audio, rate)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("board", [Board([]), Board([None]), Board([Board([])]), Mix([Board([])]), Board([Gain()])])
def test_results_are_no_memory_of_the_input(audio: np.ndarray, board: Board, reset: bool) -> None:
    for given in (audio, audio[0], np.ascontiguousarray(audio.T), audio[:, ::2], audio[:, :0]):
        given = given.view()
        given.flags.writeable = False
        out = board(given, RATE, reset=reset)
        assert not np.shares_memory(out, given)
        assert out.flags.writeable or not out.size
        board.reset()


def test_a_board_inside_of_another_may_be_changed_by_another_thread(audio: np.ndarray) -> None:
    class Changed(Board):
        """Is changed while it looks at its plugins."""

        def _grouped(self) -> list[Any]:
            parts = super()._grouped()
            if self[0] is not None:
                threading.Thread(target=self.__setitem__, args=(0, None)).start()
                time.sleep(0.1)
            return parts

    inner = Changed([Gain(-6)])
    around = Board([inner])
    around(audio, RATE)
    time.sleep(0.1)
    np.testing.assert_array_equal(around(audio, RATE), audio)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
def test_native_plugins_sound_as_on_a_pedalboard(audio: np.ndarray, rate: int, channels: int) -> None:
    audio = audio[:channels]
    board, native = Board(native_chain()), Pedalboard(native_chain())
    np.testing.assert_array_equal(board(audio, rate), native(audio, rate))
    board, native = Board(native_chain()), Pedalboard(native_chain())
    np.testing.assert_array_equal(streamed(board, audio, rate=rate), streamed(native, audio, rate=rate))


@pytest.mark.parametrize("empty", [Board([]), Pedalboard([])])
def test_an_empty_board_lets_everything_through(audio: np.ndarray, empty: Any) -> None:
    np.testing.assert_array_equal(empty(audio, RATE), audio)
    np.testing.assert_array_equal(streamed(empty, audio), audio)


@pytest.mark.parametrize("shape", [(5000,), (2, 5000), (5000, 2), (1, 5000), (2, 0), (0,)])
def test_layouts_and_types_are_those_of_a_pedalboard(shape: tuple[int, ...]) -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, shape)
    board, native = Board([Gain(-3), Board([Limiter()])]), Pedalboard([Gain(-3), Limiter()])
    np.testing.assert_array_equal(board(audio, RATE), native(audio, RATE))
    assert board(audio, RATE).dtype == native(audio, RATE).dtype


@pytest.mark.parametrize("reset", [True, False])
def test_a_board_does_what_its_plugins_do_one_after_the_other(
    audio: np.ndarray, models: dict[str, Model], reset: bool
) -> None:
    board = Board(
        [HighpassFilter(40), Gain(-3), Isolate("vocals", **models), Compressor(-30, 4), Board([Reverb(), Gain(3)])]
    )
    expected = Pedalboard([HighpassFilter(40), Gain(-3)])(audio, RATE)
    expected = Isolate("vocals", **models).process(expected, RATE, reset=reset)
    expected = Pedalboard([Compressor(-30, 4), Reverb(), Gain(3)])(expected, RATE)
    out = board(audio, RATE) if reset else streamed(board, audio)
    np.testing.assert_allclose(out, expected, atol=1e-6)


@pytest.mark.parametrize("sizes", [1, 64, 441, 4096, [3, 1000, 1, 2, 512]])
def test_block_sizes_do_not_matter(audio: np.ndarray, models: dict[str, Model], sizes: int | list[int]) -> None:
    audio = audio[:, :6000]

    def board() -> Board:
        layers = Mix([Delay(0.01), Board([Isolate("drums", **models), AddLatency(500), Reverb()]), Chorus(), Phaser()])
        return Board([HighpassFilter(60), layers, Compressor(-20, 4), Remix(bass_db=-9, **models), Reverb()])

    out, expected = streamed(board(), audio, sizes), streamed(board(), audio)
    assert out.shape[1] == expected.shape[1] == 6000 - 2 * 2047 - 500
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_latencies_add_up_and_are_compensated(audio: np.ndarray, models: dict[str, Model]) -> None:
    board = Board([AddLatency(100), Remix(**models), Board([AddLatency(900), Remix(**models)])])
    np.testing.assert_array_equal(board(audio, RATE), audio)
    board.reset()
    out = streamed(board, audio)
    assert audio.shape[1] - out.shape[1] == 100 + 900 + 2 * 2047
    np.testing.assert_array_equal(out, audio[:, : out.shape[1]])


@pytest.mark.parametrize("reset", [True, False])
def test_a_mix_sums_what_is_lined_up(audio: np.ndarray, models: dict[str, Model], reset: bool) -> None:
    mix = Mix([Gain(-6), Board([Isolate("drums", **models), AddLatency(333)]), Remove("drums", **models)])
    out = mix(audio, RATE) if reset else streamed(mix, audio, 700)
    assert audio.shape[1] - out.shape[1] == (0 if reset else 2047 + 333)
    expected = audio[:, : out.shape[1]] * (1 + 10 ** (-6 / 20))
    np.testing.assert_allclose(out, expected, atol=1e-6)
    np.testing.assert_array_equal(Mix([])(audio, RATE), NativeMix([])(audio, RATE))


def test_a_mix_stays_lined_up_when_a_plugin_joins_it(audio: np.ndarray, models: dict[str, Model]) -> None:
    mix = Mix([Remix(**models)])
    first = streamed(mix, audio[:, :10_240])
    mix.append(Gain(0))
    second = streamed(mix, audio[:, 10_240:])
    out = np.concatenate([first, second], 1)
    np.testing.assert_array_equal(out[:, :10_240], audio[:, :10_240])
    np.testing.assert_array_equal(out[:, 10_240:], 2 * audio[:, 10_240 : out.shape[1]])


@pytest.mark.parametrize("reset", [True, False])
def test_a_split_returns_the_stems_through_their_boards(
    audio: np.ndarray, models: dict[str, Model], reset: bool
) -> None:
    boards = {"vocals": Pedalboard([Gain(6), AddLatency(300)]), "drums": [Gain(-6), Board([AddLatency(50)])]}
    found = Split(boards, **models).process(audio, RATE, reset=reset)
    plain = Split(**models).process(audio, RATE, reset=reset)
    assert tuple(found) == tuple(plain) == STEMS
    assert audio.shape[1] - found["other"].shape[1] == (0 if reset else 2047 + 300)
    for stem, gain_db in {"vocals": 6, "drums": -6, "bass": 0, "other": 0}.items():
        expected = plain[stem][:, : found[stem].shape[1]] * 10 ** (gain_db / 20)
        np.testing.assert_allclose(found[stem], expected, atol=1e-6)
    assert Split(**models)(audio.T, RATE)["bass"].shape == audio.T.shape


@pytest.mark.parametrize("reset", [True, False])
def test_a_split_is_mixed_back(audio: np.ndarray, models: dict[str, Model], reset: bool) -> None:
    split = Split({"vocals": AddLatency(300), "bass": Gain(0)}, mix=True, **models)
    followed = Board([Split({"vocals": AddLatency(300)}, **models), Gain(0)])
    for processor in (split, followed):
        out = processor.process(audio, RATE, reset=reset)
        np.testing.assert_allclose(out, audio[:, : out.shape[1]], atol=1e-6)
    assert set(Board([Gain(0), Split(**models)]).process(audio, RATE, reset=reset)) == set(STEMS)


def test_unknown_stems_have_no_board(models: dict[str, Model]) -> None:
    with pytest.raises(ValueError, match="drums, bass, vocals, other"):
        Split({"guitar": Gain()}, **models)
    with pytest.raises(TypeError, match="A board holds"):
        Split({"vocals": 3}, **models)


def test_a_board_that_changes_keeps_the_past_of_the_plugins_that_stay(
    audio: np.ndarray, models: dict[str, Model]
) -> None:
    stays = Board([Reverb(wet_level=1)])
    changes = Board([Reverb(wet_level=1)])
    first, second = audio[:, :10_000], np.zeros_like(audio[:, :10_000])
    expected = np.concatenate([streamed(stays, first), streamed(stays, second)], 1)
    out = [streamed(changes, first)]
    changes.insert(0, LowpassFilter(500))
    out.append(streamed(changes, second[:, :5000]))
    changes[0] = Remix(**models)
    del changes[0]
    out.append(streamed(changes, second[:, 5000:]))
    assert np.abs(expected[:, 10_000:]).max() > 1e-3
    np.testing.assert_array_equal(np.concatenate(out, 1), expected)


def test_reset_forgets_the_past_of_all_plugins(audio: np.ndarray, models: dict[str, Model]) -> None:
    board = Board([Reverb(), Mix([Isolate("drums", **models), Delay(0.2)]), Split({"bass": Reverb()}, True, **models)])
    first = streamed(board, audio)
    assert not np.array_equal(first, streamed(board, audio)[:, -first.shape[1] :])
    board.reset()
    np.testing.assert_array_equal(streamed(board, audio), first)


@pytest.mark.parametrize("change", ["rate", "channels"])
def test_a_change_of_rate_or_channels_starts_a_new_stream(
    audio: np.ndarray, models: dict[str, Model], change: str
) -> None:
    def board() -> Board:
        return Board([Reverb(), Mix([Isolate("drums", **models), Gain()])])

    used = board()
    streamed(used, audio[:, :9000])
    rate = 48_000 if change == "rate" else RATE
    audio = audio[:1] if change == "channels" else audio
    np.testing.assert_array_equal(streamed(used, audio, rate=rate), streamed(board(), audio, rate=rate))


def test_the_representation_lists_the_plugins(models: dict[str, Model]) -> None:
    shown = repr(Board([Gain(3), Isolate("vocals", **models)]))
    assert shown.startswith("<stems.Board with 2 plugins: [<pedalboard.Gain gain_db=3 at 0x")
    assert "<stems.Isolate stem=vocals sensitivity=1 at 0x" in shown
    assert repr(Mix([Gain(3)])).startswith("<stems.Mix with 1 plugin: [")


@pytest.mark.parametrize("reset", [True, False])
def test_none_stays_in_its_place_and_audio_passes_it(audio: np.ndarray, reset: bool) -> None:
    board = Board([None, Gain(6), None])
    board.append(None)
    assert len(board) == 4 and board[0] is None
    np.testing.assert_allclose(board.process(audio, RATE, reset=reset), Gain(6)(audio, RATE))
    mix = Mix([None, Gain(0), None])
    np.testing.assert_allclose(mix.process(audio, RATE, reset=reset), 3 * audio, atol=1e-6)
    assert copy.deepcopy(board)[3] is None


def test_chains_and_mixes_hold_boards_and_processors(models: dict[str, Model], audio: np.ndarray) -> None:
    inner = stems.Chain([Isolate("vocals", **models), Gain(-6), Board([Gain(6)])])
    both = Mix([inner, stems.Chain([Remove("vocals", **models)]), Mix([])])
    np.testing.assert_allclose(both(audio, RATE), audio, atol=2e-6)
    nested = streamed(Mix([inner, Remove("vocals", **models)]), audio)
    np.testing.assert_allclose(nested, audio[:, : nested.shape[1]], atol=1e-4)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda board: pickle.loads(pickle.dumps(board))])
def test_boards_can_be_copied(copied: Any, models: dict[str, Model], audio: np.ndarray) -> None:
    effects = [HighpassFilter(200), NativeMix([Gain(-6), Chain([Delay(0.1), Gain(-3)])]), Compressor(-20, 4)]
    boards = [
        Board([*effects, Isolate("vocals", **models), LadderFilter(LadderFilter.Mode.HPF24, 300)]),
        Mix([Gain(-6), Remix(vocals_db=-3, **models)]),
        Split({"vocals": Reverb()}, mix=True, **models),
    ]
    for board in boards:
        streamed(board, audio[:, :3_000])
        twin = copied(board)
        board.reset()
        np.testing.assert_array_equal(streamed(twin, audio), streamed(board, audio))
        if isinstance(twin, Board):
            del twin[0]
            assert len(twin) == len(board) - 1
            assert not {id(plugin) for plugin in twin} & {id(plugin) for plugin in board}


def test_what_is_made_of_a_file_cannot_be_copied(tmp_path: Any) -> None:
    impulse = np.zeros((1, 64), np.float32)
    impulse[0, 0] = 1
    with pytest.raises(TypeError, match="cannot be copied"):
        copy.deepcopy(Board([Convolution(impulse, 1.0, RATE)]))
