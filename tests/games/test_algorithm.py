"""Tests of two players as one algorithm: each learns only from its own turns."""

from dataclasses import fields, replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.ppo import PPO
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, RewardFn
from rl_rewards.games.algorithm import TwoPlayer
from rl_rewards.games.env import JaxGame
from rl_rewards.games.rules import ALICE, FLAGS, Opponents, whole_games
from rl_rewards.loop.collect import collect_jax, reset_jax
from tests.algorithms.small import SMALL_PPO, small_sac
from tests.games.made import rules
from tests.probes import experience_of, make

HALL = make("env", "hall", length=7, goal=6, max_episode_steps=16)
POINT = make("env", "point")
OPPONENTS = {
    "alice": "learned",
    "alice_moves": 5,
    "past_share": 0.0,
    "past_versions": 2,
    "past_every": 1,
    "cloning_weight": 0.0,
    "cloning_steps": 3,
    "cloning_learning_rate": 1e-2,
}


@cache
def players(env=HALL, agreed=None, **changes) -> tuple[JaxGame, TwoPlayer]:
    game = JaxGame(env, rules() if agreed is None else agreed)
    opponents = Opponents(**(OPPONENTS | changes))

    def learner(spec):
        return make("algorithm", "ppo", spec, **(SMALL_PPO | {"rollout_length": 16, "obs_clip": 5.0}))

    return game, TwoPlayer(spec=game.spec, make=learner, opponents=opponents)


_COMPILED = {}
"""Compiled functions, shared by all tests, by algorithm and name."""


def _compiled(algorithm, name, function):
    return _COMPILED.setdefault((id(algorithm), name), jax.jit(function))


def fresh(algorithm):
    return _compiled(algorithm, "init", algorithm.init)(jax.random.key(0))


def collected(game, algorithm, state, length=26):
    def collect(state, env_state):
        act = partial(algorithm.act, state, explore=True)
        played = collect_jax(game, act, env_state, jax.random.key(4), length, algorithm.initial_memory(32))
        return whole_games(played.rollout, game.rules.horizon)

    return _compiled(algorithm, f"collect {length}", collect)(state, reset_jax(game, jax.random.key(3), 32))


def updated(algorithm, state, rollout, rewards):
    def update(state, rollout, rewards):
        reward_fn = RewardFn(call=lambda _: rewards, absorbing=jnp.zeros(()))
        experience = experience_of(rollout)._replace(memory=algorithm.initial_memory(32))
        return algorithm.update(state, experience, reward_fn, jnp.int32(0), jax.random.key(5))

    return _compiled(algorithm, "update", update)(state, rollout, rewards)


def same(one, other) -> bool:
    return all(jax.tree.leaves(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), one, other)))


@pytest.mark.parametrize("env", [HALL, POINT], ids=["discrete", "box"])
def test_who_acts_and_with_which_actions(env):
    game, algorithm = players(env)
    state = fresh(algorithm)
    rollout = collected(game, algorithm, state)
    hers = np.asarray(rollout.info["role"]) == ALICE
    action = np.asarray(rollout.action)
    stop = action == 2 if env is HALL else action[..., -1] >= 1.0
    assert stop[hers].any() and not stop[~hers].any(), "Bob cannot stop"
    assert (np.asarray(rollout.terminated) >= (stop & hers)).all()
    again = algorithm.log_prob(state, rollout.obs, rollout.action)
    np.testing.assert_allclose(again, rollout.behaviour["log_prob"], rtol=1e-4, atol=1e-4)


class Counting(PPO):
    """PPO whose memory is the number of steps in which it has acted."""

    def initial_memory(self, num_envs):
        return jnp.zeros(num_envs)

    def act(self, state, memory, obs, key, explore):
        action, _, told = super().act(state, (), obs, key, explore)
        return action, memory + 1.0, told


@pytest.mark.parametrize("past_share", [0.0, 0.5])
def test_each_player_remembers_its_own_turns_of_the_game(past_share):
    game, algorithm = players(agreed=rules(past_share=past_share, past_versions=2), past_share=past_share)
    given = {f.name: getattr(algorithm.bob, f.name) for f in fields(PPO) if f.init}
    algorithm = replace(algorithm, make=lambda spec: Counting(**given | {"spec": spec}))
    state, memory = algorithm.init(jax.random.key(0)), algorithm.initial_memory(32)
    env_state = reset_jax(game, jax.random.key(3), 32)
    act = partial(algorithm.act, state, explore=True)
    step = jax.jit(lambda memory, env_state, key: collect_jax(
        game, act, env_state, key, 1, algorithm.initial_memory(32), memory
    ))  # fmt: skip
    ended = 0
    for key in jax.random.split(jax.random.key(4), 12):
        alices, games = env_state.turn.role == ALICE, memory
        rollout, memory, env_state = step(memory, env_state, key)
        ends = rollout.done[0]
        ended += int((rollout.info["over"] > 0.0).sum())
        for name, acts in (("alice", alices), ("bob", ~alices)):
            np.testing.assert_array_equal(memory[name], jnp.where(ends, 0.0, games[name] + acts))
    assert ended > 0


def test_players_that_remember_learn_from_the_memory_they_acted_with():
    """The ratio in the first minibatch is 1 for both players, across ends of games and turns of the other player."""
    game, algorithm = players()
    gru = make("model", "gru", units=8, hidden=(8,))
    learner = replace(algorithm.bob, model=gru, epochs=1, minibatches=1)
    algorithm = replace(algorithm, make=lambda spec: replace(learner, spec=spec))
    state = fresh(algorithm)
    rollout = collected(game, algorithm, state)
    _, metrics = updated(algorithm, state, rollout, rollout.env_reward)
    assert (rollout.info["over"] > 0.0).any()
    for name in ("alice", "bob"):
        np.testing.assert_allclose(metrics[f"agent/{name}_kl"], 0.0, atol=1e-6)
        assert metrics[f"agent/{name}_clip_fraction"] == 0.0


@pytest.mark.parametrize(("learner", "other"), [("alice", "bob"), ("bob", "alice")])
def test_each_learns_from_its_own_turns_alone(learner, other):
    game, algorithm = players()
    state = fresh(algorithm)
    rollout = collected(game, algorithm, state)
    mine = (rollout.info["role"] == ALICE) == (learner == "alice")
    rewards = jax.random.normal(jax.random.key(6), mine.shape)
    before, _ = updated(algorithm, state, rollout, rewards)
    after, _ = updated(algorithm, state, rollout, jnp.where(mine, rewards + 1.0 + rewards**2, rewards))
    assert same(getattr(before, other), getattr(after, other))
    assert not same(getattr(before, learner).params, getattr(after, learner).params)


def test_without_her_turns_alice_stays_as_she_is():
    game, algorithm = players(agreed=rules(target_fraction=1.0))
    state = fresh(algorithm)
    rollout = collected(game, algorithm, state)
    after, metrics = updated(algorithm, state, rollout, jnp.ones(rollout.valid.shape))
    assert same(state.alice.params, after.alice.params) and not same(state.bob.params, after.bob.params)
    assert all(bool(jnp.all(jnp.isfinite(value))) for value in metrics.values())


def test_a_random_alice_never_learns_and_sometimes_stops():
    game, algorithm = players(alice="random")
    state = fresh(algorithm)
    rollout = collected(game, algorithm, state, length=200)
    hers = np.asarray(rollout.info["role"]) == ALICE
    assert np.mean(np.asarray(rollout.action)[hers] == 2) == pytest.approx(2.0 / 5.0, abs=0.05)
    after, metrics = updated(algorithm, state, rollout, jnp.ones(rollout.valid.shape))
    assert same(state.alice, after.alice)
    assert not any("alice" in name for name in metrics)


def test_past_opponents_act_as_they_were_and_teach_nobody():
    game, algorithm = players(agreed=rules(past_share=1.0, past_versions=2), past_share=1.0)
    state = fresh(algorithm)
    past = jax.tree.map(lambda x: x.copy(), state.past)
    # The bias of the output layer makes version 2 of Bob always go right.
    leaves, tree = jax.tree_util.tree_flatten_with_path(past["bob"].params["actor"])
    last = next(str(path) for path, leaf in leaves if leaf.shape[-1:] == (2,) and leaf.ndim == 2)
    changed = [leaf.at[1].set(jnp.array([-50.0, 50.0])) if str(path) == last else leaf for path, leaf in leaves]
    actor = jax.tree_util.tree_unflatten(tree, changed)
    past["bob"] = past["bob"].replace(params={**past["bob"].params, "actor": actor})
    state = state.replace(past=past)
    rollout = collected(game, algorithm, state)
    opponent = np.asarray(rollout.obs[..., -1])
    bobs = np.asarray(rollout.obs[..., -len(FLAGS)]) == 0.0
    assert set(np.unique(opponent)) == {-2.0, -1.0, 1.0, 2.0}
    action = np.asarray(rollout.action)
    assert (action[bobs & (opponent == -2.0)] == 1).all()
    assert 0.2 < np.mean(action[bobs & (opponent == -1.0)]) < 0.8, "the other version acts at random"
    by_past = jnp.asarray(np.where(bobs, opponent < 0.0, opponent > 0.0))
    rewards = jax.random.normal(jax.random.key(6), by_past.shape)
    before, _ = updated(algorithm, state, rollout, rewards)
    changed_rewards = jnp.where(by_past, rewards * 3.0 + 1.0, rewards)
    # Advantages never cross the end of a turn, so the rewards of a past player affect no learner.
    after, _ = updated(algorithm, state, rollout, changed_rewards)
    assert same(before.alice, after.alice) and same(before.bob, after.bob)


def test_the_oldest_past_players_make_room():
    game, algorithm = players(past_share=0.5)
    state = fresh(algorithm)
    rollout = collected(game, algorithm, state)
    first, _ = updated(algorithm, state, rollout, rollout.env_reward)
    newer = jax.tree.map(lambda x: x + 1 if jnp.issubdtype(x.dtype, jnp.floating) else x, first.bob)
    # In an odd round, the second version is replaced.
    remembered = algorithm._remember(first.replace(bob=newer), jnp.int32(3))

    def version(i):
        return jax.tree.map(lambda x: x[i], remembered["bob"])

    assert same(version(1), newer) and same(version(0), jax.tree.map(lambda x: x[0], first.past["bob"]))


def test_bob_imitates_alice_where_he_failed_her_goal():
    game, algorithm = players(cloning_weight=1.0, cloning_steps=30)
    state = fresh(algorithm)
    rollout = collected(game, algorithm, state, length=40)
    obs, counts = algorithm._as_bobs(rollout)
    counts = np.asarray(counts)
    hers = np.asarray(rollout.info["role"]) == ALICE
    assert counts.any() and not counts[~hers].any()
    # At the steps that count, the goal is where Alice's turn ended, and Bob failed to reach it.
    for b in range(counts.shape[1]):
        ends = np.flatnonzero(np.asarray(rollout.terminated)[:, b] & hers[:, b])
        overs = np.flatnonzero(np.asarray(rollout.info["over"])[:, b])
        for t in np.flatnonzero(counts[:, b]):
            end = ends[ends >= t][0]
            np.testing.assert_array_equal(obs[t, b, 7:14], rollout.next_obs[end, b, :7])
            np.testing.assert_array_equal(obs[t, b, 14:], 0.0)
            game_end = overs[overs >= end][0]
            assert rollout.info["reached"][game_end, b] == 0.0
    likelihood = partial(_likelihood, algorithm, obs, algorithm._unpad(rollout.action), counts)
    after, metrics = updated(algorithm, state, rollout, jnp.zeros(rollout.valid.shape))
    assert likelihood(after.bob) > likelihood(state.bob) + 0.02
    assert float(metrics["agent/bob_cloning_loss"]) == pytest.approx(-likelihood(state.bob), rel=0.2)


def _likelihood(algorithm, obs, action, counts, bob) -> float:
    return float(np.mean(np.asarray(algorithm.bob.log_prob(bob, obs, action))[counts]))


def test_only_rollout_algorithms_can_play():
    game = JaxGame(POINT, rules())
    with pytest.raises(ConfigError, match="reward=self_play needs an algorithm that learns from whole rollouts"):
        TwoPlayer(spec=game.spec, make=small_sac, opponents=Opponents(**OPPONENTS))
    assert isinstance(JaxGame(HALL, rules()).spec.action, Discrete)
