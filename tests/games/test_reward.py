"""Tests of the rewards of a game for both players, and of settings that are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.games.rules import ALICE, BOB, TASK, whole_games
from tests.probes import experience_of, make, make_rollout, make_spec

SPEC = make_spec()
HORIZON, ALICE_MOVES, SCALE = 12, 5, 0.1


def self_play(**changes):
    agreed = {"horizon": HORIZON, "alice_moves": ALICE_MOVES, "time_scale": SCALE}
    return make("reward", "self_play", SPEC, **(agreed | changes))


def rollout_of(*games, length: int):
    """Return transitions [length, 1] of ``games``: (t_alice, t_bob, reached) plus Alice's stop, or a 3-step "task"."""
    return side_by_side([rows_of(games)[:length]])


def rows_of(games) -> list[tuple]:
    """Return a row for every step: role, t_alice, t_bob, terminated, over, reached."""
    rows = []
    for game in games:
        if game == "task":
            rows += [(TASK, 0, t + 1, t == 2, t == 2, True) for t in range(3)]
            continue
        t_alice, t_bob, reached = game
        rows += [(ALICE, t + 1, 0, False, False, False) for t in range(t_alice)]
        rows.append((ALICE, t_alice, 0, True, t_bob == 0, t_bob == 0))
        rows += [(BOB, t_alice, t + 1, t + 1 == t_bob, t + 1 == t_bob, reached) for t in range(t_bob)]
    return rows


def side_by_side(copies: list[list[tuple]]):
    """Return transitions [T, B] from the rows of B copies."""
    role, t_alice, t_bob, terminated, over, reached = np.array(copies, np.float32).transpose(2, 1, 0)
    info = {"role": role, "t_alice": t_alice, "t_bob": t_bob, "over": over, "reached": reached * over}
    info |= {"distance": np.full_like(role, 2.0), "success": reached * (role == TASK)}
    return make_rollout(SPEC, *role.shape, terminated=terminated > 0, info=info)


def paid(source, rollout):
    return np.asarray(source.reward(source.init(jax.random.key(0)), rollout))[:, 0]


@pytest.mark.parametrize(
    ("game", "alice", "bob"),
    [
        ((3, 5, True), SCALE * 2, -SCALE * 5),  # Bob needs two moves more than Alice
        ((4, 2, True), 0.0, -SCALE * 2),  # Bob is faster, so Alice gets 0
        ((4, HORIZON - 4, False), SCALE * 4, -SCALE * 8),  # Bob fails: t_B = t_max - t_A
        ((2, 0, True), 0.0, 0.0),  # Alice ends at her start
    ],
)
def test_times_pay_as_in_the_paper(game, alice, bob):
    rollout = rollout_of(game, length=30)
    reward, role = paid(self_play(), rollout), np.asarray(rollout.info["role"])[:, 0]
    assert reward[role == ALICE].sum() == pytest.approx(alice)
    assert reward[role == BOB].sum() == pytest.approx(bob)
    assert reward[game[0]] == pytest.approx(alice), "Alice's reward comes at the end of her turn"


@pytest.mark.parametrize(("game", "alice"), [((3, 5, True), -1.0), ((4, 8, False), 1.0), ((2, 0, True), -1.0)])
def test_wins_pay_one_and_minus_one(game, alice):
    rollout = rollout_of(game, length=30)
    reward, role = paid(self_play(form="win"), rollout), np.asarray(rollout.info["role"])[:, 0]
    assert reward[role == ALICE].sum() == alice
    assert reward[role == BOB].sum() == (0.0 if game[1] == 0 else -alice)


def test_games_one_after_the_other_do_not_mix_and_tasks_pay_the_environments_reward():
    games = [(3, 5, True), "task", (1, 11, False), (2, 0, True), (4, 6, True)]
    rollout = rollout_of(*games, length=60)
    source, at = self_play(), 0
    whole = paid(source, rollout)
    for game in games:
        alone = paid(source, rollout_of(game, length=60))
        if game == "task":
            alone = np.asarray(rollout.env_reward)[at : at + 3, 0]
        np.testing.assert_allclose(whole[at : at + len(alone)], alone)
        at += len(alone)
    assert at == len(whole)


def test_games_that_begin_too_late_to_end_whatever_happens_do_not_count():
    """The second game begins after 9 steps, has 11 steps, and could have had 13."""
    games = ((3, 5, True), (4, 6, True), (1, 2, True))
    for length, counted in ((24, 20), (22, 20), (21, 9), (13, 9), (12, 0)):
        cut = whole_games(rollout_of(*games, length=length), HORIZON)
        assert np.asarray(cut.valid)[:, 0].tolist() == [step < counted for step in range(length)], length
        ended = np.asarray(cut.terminated)[-1, 0]
        assert np.asarray(cut.truncated)[:, 0].tolist() == [False] * (length - 1) + [not ended], "no game continues"
    task = whole_games(rollout_of((3, 5, True), "task", "task", length=14), HORIZON)
    assert np.asarray(task.valid).all(), "a task episode may be truncated and stays valid"
    assert np.asarray(task.truncated)[:, 0].tolist() == [False] * 13 + [True]
    complete = whole_games(rollout_of((3, 5, True), "task", "task", length=15), HORIZON)
    assert np.asarray(complete.valid).all() and not np.asarray(complete.truncated).any()


@pytest.mark.parametrize("length", [13, 20, 33])
def test_the_share_of_games_that_bob_wins_does_not_depend_on_the_rollouts_length(length):
    """Bob wins half of all games in 2 steps and loses half after 13; he also loses half of those that count."""
    rng, kinds = np.random.default_rng(0), ((1, 0, True), (1, HORIZON - 1, False))
    copies = [rows_of(kinds[i] for i in rng.integers(2, size=length))[:length] for _ in range(2000)]
    rollout, source = whole_games(side_by_side(copies), HORIZON), self_play()
    state = source.init(jax.random.key(0))
    _, metrics = source.update(state, {}, experience_of(rollout), jnp.int32(0), jax.random.key(1))
    games = float(metrics["reward/games"])
    assert float(metrics["reward/bob_success"]) == pytest.approx(0.5, abs=4 * 0.5 / games**0.5)


def test_a_round_tells_of_whole_games_alone():
    source = self_play()
    rollout = whole_games(rollout_of((3, 5, True), "task", (4, 8, False), (4, 6, True), length=30), HORIZON)
    state = source.init(jax.random.key(0))
    state, metrics = source.update(state, {}, experience_of(rollout), jnp.int32(0), jax.random.key(1))
    told = {name.removeprefix("reward/"): float(value) for name, value in metrics.items()}
    expected = {
        "bob_success": 0.5,
        "t_alice": 3.5,
        "t_bob": 6.5,
        "goal_distance": 2.0,
        "task_success": 1.0,
        "valid_share": 25 / 30,
    }
    assert told == pytest.approx(expected | {"games": 2, "task_episodes": 1})
    state, metrics = source.update(state, {}, experience_of(rollout), jnp.int32(1), jax.random.key(1))
    assert float(metrics["reward/games"]) == 4 and float(metrics["reward/task_episodes"]) == 2
    nothing = whole_games(rollout_of((3, 5, True), length=5), HORIZON)
    _, metrics = source.update(state, {}, experience_of(nothing), jnp.int32(2), jax.random.key(1))
    assert np.isnan(metrics["reward/bob_success"]) and float(metrics["reward/games"]) == 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"goal_threshold": 0.0}, r"reward\.goal_threshold=0\.0 must be positive"),
        ({"horizon": 5}, r"reward\.horizon=5, the moves of both .* leaves Bob no move after .*alice_moves=5"),
        ({"alice_moves": 0}, r"reward\.alice_moves=0 must be at least 1"),
        ({"time_scale": 0.0}, r"reward\.time_scale=0\.0 must be positive"),
        ({"target_fraction": 1.5}, r"reward\.target_fraction=1\.5 is a fraction"),
        ({"past_share": -0.1}, r"reward\.past_share=-0\.1 is a fraction"),
        ({"past_every": 0}, r"reward\.past_every=0 must be at least 1"),
        ({"cloning_weight": 0.5, "mode": "reverse"}, r"reward\.cloning_weight makes Bob clone Alice's actions"),
        ({"form": "money"}, r"reward\.form=money is not valid; it must be time or win"),
    ],
)
def test_what_cannot_be_played_is_told(changes, told):
    with pytest.raises(ConfigError, match=told):
        self_play(**changes)
