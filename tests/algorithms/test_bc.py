"""Tests that behaviour cloning imitates, stops early, never trains on held-out steps, and steps no environment."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Discrete, Experience, Transition
from rl_rewards.data.dataset import Dataset
from rl_rewards.rewards.base import reward_fn
from rl_rewards.rewards.environment import EnvironmentReward
from tests.algorithms.small import LOPSIDED
from tests.demonstrations import point_file
from tests.probes import make, make_rollout, make_spec
from tests.runs import build, composed, rows, run_here, unexplained

SMALL = {
    "demos": "any.npz",
    "rounds": 20,
    "gradient_steps": 100,
    "batch_size": 64,
    "learning_rate": 3e-3,
    "weight_decay": 0.0,
    "entropy_weight": 0.0,
    "validation_share": 0.25,
    "patience": 5,
    "model": {"hidden": [32], "activation": "tanh"},
    "initial_log_std": -0.5,
    "normalize_obs": True,
    "obs_clip": 8.0,
}


def demos_of(spec, expert, n: int = 400) -> Transition:
    rollout = make_rollout(spec, n, 1)
    one = jax.tree.map(lambda x: jnp.asarray(x)[:, 0], rollout).replace(behaviour={}, info={})
    return one.replace(action=expert(one.obs), is_demo=jnp.ones(n, bool))


def cloned(spec, demos: Transition, rounds: int, **changes):
    algorithm = make("algorithm", "bc", spec, **(SMALL | changes))
    source = EnvironmentReward(spec=spec)
    experience = Experience(None, *[lambda *_: None] * 3, dataset=Dataset.of_single_steps(demos, len(demos.valid)))
    update = jax.jit(lambda s, i: algorithm.update(s, experience, reward_fn(source, {}), i, jax.random.key(i)))
    state, seen = jax.jit(algorithm.init)(jax.random.key(0)), []
    for i in range(rounds):
        state, metrics = update(state, jnp.int32(i))
        seen.append(jax.device_get(metrics))
    return algorithm, state, seen


def test_it_imitates_real_actions_in_the_envs_units():
    spec = make_spec(obs=2, action=LOPSIDED)

    def expert(obs):
        return 2.0 + 3.0 * jnp.tanh(obs[:, :1] - obs[:, 1:])

    demos = demos_of(spec, expert)
    algorithm, state, seen = cloned(spec, demos, rounds=15)
    fresh = jnp.asarray(np.random.default_rng(5).normal(size=(100, 2)), jnp.float32)
    action, _, _ = algorithm.act(state, (), fresh, jax.random.key(0), explore=False)
    assert float(jnp.abs(action - expert(fresh)).mean()) < 0.3, "small for a range of 6"
    assert seen[-1]["agent/validation_loss"] < seen[0]["agent/validation_loss"] - 1.0


def test_it_imitates_discrete_actions():
    spec = make_spec(obs=2, action=Discrete(3))

    def expert(obs):
        return jnp.digitize(obs[:, 0], jnp.array([-0.5, 0.5])).astype(jnp.int32)

    algorithm, state, _ = cloned(spec, demos_of(spec, expert), rounds=10)
    fresh = jnp.asarray(np.random.default_rng(5).normal(size=(200, 2)), jnp.float32)
    action, _, _ = algorithm.act(state, (), fresh, jax.random.key(0), explore=False)
    assert float(jnp.mean(action == expert(fresh))) > 0.9


def test_the_best_on_heldout_steps_acts_and_it_stops():
    """With actions of pure noise, the training loss keeps falling, but the validation loss does not."""
    spec = make_spec(obs=2, action=Discrete(2))
    noise = np.random.default_rng(1).integers(0, 2, 60).astype(np.int32)
    demos = demos_of(spec, lambda obs: jnp.asarray(noise), n=60)
    algorithm, state, seen = cloned(spec, demos, rounds=20, patience=3, model={"hidden": [64]})
    losses = [m["agent/validation_loss"] for m in seen if np.isfinite(m["agent/validation_loss"])]
    assert float(state.best_loss) == min(losses) < losses[-1]
    assert len(losses) == int(np.argmin(losses)) + 1 + 3 < 20, "training stops after three rounds without improvement"
    stopped = [bool(m["agent/stopped"]) for m in seen]
    assert stopped == [i >= len(losses) - 1 for i in range(20)], "reported in the round in which it stops"
    best = algorithm.act(state, (), demos.obs, jax.random.key(0), explore=False)[2]["log_prob"]
    trained = state.replace(best=state.params)
    moved = algorithm.act(trained, (), demos.obs, jax.random.key(0), explore=False)[2]["log_prob"]
    assert not np.allclose(best, moved)


def test_heldout_steps_and_padding_are_never_trained_on():
    spec = make_spec(obs=2, action=1)
    demos = demos_of(spec, lambda obs: 0.5 * jnp.sign(obs[:, :1]), n=100)
    demos = demos.replace(valid=jnp.arange(100) < 80)
    algorithm, state, _ = cloned(spec, demos, rounds=1)
    heldout = np.asarray(algorithm._heldout(state, demos))
    assert heldout.sum() == 20 and not heldout[80:].any()
    unseen = jnp.asarray(heldout | ~np.asarray(demos.valid))[:, None]
    spoiled = demos.replace(action=jnp.where(unseen, 0.9, demos.action))
    _, other, _ = cloned(spec, spoiled, rounds=1)
    for one, two in zip(jax.tree.leaves(state.params), jax.tree.leaves(other.params), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_takes_no_environment_step(tmp_path):
    path = point_file(tmp_path)
    options = ("env=point", "reward=environment", "algorithm=bc", f"demos={path}", "algorithm.rounds=6")
    last = run_here(tmp_path / "run", *options, "algorithm.gradient_steps=50")
    assert last["env_steps"] == 0 and last["gradient_steps"] == 300
    assert last["eval/success_deterministic"] > 0.9
    assert "time/env_steps_per_second" not in last
    assert "eval/demo_return" in last and unexplained(tmp_path / "run") == set(), "the glossary lacks a metric"
    assert [row["gradient_steps"] for row in rows(tmp_path / "run")] == [50, 100, 150, 200, 250, 300]


def test_refusals(tmp_path):
    with pytest.raises(ConfigError, match=r"algorithm=bc learns from demonstrations; name some: demos=FILE\.npz"):
        build.build(composed("env=point", "reward=environment", "algorithm=bc"))
    with pytest.raises(ConfigError, match="This reward learns from rollouts of the policy"):
        build.build(composed("env=point", "algorithm=bc", "demos=any.npz"))
    spec = make_spec()
    for changes, message in (({"patience": 0}, "patience=0"), ({"validation_share": 1.0}, "validation_share=1.0")):
        with pytest.raises(ConfigError, match=message):
            make("algorithm", "bc", spec, **(SMALL | changes))
