"""Tests of PPO's stabilisers, each by its effect on one update."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.shuffled_passes import shuffled_passes
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete
from rl_rewards.data.draws import shuffled
from tests.algorithms.small import small_ppo
from tests.algorithms.test_ppo_update import fresh, recorded, same, update
from tests.probes import experience_of, make_spec


@pytest.mark.parametrize(("final", "shares"), [(0.0, (1.0, 0.75, 0.5, 0.25)), (0.2, (1.0, 0.8, 0.6, 0.4))])
def test_linear_learning_rate_falls_over_the_whole_budget(final, shares):
    """The budget is four rounds of 256 steps and a remainder; only a round after the last would have the final rate."""
    linear = {"learning_rate_schedule": "linear", "final_learning_rate_share": final}
    algorithm = small_ppo(make_spec(), **linear).with_budget(4 * 256 + 255)
    found = [float(algorithm.learning_rate_share(jnp.int32(i))) for i in range(5)]
    np.testing.assert_allclose(found, (*shares, final), atol=1e-6)
    longer = algorithm.with_budget(8 * 256)
    assert float(longer.learning_rate_share(jnp.int32(4))) == pytest.approx(1.0 - (1.0 - final) / 2, abs=1e-6)


def test_the_scheduled_learning_rate_is_the_one_that_steps_are_made_with():
    """A round at half of the rate has the same update as a constant half rate, and the same optimiser state."""
    half = {"epochs": 1, "minibatches": 1}
    linear = small_ppo(make_spec(obs=3), learning_rate_schedule="linear", **half).with_budget(4 * 256)
    constant = small_ppo(make_spec(obs=3), learning_rate=5e-3, **half)
    state = fresh(constant)
    rollout = recorded(constant, state)
    after, metrics = update(linear, state, rollout, round=2)
    expected, other = update(constant, state, rollout)
    assert metrics["agent/learning_rate"] == pytest.approx(5e-3) and "agent/learning_rate" not in other
    for x, y in zip(jax.tree.leaves(after.params), jax.tree.leaves(expected.params), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-7)
    assert same(after.optimizer, expected.optimizer)
    first, _ = update(linear, state, rollout, round=0)
    full, _ = update(replace(constant, learning_rate=1e-2), state, rollout)
    assert same(first, full), "the first round has the full rate"


def test_a_schedule_without_a_budget_is_refused():
    algorithm = small_ppo(make_spec(obs=3), learning_rate_schedule="linear")
    state = fresh(algorithm)
    with pytest.raises(ConfigError, match=r"needs the length of the run; call with_budget"):
        update(algorithm, state, recorded(algorithm, state))


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match=rf"algorithm\.final_learning_rate_share={share} is a fraction"):
        small_ppo(make_spec(), final_learning_rate_share=share)


FAR = {"learning_rate": 0.1, "epochs": 3, "minibatches": 4}
"""With these settings, one step moves the policy much further than any of the small targets here."""


def test_target_kl_stops_the_round():
    """No pass learns from any minibatch after the first, whose own KL divergence is 0."""
    algorithm = small_ppo(make_spec(obs=3), target_kl=1e-5, **FAR)
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    after, metrics = update(algorithm, state, rollout)
    batch = jax.jit(lambda s: algorithm._batch(s, experience_of(rollout), rollout.env_reward, jnp.zeros(())))(state)
    order = shuffled(jax.random.split(jax.random.key(3), 3)[0], 32)[:8]
    first = jax.tree.map(lambda x: x[order], batch)
    (params, optimizer), _ = jax.jit(algorithm._step)((state.params, state.optimizer), first, 1.0)
    for x, y in zip(
        jax.tree.leaves((after.params, after.optimizer)), jax.tree.leaves((params, optimizer)), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=1e-5)
    assert int(after.optimizer[1][0].count) == 1
    assert metrics["agent/epochs_used"] == pytest.approx(1 / 4)
    further, _ = update(replace(algorithm, target_kl=None), state, rollout)
    assert int(further.optimizer[1][0].count) == 12


def test_target_kl_that_is_never_reached_changes_nothing():
    plain = small_ppo(make_spec(obs=3), **FAR)
    state = fresh(plain)
    rollout = recorded(plain, state)
    expected, metrics = update(plain, state, rollout)
    found, guarded = update(replace(plain, target_kl=1e6), state, rollout)
    for x, y in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)
    assert guarded["agent/epochs_used"] == 3.0
    assert guarded["agent/kl"] == pytest.approx(float(metrics["agent/kl"]), rel=1e-4)


def test_metrics_of_a_stopped_round_are_those_of_the_minibatches_it_looked_at():
    """Two of twelve minibatches count: the first, with KL divergence 0, and the one that was beyond target_kl."""
    algorithm = small_ppo(make_spec(obs=3), target_kl=1e-5, **FAR)
    state = fresh(algorithm)
    _, metrics = update(algorithm, state, recorded(algorithm, state))
    assert metrics["agent/kl"] > 0.5 * 1.5e-5
    assert metrics["agent/entropy"] == pytest.approx(2 * (-0.5 + 0.5 * (np.log(2 * np.pi) + 1)), abs=0.2)


def test_each_seed_stops_by_itself():
    """In one program with a seed that stops, a seed with advantages of 0 trains only its critic, to the end."""
    algorithm = small_ppo(make_spec(obs=3), target_kl=1e-5, normalize_advantage=False, value_weight=0.0, **FAR)
    state = fresh(algorithm)
    rollout = recorded(algorithm, state)
    batch = algorithm._batch(state, experience_of(rollout), rollout.env_reward, jnp.zeros(()))
    still = batch.replace(advantage=jnp.zeros_like(batch.advantage))
    both = jax.tree.map(lambda x, y: jnp.stack([x, y]), batch, still)
    learner = (state.params, state.optimizer)
    step = partial(algorithm._step, rate_share=1.0)
    sizes = {"epochs": algorithm.epochs, "minibatches": algorithm.minibatches, "target_kl": algorithm.target_kl}
    passes = jax.jit(jax.vmap(lambda b: shuffled_passes(step, learner, b, jax.random.key(3), **sizes)))
    (_, optimizer), metrics = passes(both)
    np.testing.assert_allclose(metrics["agent/epochs_used"], [1 / 4, 3.0])
    np.testing.assert_array_equal(optimizer[1][0].count, [1, 12])


def test_the_deviation_never_falls_below_its_floor_and_can_rise_from_it():
    """The entropy is first minimised, then maximised: the lower bound holds, and the log std rises from it at once."""
    settings = {"learning_rate": 0.1, "initial_log_std": -0.5, "min_log_std": -0.6}
    narrow = small_ppo(make_spec(obs=3), entropy_weight=-100.0, **settings)
    state = fresh(narrow)
    rollout = recorded(narrow, state)
    state, _ = update(narrow, state, rollout)
    np.testing.assert_array_equal(state.params["actor"]["params"]["log_std"], np.float32(-0.6))
    free, _ = update(replace(narrow, min_log_std=None), fresh(narrow), rollout)
    assert np.all(free.params["actor"]["params"]["log_std"] < -0.7), "without a lower bound it falls further"
    wide = replace(narrow, entropy_weight=100.0)
    state = state.replace(optimizer=wide.optimizer.init(state.params))
    state, _ = update(wide, state, rollout)
    assert np.all(state.params["actor"]["params"]["log_std"] > -0.6)


def test_a_policy_from_elsewhere_is_lifted_to_the_floor():
    """A policy from a run with a lower bound below this one's is raised to it, in acting and in adopting."""
    spec = make_spec(obs=3)
    learned = fresh(small_ppo(spec, initial_log_std=-3.0))
    algorithm = small_ppo(spec, min_log_std=-1.0)
    state = algorithm.adopt(fresh(algorithm), learned)
    np.testing.assert_array_equal(state.params["actor"]["params"]["log_std"], np.float32(-1.0))
    below = state.replace(params=learned.params)
    action, _, behaviour = algorithm.act(below, (), jnp.zeros((4096, 3)), jax.random.key(0), True)
    np.testing.assert_allclose(np.std(action, axis=0), np.exp(-1.0), rtol=0.05)
    np.testing.assert_allclose(
        algorithm.log_prob(below, jnp.zeros((4096, 3)), action), behaviour["log_prob"], atol=1e-5
    )


def test_the_reward_scale_keeps_a_share_of_its_peak():
    """If rewards shrink to a thousandth, the scale falls to the given fraction of its peak, and no further."""
    floored = small_ppo(make_spec(obs=3), normalize_reward=True, reward_scale_decay=0.0, reward_scale_floor=0.5)
    plain = replace(floored, reward_scale_floor=None)
    state, free = fresh(floored), fresh(plain)
    rollout = recorded(floored, state)
    scales, free_scales = [], []
    for size in (0.1, 1.0, 0.9, 1e-3, 1e-3, 4.0):
        state, metrics = update(floored, state, rollout, scale=size)
        free, other = update(plain, free, rollout, scale=size)
        scales.append(float(metrics["agent/reward_scale"]))
        free_scales.append(float(other["agent/reward_scale"]))
    np.testing.assert_allclose(np.array(free_scales) / free_scales[1], [0.1, 1.0, 0.9, 1e-3, 1e-3, 4.0], rtol=1e-3)
    np.testing.assert_allclose(np.array(scales) / free_scales[1], [0.1, 1.0, 0.9, 0.5, 0.5, 4.0], rtol=1e-3)
    state, metrics = update(floored, state, rollout, scale=1e-3)
    free, other = update(plain, free, rollout, scale=1e-3)
    worth = [_worth(floored, state, rollout), _worth(plain, free, rollout)]
    np.testing.assert_allclose(
        worth[0] * metrics["agent/reward_scale"], worth[1] * other["agent/reward_scale"], rtol=1e-3, atol=1e-6
    )
    assert np.max(np.abs(worth[0])) < 1e-3 * np.max(np.abs(worth[1])), "tiny rewards stay tiny"


def test_options_that_are_off_leave_older_checkpoints_readable():
    """orbax refuses a checkpoint with one field more or less, even if its value is None."""
    state = fresh(small_ppo(make_spec()))
    assert set(vars(state)) == {"params", "optimizer", "obs_moments", "reward_scale"}
    assert set(vars(state.reward_scale)) == {"weight", "mean", "square"}
    assert "peak" in vars(fresh(small_ppo(make_spec(), normalize_reward=True, reward_scale_floor=0.5)).reward_scale)
    carried = fresh(small_ppo(make_spec(), normalize_reward=True, carry_returns=True))
    assert carried.reward_scale.running.shape == (small_ppo(make_spec()).num_envs,)
    unused = fresh(small_ppo(make_spec(), normalize_reward=False, carry_returns=True))
    assert set(vars(unused.reward_scale)) == {"weight", "mean", "square"}


def _worth(algorithm, state, rollout):
    """Return the advantages of rewards that are a thousandth of the others."""
    experience = experience_of(rollout)
    paid, unpaid = (algorithm._batch(state, experience, x * rollout.env_reward, jnp.zeros(())) for x in (1e-3, 0.0))
    return np.asarray(paid.advantage - unpaid.advantage)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"target_kl": 0.0}, r"algorithm\.target_kl=0\.0 must be positive, or null"),
        ({"min_log_std": 0.0}, r"algorithm\.min_log_std=0\.0 must not be above algorithm\.initial_log_std=-0\.5"),
        (
            {"min_log_std": -1.0, "action": Discrete(3)},
            r"min_log_std=-1\.0 is only for continuous actions, .* of test are discrete",
        ),
        ({"reward_scale_floor": 2.0, "normalize_reward": True}, r"algorithm\.reward_scale_floor=2\.0 is a fraction"),
        ({"reward_scale_floor": 0.5}, r"reward_scale_floor=0\.5 needs algorithm\.normalize_reward=true"),
    ],
)
def test_options_that_cannot_hold_are_refused(changes, told):
    action = changes.pop("action", 2)
    with pytest.raises(ConfigError, match=told):
        small_ppo(make_spec(action=action), **changes)
