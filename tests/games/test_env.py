"""Tests of games around environments: every game follows the paper's algorithm, in JAX and on the host."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.games.env import JaxGame
from rl_rewards.games.host_env import HostGame
from rl_rewards.games.rules import ALICE, BOB, FLAGS, TASK
from rl_rewards.loop.collect import collect_host
from tests.games.made import LENGTH, STOP, HostHall, by_hand, rules
from tests.probes import make

HALL = make("env", "hall", length=LENGTH, goal=LENGTH - 1, max_episode_steps=16)
GAMES, STEPS = 60, 13
MODES = ("repeat", "reverse")


def drawn_actions(seed: int) -> np.ndarray:
    """Return random actions [STEPS, GAMES], some of which stop Alice's turn."""
    return np.random.default_rng(seed).choice(3, (STEPS, GAMES), p=[0.3, 0.5, 0.2]).astype(np.int32)


def played_in_jax(env, actions):
    """Return the starting cells, observations and outputs [T, B, ...] of one game in each environment."""
    states = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), GAMES))

    def step(states, inputs):
        action, key = inputs
        obs = jax.vmap(env.observe)(states)
        states, out = jax.vmap(env.step)(jax.random.split(key, GAMES), states, action)
        return states, (obs, out)

    keys = jax.random.split(jax.random.key(1), STEPS)
    _, (obs, outs) = jax.jit(lambda s: jax.lax.scan(step, s, (jnp.asarray(actions), keys)))(states)
    return np.asarray(states.inner.cell), np.asarray(obs), jax.device_get(outs)


def played_on_the_host(env, actions):
    batch = env.make(GAMES, seed=3)
    obs = batch.reset(np.ones(GAMES, bool))
    starts, seen, outs = batch.start[:, 0].astype(int), [], []
    for action in actions:
        seen.append(obs)
        outs.append(batch.step(action))
        obs = batch.reset(np.zeros(GAMES, bool))
    return starts, np.stack(seen), jax.tree.map(lambda *rows: np.stack(rows), *outs)


PLAYERS = {
    "jax": (lambda agreed: JaxGame(HALL, agreed), played_in_jax),
    "host": (lambda agreed: HostGame(HostHall(), agreed), played_on_the_host),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", PLAYERS)
def test_games_go_as_the_paper_says(kind, mode):
    agreed = rules(mode=mode)
    build, play = PLAYERS[kind]
    actions = drawn_actions(seed=MODES.index(mode))
    bobs_never_stop = np.where(actions == STOP, 0, actions)
    # The reference game says where Bob's turn begins; his stops are removed there.
    starts, _, _ = play(build(agreed), actions)
    for b, start in enumerate(starts):
        hers = sum(row["role"] == 0 for row in by_hand(agreed, int(start), actions[:, b].tolist()))
        actions[hers:, b] = bobs_never_stop[hers:, b]
    starts, obs, out = play(build(agreed), actions)
    ends = set()
    for b, start in enumerate(starts):
        expected = by_hand(agreed, int(start), actions[:, b].tolist())
        for t, row in enumerate(expected):
            got = {name: float(out.info[name][t, b]) for name in ("role", "t_alice", "t_bob", "over", "reached")}
            got["terminated"], got["cell"] = bool(out.terminated[t, b]), int(np.argmax(out.next_obs[t, b, :LENGTH]))
            assert got == {name: pytest.approx(float(value)) for name, value in row.items()}, (b, t)
            assert bool(out.needs_reset[t, b]) == row["over"]
            assert not out.truncated[t, b] and out.env_reward[t, b] == 0.0
        ends.add((expected[-1]["role"], expected[-1]["reached"]))
        _check_what_they_see(obs[:, b], expected, int(start), mode)
        _check_goals(out.info["goal"][:, b, 0], expected, int(start), mode)
    assert ends == {(0, True), (1, True), (1, False)}, "all ways to end a game must occur"


def _check_what_they_see(obs, rows, start, mode):
    """Check the observations [T, 2 LENGTH + flags]: the player's cell, and Alice's start or Bob's goal."""
    alice_end = next(row["cell"] for row in rows if row["role"] == ALICE and row["terminated"])
    cell = start
    for t, row in enumerate(rows):
        if row["role"] == BOB and rows[t - 1]["role"] == ALICE:
            cell = start if mode == "repeat" else alice_end
        shown = start if row["role"] == ALICE or mode == "reverse" else alice_end
        assert np.argmax(obs[t, :LENGTH]) == cell
        assert np.argmax(obs[t, LENGTH : 2 * LENGTH]) == shown
        assert obs[t, -len(FLAGS) :].tolist() == [row["role"] == ALICE, 0.0, 0.0]
        cell = row["cell"]


def _check_goals(goals, rows, start, mode):
    """[T] cells that Bob must reach, known from the step on that ends Alice's turn."""
    ends = next(t for t, row in enumerate(rows) if row["role"] == ALICE and row["terminated"])
    goal = rows[ends]["cell"] if mode == "repeat" else start
    expected = [start if t < ends else goal for t in range(len(rows))]
    np.testing.assert_array_equal(goals[: len(rows)], expected)


@pytest.mark.parametrize("kind", PLAYERS)
def test_task_episodes_are_the_environments_own(kind):
    build, play = PLAYERS[kind]
    actions = np.full((STEPS, GAMES), 1, np.int32)  # to the right
    starts, obs, out = play(build(rules(target_fraction=1.0)), actions)
    assert (out.info["role"] == TASK).all()
    for b, start in enumerate(starts):
        needed = max(1, LENGTH - 1 - int(start))
        assert out.terminated[needed - 1, b] and not out.terminated[: needed - 1, b].any()
        assert out.env_reward[needed - 1, b] == 1.0 and out.info["over"][needed - 1, b] == 1.0
        assert (obs[:needed, b, LENGTH : 2 * LENGTH] == 0.0).all()
    assert (obs[..., -len(FLAGS) :] == [0.0, 1.0, 0.0]).all()


@pytest.mark.parametrize("kind", PLAYERS)
def test_shares_of_tasks_and_of_past_opponents(kind):
    agreed = rules(target_fraction=0.3, past_share=0.5, past_versions=2)
    env = PLAYERS[kind][0](agreed)
    if kind == "jax":
        obs = jax.vmap(lambda key: env.observe(env.reset(key)))(jax.random.split(jax.random.key(0), 4000))
    else:
        obs = env.make(4000, seed=0).reset(np.ones(4000, bool))
    is_alice, is_task, opponent = np.asarray(obs)[:, -len(FLAGS) :].T
    assert np.mean(is_task) == pytest.approx(0.3, abs=0.03)
    assert np.array_equal(is_alice, 1.0 - is_task)
    assert (opponent[is_task == 1.0] == 0.0).all()
    for version in (-2.0, -1.0, 1.0, 2.0):
        assert np.mean(opponent[is_task == 0.0] == version) == pytest.approx(0.125, abs=0.025)
    today = env.episodes.also_played
    assert today.rules.target_fraction == today.rules.past_share == 0.0


def test_a_host_game_goes_on_from_what_it_saved():
    env = HostGame(HostHall(), rules(target_fraction=0.2))
    actions = drawn_actions(seed=5)

    def act(agent, memory, obs, key, t):
        return actions[t], memory, {}

    one, other = env.make(GAMES, seed=1), env.make(GAMES, seed=2)
    one.reset(np.ones(GAMES, bool))
    collect_host(one, act, None, jax.random.key(0), 4)  # now some games are in Alice's turn and some in Bob's
    assert {ALICE, BOB} <= set(one.turn[0])
    other.load(one.save())
    other.batch.rng.bit_generator.state = one.batch.rng.bit_generator.state
    rest = partial(collect_host, act=act, agent=None, key=jax.random.key(0), length=STEPS)
    jax.tree.map(np.testing.assert_array_equal, rest(one), rest(other))


@pytest.mark.parametrize("kind", PLAYERS)
def test_whoever_is_put_back_sees_it_at_once(kind):
    """After Alice's last step, the observation is that of Bob at his start, not her next_obs."""
    env, play = PLAYERS[kind][0](rules()), PLAYERS[kind][1]
    actions = np.full((STEPS, GAMES), 1, np.int32)
    starts, obs, out = play(env, actions)
    for b in np.flatnonzero(starts < 2):
        handed = int(np.argmax(out.terminated[:, b]))
        assert np.argmax(out.next_obs[handed, b, :LENGTH]) == starts[b] + 5
        assert np.argmax(obs[handed + 1, b, :LENGTH]) == starts[b]


@pytest.mark.parametrize(
    ("name", "changes", "agreed", "told"),
    [
        ("driver", {}, {}, r"needs an environment with goals"),
        (
            "key_door",
            {},
            {"mode": "reverse"},
            r"reward\.mode=reverse needs .* is not reversible; choose reward\.mode=repeat",
        ),
        ("point", {"observation": "image"}, {}, r"reward=self_play needs vectors"),
    ],
)
def test_environments_that_cannot_carry_a_game_are_refused(name, changes, agreed, told):
    with pytest.raises(ConfigError, match=told):
        JaxGame(make("env", name, **changes), rules(**agreed))


def test_pencil_cases_game_puts_the_table_back():
    """Alice pushes the case until she stops; Bob's table then equals that at her start bit for bit."""
    env = HostGame(make("env", "pencil_case"), rules(threshold=0.01, alice_moves=30, horizon=60))
    batch = env.make(4, seed=0)
    first, start = batch.reset(np.ones(4, bool)), batch.batch.get_state()
    stop = 25
    for t in range(stop + 1):
        towards = batch.batch.positions[:, 2:4] - batch.batch.positions[:, :2]
        push = towards / np.linalg.norm(towards, axis=-1, keepdims=True)
        ends = np.full((4, 1), 1.0 if t == stop else -1.0)
        out = batch.step(np.concatenate([push, ends], axis=-1).astype(np.float32))
    assert out.terminated.all() and (out.info["t_alice"] == stop).all()
    playing = ~out.needs_reset  # games in which the case has not moved are over
    assert playing.any() and np.array_equal(batch.turn[0] == BOB, playing)
    np.testing.assert_array_equal(batch.batch.get_state()[playing], start[playing])
    size = env.inner.spec.obs.shape[0]
    seen = batch.reset(np.zeros(4, bool))
    np.testing.assert_array_equal(seen[playing, :size], first[playing, :size])
    np.testing.assert_array_equal(seen[playing, size : 2 * size], out.next_obs[playing, :size])
    np.testing.assert_allclose(batch.goal, out.info["goal"])
    moved = np.linalg.norm(batch.goal - start[:, 1:5], axis=-1)
    np.testing.assert_allclose(out.info["distance"], moved, rtol=1e-4)
    assert (moved[playing] > 0.01).all()


def test_a_goal_is_within_the_environments_own_threshold_unless_the_rules_name_one():
    point, near, goal = make("env", "point"), np.array([[0.0, 0.09]]), np.zeros((1, 2))
    assert JaxGame(point, rules()).is_reached(near, goal)
    assert not JaxGame(point, rules(threshold=0.05)).is_reached(near, goal)
