"""Tests of soft actor-critic: values on probe environments, and one gradient step against explicit computations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.sac import SAC, SACBatch
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete, Experience, RewardFn, Transition
from rl_rewards.data.replay import Replay
from tests import probes
from tests.algorithms.small import DISCOUNT, LOPSIDED, small_sac, train
from tests.probes import make_rollout, make_spec


def fresh(algorithm: SAC):
    return jax.jit(algorithm.init)(jax.random.key(0))


def q_values(algorithm: SAC, agent, obs: list[float], action: list[float]):
    inputs, action = jnp.asarray(obs)[:, None], jnp.asarray(action)[:, None]
    return np.asarray(jax.jit(algorithm._values)(agent.critics, inputs, action))


PROBES = {
    "constant": (probes.ConstantReward, {}, [0.0], [1.0]),
    "constant_truncated": (probes.ConstantReward, {"truncates": True}, [0.0], [1.0 / (1.0 - DISCOUNT)]),
    "obs": (probes.ObsReward, {}, [-1.0, 1.0], [-1.0, 1.0]),
    "discounted": (probes.DiscountedReward, {}, [0.0, 1.0], [DISCOUNT, 1.0]),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name == "obs")) for name in PROBES])
def test_values_on_probes(name):
    probe, options, obs, expected = PROBES[name]
    env = probe(action=LOPSIDED, **options)
    algorithm = small_sac(env.spec)
    agent, _ = train(env, algorithm, rounds=60)
    values = q_values(algorithm, agent, obs, [0.0] * len(obs))
    np.testing.assert_allclose(values, np.stack([expected, expected]), atol=0.12)


@pytest.mark.parametrize("probe", [pytest.param(probes.ActionReward, marks=pytest.mark.long), probes.ObsActionReward])
def test_policy_on_probes(probe):
    """The action space differs from the network's in centre and scale; results are in env units."""
    env = probe(action=LOPSIDED)
    # With a smaller temperature, most seeds end at an action's lower bound, where tanh leaves no gradient.
    algorithm = small_sac(env.spec, actor_learning_rate=1e-3, temperature=0.1)
    agent, _ = train(env, algorithm, rounds=120)
    obs = np.array([[0.0]] if probe is probes.ActionReward else [[-1.0], [1.0]], np.float32)
    action, _, _ = jax.jit(partial(algorithm.act, explore=False))(agent, (), obs, jax.random.key(0))
    np.testing.assert_allclose(action[:, 0], np.where(obs[:, 0] >= 0.0, 1.0, -1.0), atol=0.2)


def batch_of(spec, n=6, **changes) -> SACBatch:
    rng = np.random.default_rng(0)
    values = {
        "inputs": rng.normal(size=(n, spec.obs.shape[0])),
        "action": rng.uniform(-1.0, 1.0, (n, 2)),
        "reward": rng.normal(size=n),
        "next_inputs": rng.normal(size=(n, spec.obs.shape[0])),
        "terminated": np.arange(n) % 3 == 0,
        "valid": np.ones(n, bool),
        "is_demo": np.zeros(n, bool),
        "absorbing_value": np.float32(5.0),
    }
    as_device = {k: jnp.asarray(v, None if np.asarray(v).dtype == bool else jnp.float32) for k, v in values.items()}
    return SACBatch(**(as_device | changes))


def test_target_against_a_loop():
    """The target is y = r + gamma (min Q' - alpha log pi), with the absorbing value after a termination."""
    algorithm = small_sac(make_spec(obs=3), temperature=0.3)
    state, batch = fresh(algorithm), batch_of(make_spec(obs=3))
    target = jax.jit(algorithm.target)(state, batch, jax.random.key(5))

    def by_hand(state, batch, key):
        action_key = jax.random.split(key)[0]
        distribution = algorithm.policy.distribution(state.actor, batch.next_inputs)
        action, log_prob = distribution.sample_and_log_prob(action_key)
        return algorithm._values(state.target_critics, batch.next_inputs, action), log_prob

    values, log_prob = map(np.asarray, jax.jit(by_hand)(state, batch, jax.random.key(5)))
    for i in range(6):
        soft = min(values[0, i], values[1, i]) - 0.3 * log_prob[i]
        bootstrap = 5.0 if i % 3 == 0 else soft
        assert target[i] == pytest.approx(float(batch.reward[i]) + DISCOUNT * bootstrap, abs=1e-5)


def test_target_of_a_random_subset_of_critics():
    """With one of three critics drawn per step (REDQ), each target is that of one critic, and all are drawn."""
    algorithm = small_sac(make_spec(obs=3), critics=3, target_critics=1, temperature=1e-9)
    state, batch = fresh(algorithm), batch_of(make_spec(obs=3), terminated=jnp.zeros(6, bool))
    drawn = set()
    step = jax.jit(algorithm.target)
    for i in range(12):
        target = step(state, batch, jax.random.key(i))
        singles = []
        for member in range(3):
            one = jax.tree.map(lambda x, m=member: jnp.stack([x[m]] * 3), state.target_critics)
            singles.append(np.asarray(step(state.replace(target_critics=one), batch, jax.random.key(i))))
        matches = [m for m in range(3) if np.allclose(target, singles[m], atol=1e-5)]
        assert len(matches) == 1
        drawn.add(matches[0])
    assert drawn == {0, 1, 2}


def gradient_step(algorithm: SAC, state, batch: SACBatch, index: int = 0):
    return jax.jit(algorithm._gradient_step)(state, batch, jnp.asarray(index), jax.random.key(1))


def same(tree, other) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True))


def test_target_critics_move_by_the_target_rate():
    algorithm = small_sac(make_spec(obs=3), target_rate=0.25)
    state = fresh(algorithm)
    after, _ = gradient_step(algorithm, state, batch_of(algorithm.spec))
    for old, new, target in zip(
        *map(jax.tree.leaves, (state.critics, after.critics, after.target_critics)), strict=True
    ):
        np.testing.assert_allclose(target, 0.75 * np.asarray(old) + 0.25 * np.asarray(new), atol=1e-6)
    assert not same(state.critics, after.critics)


def test_actor_moves_on_its_turns_only():
    algorithm = small_sac(make_spec(obs=3), actor_every=3, temperature="auto")
    state = fresh(algorithm)
    for index in range(6):
        after, metrics = gradient_step(algorithm, state, batch_of(algorithm.spec), index)
        turn = index in (2, 5)
        assert same(state.actor, after.actor) != turn
        assert same(state.log_temperature, after.log_temperature) != turn
        assert np.isfinite(metrics["agent/actor_loss"]) == turn, "metrics of steps that were not taken are NaN"
        assert np.isfinite(metrics["agent/critic_loss"])


@pytest.mark.parametrize(("wanted", "rises"), [(100.0, True), (-100.0, False)])
def test_temperature_follows_the_wanted_entropy(wanted, rises):
    algorithm = small_sac(make_spec(obs=3), temperature="auto", target_entropy=wanted)
    state = fresh(algorithm)
    after, _ = gradient_step(algorithm, state, batch_of(algorithm.spec))
    assert (after.log_temperature > state.log_temperature) == rises
    fixed = small_sac(make_spec(obs=3), temperature=0.2, target_entropy=wanted)
    after, metrics = gradient_step(fixed, fresh(fixed), batch_of(fixed.spec))
    assert metrics["agent/temperature"] == pytest.approx(0.2)


def test_padding_has_no_influence():
    algorithm = small_sac(make_spec(obs=3))
    state, batch = fresh(algorithm), batch_of(make_spec(obs=3), valid=jnp.arange(6) < 4)
    after, _ = gradient_step(algorithm, state, batch)
    other = batch.replace(reward=batch.reward.at[4:].set(99.0), inputs=batch.inputs.at[4:].set(7.0))
    assert same(after, gradient_step(algorithm, state, other)[0])
    assert not same(after, gradient_step(algorithm, state, batch.replace(reward=batch.reward + 1.0))[0])


def filled(algorithm: SAC) -> tuple[Replay, Transition]:
    rollout = make_rollout(algorithm.spec, algorithm.rollout_length, algorithm.num_envs)
    return Replay.init(rollout, algorithm.replay_capacity).add(rollout), rollout


def run_update(algorithm: SAC, state, reward: float = 0.0, round: int = 0):
    replay, rollout = filled(algorithm)
    rewards = RewardFn(call=lambda t: jnp.full(t.env_reward.shape, reward), absorbing=jnp.zeros(()))

    def update(state, replay, rollout):
        experience = Experience(rollout, replay.sample, replay.sample_segments, partial(algorithm.log_prob, state))
        return algorithm.update(state, experience, rewards, jnp.asarray(round), jax.random.key(2))

    return jax.jit(update)(state, replay, rollout)


def test_rewards_are_those_of_the_current_reward_state():
    """The same replay gives other values with another reward, so no reward was stored."""
    algorithm = small_sac(make_spec(obs=3), rollout_length=32, learning_starts=0)
    state = fresh(algorithm)
    low, low_metrics = run_update(algorithm, state, reward=0.0)
    high, high_metrics = run_update(algorithm, state, reward=5.0)
    assert (low_metrics["agent/reward_mean"], high_metrics["agent/reward_mean"]) == (0.0, 5.0)
    assert high_metrics["agent/critic_loss"] > 4.0 * low_metrics["agent/critic_loss"]
    assert not same(low.critics, high.critics)


def test_random_actions_and_no_learning_before_learning_starts():
    algorithm = small_sac(make_spec(obs=3, action=LOPSIDED), learning_starts=256)
    state = fresh(algorithm)
    obs = jnp.zeros((4000, 3))
    act = jax.jit(partial(algorithm.act, explore=True))
    action = np.asarray(act(state, (), obs, jax.random.key(0))[0])
    low, high = np.percentile(action, [25, 75])
    assert (low, high) == (pytest.approx(0.0, abs=0.3), pytest.approx(4.0, abs=0.3)), "uniform on [-2, 6]"
    after, metrics = run_update(algorithm, state)  # 128 env steps
    assert same(state.actor, after.actor)
    assert np.isnan(metrics["agent/critic_loss"])
    after, metrics = run_update(algorithm, after, round=1)
    assert not same(state.actor, after.actor)
    assert np.isfinite(metrics["agent/critic_loss"])
    narrow = after.replace(actor=jax.tree.map(lambda x: x - 2.0, after.actor))  # this lowers the log std too
    assert np.std(act(narrow, (), obs, jax.random.key(0))[0]) < 1.0, "now the policy acts"


def test_log_prob_of_a_border_action_is_finite():
    algorithm = small_sac(make_spec(obs=3, action=LOPSIDED))
    log_prob = jax.jit(algorithm.log_prob)(fresh(algorithm), jnp.zeros((3, 3)), jnp.array([[-2.0], [6.0], [9.0]]))
    assert np.all(np.isfinite(log_prob))


@pytest.mark.parametrize("action", [Discrete(2), Box(shape=(1,))], ids=["discrete", "unbounded"])
def test_actions_without_bounds_are_refused(action):
    with pytest.raises(ConfigError, match="needs real actions within bounds"):
        small_sac(make_spec(action=action))


@pytest.mark.parametrize(
    "change",
    [
        {"target_critics": 3},
        {"update_ratio": 0.0},
        {"temperature": "automatic"},
        {"temperature": -1.0},
        {"log_std_range": [2.0, -5.0]},
        {"replay_capacity": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_bad_settings_are_one_sentence(change):
    with pytest.raises(ConfigError, match=f"algorithm.{next(iter(change))}"):
        small_sac(make_spec(), **change)
