"""Tests of losses against their definitions in numpy and against numbers computed by hand."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from rl_rewards.core.losses import binary_cross_entropy, clipped_surrogate, masked_mean, non_negative_pu


def test_masked_mean_is_of_the_valid_ones():
    values, valid = jnp.array([1.0, 2.0, jnp.nan, 9.0]), jnp.array([True, True, False, True])
    assert float(masked_mean(values, valid)) == 4.0
    assert float(masked_mean(values, jnp.zeros(4, bool))) == 0.0


def test_cross_entropy_is_that_of_the_sigmoid():
    logits = np.linspace(-5.0, 5.0, 11, dtype=np.float32)
    targets = np.linspace(0.0, 1.0, 11, dtype=np.float32)
    p = expit(logits.astype(np.float64))
    expected = -targets * np.log(p) - (1 - targets) * np.log(1 - p)
    np.testing.assert_allclose(binary_cross_entropy(jnp.asarray(logits), jnp.asarray(targets)), expected, rtol=1e-4)


def test_cross_entropy_of_a_sure_and_wrong_output_is_finite():
    losses = binary_cross_entropy(jnp.array([200.0, -200.0]), jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(losses, 200.0)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.0, 2.0, -2.0),
        (1.5, 2.0, -2.4),  # gain is capped at 1 + clip
        (0.5, 2.0, -1.0),  # a smaller gain is not capped
        (0.5, -2.0, 1.6),  # avoiding a bad action is capped at 1 - clip
        (1.5, -2.0, 3.0),  # choosing it more often is not capped
    ],
)
def test_clipped_surrogate(ratio, advantage, expected):
    loss = clipped_surrogate(jnp.log(jnp.array([ratio])), jnp.array([advantage]), 0.2)
    assert float(loss[0]) == pytest.approx(expected, rel=1e-5)


def test_positive_unlabelled_risk_on_known_numbers():
    """The losses are softplus(-f) = 1 and softplus(f) = 3 on goals, softplus(f) = 2 on the rest; the prior is 0.25.

    0.25 * 1 + max(0, 2 - 0.25 * 3) = 1.5; with prior 0.75, the second part would be negative and is clipped at 0.
    """

    def logit(loss):  # softplus(logit) = loss
        return float(np.log(np.expm1(loss)))

    unlabelled = jnp.array([logit(2.0)] * 3)
    on_goals = logit(3.0)
    as_goal = float(np.log1p(np.exp(-on_goals)))  # softplus(-f)
    goals = jnp.array([on_goals, on_goals])
    assert float(non_negative_pu(goals, unlabelled, 0.25)) == pytest.approx(0.25 * as_goal + 1.25, rel=1e-5)
    assert float(non_negative_pu(goals, unlabelled, 0.75)) == pytest.approx(0.75 * as_goal, rel=1e-5), (
        "the second part is never negative"
    )


def test_positive_unlabelled_risk_averages_each_kind_by_itself():
    goals, unlabelled = np.array([1.0, -2.0], np.float32), np.array([0.5, 2.0, -1.0], np.float32)

    def softplus(x):
        return np.log1p(np.exp(x))

    expected = 0.3 * softplus(-goals).mean() + max(0.0, softplus(unlabelled).mean() - 0.3 * softplus(goals).mean())
    assert float(non_negative_pu(jnp.asarray(goals), jnp.asarray(unlabelled), 0.3)) == pytest.approx(expected, rel=1e-5)
