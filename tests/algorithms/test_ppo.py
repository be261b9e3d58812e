"""PPO against environments whose values are known, and its parts one by one."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from rl_rewards.algorithms.ppo import PPO
from rl_rewards.core.types import Box, Discrete, EnvSpec, RewardFn, Transition
from rl_rewards.loop.train import Parts, Rounds, init_state, make_round
from rl_rewards.rewards.environment import EnvironmentReward
from tests import probes
from tests.probes import experience_of, make, make_rollout, make_spec

DISCOUNT = 0.5
LOPSIDED = Box(shape=(1,), low=(-2.0,), high=(6.0,))  # the network's [-1, 1] is neither centred nor scaled like this

SMALL = {
    "num_envs": 32,
    "rollout_length": 8,
    "discount": DISCOUNT,
    "trace_decay": 0.95,
    "learning_rate": 1e-2,
    "max_gradient_norm": 0.5,
    "epochs": 4,
    "minibatches": 2,
    "clip": 0.2,
    "value_weight": 0.5,
    "entropy_weight": 0.0,
    "hidden": [16],
    "activation": "tanh",
    "initial_log_std": -0.5,
    "normalize_obs": True,
    "obs_clip": 8.0,
    "normalize_reward": False,
    "reward_scale_decay": 0.9,
}
"""Every value is given, so that the YAML's defaults may be tuned freely."""


def small_ppo(spec: EnvSpec, **changes) -> PPO:
    return make("algorithm", "ppo", spec, **(SMALL | changes))


def train(env, algorithm: PPO, rounds: int, seed: int = 0):
    """The state after ``rounds`` rounds with the environment's own reward, and the metrics of each."""
    parts = Parts(env, EnvironmentReward(spec=env.spec), algorithm)
    state = init_state(parts, jax.random.key(seed))
    run = Rounds(parts, {}, state, None)
    rows = []
    for i in range(rounds):
        state, metrics = run(state, i)
        rows.append(metrics)
    return state.agent, jax.device_get(rows)


def values_and_actions(algorithm: PPO, agent, obs: list[float]):
    obs = jnp.asarray(obs)[:, None]
    values = jax.jit(lambda s, o: algorithm._value(s.params, algorithm._inputs(s, o)))(agent, obs)
    actions, _ = jax.jit(partial(algorithm.act, explore=False))(agent, obs, jax.random.key(0))
    return np.asarray(values), np.asarray(actions).reshape(-1)


VALUE_PROBES = {
    "constant": (probes.ConstantReward(), [0.0], [1.0]),
    "constant_truncated": (probes.ConstantReward(truncates=True), [0.0], [1.0 / (1.0 - DISCOUNT)]),
    "obs": (probes.ObsReward(), [-1.0, 1.0], [-1.0, 1.0]),
    "discounted": (probes.DiscountedReward(), [0.0, 1.0], [DISCOUNT, 1.0]),
}


@pytest.mark.parametrize("name", VALUE_PROBES)
def test_values_on_probes(name):
    env, obs, expected = VALUE_PROBES[name]
    algorithm = small_ppo(env.spec)
    agent, _ = train(env, algorithm, rounds=60)
    values, _ = values_and_actions(algorithm, agent, obs)
    np.testing.assert_allclose(values, expected, atol=0.1)


@pytest.mark.parametrize("action", [Discrete(2), LOPSIDED], ids=["discrete", "continuous"])
@pytest.mark.parametrize("probe", [probes.ActionReward, probes.ObsActionReward])
def test_policy_and_values_on_probes(probe, action):
    env = probe(action=action)
    # In env units the initial deviation of the lopsided action is 4 exp(-2) = 0.5, which costs 0.3 of value.
    algorithm = small_ppo(env.spec, initial_log_std=-2.0)
    agent, _ = train(env, algorithm, rounds=80)
    obs = np.array([0.0] if probe is probes.ActionReward else [-1.0, 1.0])
    values, actions = values_and_actions(algorithm, agent, obs.tolist())
    target = np.where(obs >= 0.0, 1.0, 0.0 if isinstance(action, Discrete) else -1.0)
    np.testing.assert_allclose(actions, target, atol=0.35, err_msg="the deterministic policy picks the best action")
    expected = 1.0
    if not isinstance(action, Discrete):
        std = 4.0 * np.exp(np.asarray(agent.params["actor"]["params"]["log_std"]))
        expected -= float(std[0]) ** 2  # what exploring costs
    np.testing.assert_allclose(values, expected, atol=0.15)


@pytest.mark.parametrize("action", [Discrete(3), LOPSIDED], ids=["discrete", "continuous"])
def test_first_ratio_is_one_in_every_round(action):
    """The recorded log-probabilities are those of the policy that the update starts from, whatever moved before."""
    env = probes.ObsActionReward(action=action)
    algorithm = small_ppo(env.spec, epochs=1, minibatches=1, learning_rate=0.1, normalize_obs=True)
    _, rows = train(env, algorithm, rounds=4)
    np.testing.assert_allclose([row["agent/kl"] for row in rows], 0.0, atol=1e-6)
    assert all(row["agent/clip_fraction"] == 0.0 for row in rows)
    policy_losses = np.array([row["agent/policy_loss"] for row in rows])
    np.testing.assert_allclose(policy_losses, 0.0, atol=1e-4, err_msg="a ratio of 1 weighs a zero-mean advantage")
    assert rows[0]["agent/entropy"] != rows[-1]["agent/entropy"], "the policy did move between the rounds"


def test_whole_round_reuses_no_key():
    """Under jax_debug_key_reuse: the compiled Rounds are not checked by JAX, a plain jit is."""
    env = probes.ObsActionReward()
    parts = Parts(env, EnvironmentReward(spec=env.spec), small_ppo(env.spec, epochs=1))
    state = init_state(parts, jax.random.key(0))
    _, metrics = jax.jit(make_round(parts, {}))(state, jnp.zeros((), jnp.int32))
    assert metrics["agent/finite"]


# One update on a made-up rollout.


def fresh(algorithm: PPO):
    return jax.jit(algorithm.init)(jax.random.key(0))


def recorded(algorithm: PPO, state, length=8, num_envs=4, **changes) -> Transition:
    """A random rollout whose actions and log-probabilities are the policy's own."""
    rollout = make_rollout(algorithm.spec, length, num_envs, **changes)
    action, behaviour = jax.jit(partial(algorithm.act, explore=True))(state, rollout.obs, jax.random.key(7))
    return rollout.replace(action=action, behaviour=behaviour)


def update(algorithm: PPO, state, rollout: Transition, scale: float = 1.0):
    rewards = RewardFn(call=lambda transitions: scale * transitions.env_reward, absorbing=jnp.zeros(()))
    step = jax.jit(
        lambda s, r: algorithm.update(s, experience_of(r), rewards, jnp.zeros((), jnp.int32), jax.random.key(3))
    )
    return step(state, rollout)


def same(tree, other) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True))


@pytest.mark.parametrize("action", [Discrete(3), LOPSIDED], ids=["discrete", "continuous"])
def test_log_prob_is_what_act_recorded(action):
    algorithm = small_ppo(make_spec(obs=3, action=action))
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    log_prob = jax.jit(algorithm.log_prob)(state, rollout.obs, rollout.action)
    np.testing.assert_allclose(log_prob, rollout.behaviour["log_prob"], atol=1e-5)


def test_padding_has_no_influence():
    """Whatever stands in invalid rows behind an episode's end: the new state is the same to the bit."""
    algorithm = small_ppo(make_spec(obs=3), normalize_reward=True, entropy_weight=0.01)
    state = fresh(algorithm)
    valid = np.ones((8, 4), bool)
    valid[5:, :2] = False
    terminated = np.zeros((8, 4), bool)
    terminated[4, :2] = True
    rollout = recorded(algorithm, state, valid=valid, terminated=terminated)
    other = make_rollout(algorithm.spec, 8, 4, seed=1).replace(behaviour=rollout.behaviour)

    def take(where):
        def leaf(x, y):
            return jnp.where(where.reshape(where.shape + (1,) * (x.ndim - 2)), y, x)

        return jax.tree.map(leaf, rollout, other.replace(valid=rollout.valid, terminated=rollout.terminated))

    after, _ = update(algorithm, state, rollout)
    garbage, metrics = update(algorithm, state, take(~rollout.valid))
    assert same(after, garbage), "invalid rows moved something"
    assert metrics["agent/reward_mean"] == pytest.approx(
        float(np.mean(np.asarray(rollout.env_reward)[valid])), abs=1e-5
    )
    changed, _ = update(algorithm, state, take(rollout.valid))
    assert not same(after, changed), "valid rows must move something, or this test proves nothing"


def test_reward_scale_does_not_matter():
    algorithm = small_ppo(make_spec(obs=3), normalize_reward=True)
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    small, metrics = update(algorithm, state, rollout)
    large, large_metrics = update(algorithm, state, rollout, scale=1000.0)
    for x, y in zip(jax.tree.leaves(small.params), jax.tree.leaves(large.params), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4)
    assert large_metrics["agent/reward_mean"] == pytest.approx(
        1000.0 * float(metrics["agent/reward_mean"]), rel=1e-4
    ), "what is logged stays raw"
    plain = replace(algorithm, normalize_reward=False)
    small, _ = update(plain, state, rollout)
    large, _ = update(plain, state, rollout, scale=1000.0)
    assert not np.allclose(
        small.params["critic"]["params"]["Dense_1"]["kernel"],
        large.params["critic"]["params"]["Dense_1"]["kernel"],
        atol=1e-4,
    )


def test_absorbing_reward_is_what_a_termination_is_worth():
    """A termination with absorbing reward r is worth discount * r / (1 - discount) more than one with 0."""
    algorithm = small_ppo(make_spec(obs=3), trace_decay=0.9)
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    rollout = rollout.replace(terminated=rollout.terminated.at[-1].set(True))
    batch = jax.jit(algorithm._batch)
    batches = [batch(state, rollout, rollout.env_reward, jnp.float32(r)) for r in (0.0, 3.0)]
    gain = (batches[1].value_target - batches[0].value_target).reshape(8, 4)
    expected = DISCOUNT * 3.0 / (1.0 - DISCOUNT) * (DISCOUNT * 0.9) ** np.arange(7, -1, -1)
    np.testing.assert_allclose(gain, np.repeat(expected[:, None], 4, axis=1), atol=1e-4)


def test_gradients_are_clipped_by_their_global_norm():
    """Against a hand-made first Adam step on g * max_norm / |g|; an elementwise clip would give another direction."""
    algorithm = small_ppo(make_spec(), max_gradient_norm=1e-5, learning_rate=0.1)
    gradients = {"actor": np.array([3.0, 0.0, -1.0]), "critic": np.array([[4.0], [0.5]])}
    gradients = jax.tree.map(lambda x: jnp.asarray(100.0 * x, jnp.float32), gradients)
    updates, _ = jax.jit(lambda g: algorithm.optimizer.update(g, algorithm.optimizer.init(g)))(gradients)
    norm = np.sqrt(sum(np.sum(np.square(x)) for x in jax.tree.leaves(gradients)))
    for gradient, got in zip(jax.tree.leaves(gradients), jax.tree.leaves(updates), strict=True):
        clipped = np.asarray(gradient) * 1e-5 / norm
        np.testing.assert_allclose(got, -0.1 * clipped / (np.abs(clipped) + 1e-5), rtol=1e-3)


@struct.dataclass
class Tally:
    step: jax.Array
    seen: jax.Array  # [gradient steps, samples] how often


class TallyingPPO(PPO):
    """Counts, in place of learning, which samples each gradient step sees; they carry their index as log_prob."""

    def _step(self, carry, batch):
        params, optimizer = carry
        tally = params["tally"]
        seen = tally.seen.at[tally.step, batch.log_prob.astype(jnp.int32)].add(1)
        return (params | {"tally": Tally(tally.step + 1, seen)}, optimizer), {}


def test_every_epoch_sees_every_sample_once():
    base = small_ppo(make_spec(), epochs=3, minibatches=4)
    algorithm = TallyingPPO(**{name: getattr(base, name) for name, f in base.__dataclass_fields__.items() if f.init})
    state = fresh(algorithm)
    tally = Tally(jnp.zeros((), jnp.int32), jnp.zeros((3 * 4, 32), jnp.int32))
    state = state.replace(params=state.params | {"tally": tally})
    index = jnp.arange(32.0).reshape(8, 4)
    rollout = make_rollout(algorithm.spec, 8, 4).replace(behaviour={"log_prob": index})
    after, _ = update(algorithm, state, rollout)
    seen = np.asarray(after.params["tally"].seen).reshape(3, 4, 32)
    np.testing.assert_array_equal(seen.sum(axis=1), 1, err_msg="once an epoch")
    np.testing.assert_array_equal(seen.sum(axis=2), 8, err_msg="minibatches of equal size")
    assert not np.array_equal(seen[0], seen[1]), "every epoch shuffles anew"
    assert not np.array_equal(seen[0].argmax(axis=0), np.repeat(np.arange(4), 8)), "samples are shuffled at all"


def test_observation_statistics_move_once_after_the_update():
    algorithm = small_ppo(make_spec(obs=3))
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    after, _ = update(algorithm, state, rollout)
    flat = np.asarray(rollout.obs).reshape(-1, 3)
    np.testing.assert_allclose(after.obs_moments.mean, flat.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(after.obs_moments.variance, flat.var(axis=0), atol=1e-5)
