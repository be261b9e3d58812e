"""What holds PPO still when its reward moves: each option by what it does to one update."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from tests.algorithms.small import small_ppo
from tests.algorithms.test_ppo_update import fresh, recorded, same, update
from tests.probes import make_spec


@pytest.mark.parametrize(("final", "shares"), [(0.0, (1.0, 0.75, 0.5, 0.25)), (0.2, (1.0, 0.8, 0.6, 0.4))])
def test_linear_learning_rate_falls_over_the_whole_budget(final, shares):
    """Four rounds of 256 steps, and what is left over: the last round still learns, the one after would have final."""
    linear = {"learning_rate_schedule": "linear", "final_learning_rate_share": final}
    algorithm = small_ppo(make_spec(), **linear).with_budget(4 * 256 + 255)
    found = [float(algorithm.learning_rate_share(jnp.int32(i))) for i in range(5)]
    np.testing.assert_allclose(found, (*shares, final), atol=1e-6)
    longer = algorithm.with_budget(8 * 256)
    assert float(longer.learning_rate_share(jnp.int32(4))) == pytest.approx(1.0 - (1.0 - final) / 2, abs=1e-6)


def test_the_scheduled_learning_rate_is_the_one_that_steps_are_made_with():
    """A round with half of the learning rate moves what a constant half moves; its optimiser's state is the same."""
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
    assert same(first, full), "the first round has all of it"


def test_a_schedule_without_a_budget_is_refused():
    algorithm = small_ppo(make_spec(obs=3), learning_rate_schedule="linear")
    state = fresh(algorithm)
    with pytest.raises(ConfigError, match=r"needs the length of the run; give it with with_budget"):
        update(algorithm, state, recorded(algorithm, state))


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigError, match=rf"algorithm\.final_learning_rate_share={share} is a share"):
        small_ppo(make_spec(), final_learning_rate_share=share)
