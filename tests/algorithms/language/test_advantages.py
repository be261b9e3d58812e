"""Tests of the advantages of responses and tokens, and of the loss, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.algorithms.language.policy_gradient import RewardedResponses
from rl_rewards.algorithms.language.responses import responses_of
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Transition
from tests.algorithms.language.probe import END, PAD, PROMPT, TEXT, learner, text_spec
from tests.probes import make_rollout

RESPONSE = np.array([[2, 3, END], [3, END, PAD], [2, 2, 2], [END, PAD, PAD]], np.int32)
MASK = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 0, 0]], bool)
REWARD = np.array([1.0, 3.0, 2.0, -2.0])
KL = np.array([[0.1, 0.2, 0.3], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
RETURNS = REWARD - KL.sum(axis=1)


def responses(transitions: Transition | None = None):
    rollout = make_rollout(text_spec(), 1, 4)
    obs = np.zeros((1, 4, PROMPT + 3), np.int32)
    obs[..., PROMPT - 1] = 2
    return responses_of(TEXT, rollout.replace(obs=jnp.asarray(obs), action=jnp.asarray(RESPONSE[None])))


def judged() -> RewardedResponses:
    return RewardedResponses(responses(), jnp.asarray(REWARD), jnp.asarray(KL), jnp.zeros((4, 3, 16)))


def advantages(name: str, **changes):
    algorithm = learner(name, num_envs=4, minibatches=1, **changes)
    state = jax.eval_shape(algorithm.init, jax.random.key(0)) if name != "ppo_lm" else algorithm.init(jax.random.key(0))
    return algorithm.token_advantages(state, judged())


def test_the_mask_of_a_response_includes_its_end_and_no_padding():
    found = responses()
    np.testing.assert_array_equal(found.mask, MASK)
    np.testing.assert_array_equal(found.ended, [True, True, False, True])
    assert found.prompt.shape == (4, PROMPT)


@pytest.mark.parametrize("baseline", ["mean", "none"])
def test_reinforce_subtracts_the_mean_of_the_batch(baseline):
    found, _, _ = advantages("reinforce_lm", baseline=baseline)
    expected = RETURNS - (RETURNS.mean() if baseline == "mean" else 0.0)
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 3, axis=1), rtol=1e-6)


def test_rloo_subtracts_the_mean_of_the_others():
    found, _, _ = advantages("rloo", same_start=4)
    others = np.array([np.delete(RETURNS, i).mean() for i in range(4)])
    np.testing.assert_allclose(found[:, 0], RETURNS - others, rtol=1e-6)


@pytest.mark.parametrize("divides", [True, False])
def test_grpo_standardises_within_each_prompt(divides):
    found, _, _ = advantages("grpo", same_start=2, divide_by_deviation=divides)
    groups = RETURNS.reshape(2, 2)
    expected = groups - groups.mean(axis=1, keepdims=True)
    if divides:
        expected /= groups.std(axis=1, keepdims=True) + 1e-4
    np.testing.assert_allclose(found[:, 0], expected.reshape(-1), rtol=1e-5)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_ppo_pays_the_reward_with_the_last_token_and_the_divergence_with_each(decay):
    found, target, _ = advantages("ppo_lm", trace_decay=decay)  # the critic begins at 0
    expected = np.zeros((4, 3))
    for i, length in enumerate(MASK.sum(axis=1)):
        paid = -KL[i].copy()
        paid[length - 1] += REWARD[i]
        for t in range(length):
            expected[i, t] = sum(decay ** (u - t) * paid[u] for u in range(t, length))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(target, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("token", (6 + 2 + 0 + 5) / 9),
        ("response", (6 / 3 + 2 / 2 + 0 + 5 / 1) / 4),
        ("constant", (6 + 2 + 0 + 5) / 12),
    ],
)
def test_the_three_means_of_a_loss(kind, expected):
    values = np.array([[1, 2, 3], [1, 1, 9], [0, 0, 0], [5, 9, 9]], float)
    algorithm = learner("rloo", num_envs=4, minibatches=1, loss_mean=kind)
    assert float(algorithm._mean(jnp.asarray(values), jnp.asarray(MASK))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("rloo", {"same_start": 1}, "must be at least 2"),
        ("grpo", {"num_envs": 6}, "must be a multiple of the algorithm.same_start=4"),
        ("rloo", {"minibatches": 3}, "algorithm.minibatches=3 must divide algorithm.num_envs=128"),
        ("rloo", {"kl_estimator": "k3"}, "cannot be part of the reward"),
        ("rloo", {"kl_goal": 2.0, "kl_coefficient": 0.0}, "cannot begin with algorithm.kl_coefficient=0"),
        ("rloo", {"model": {"vocabulary": 5}}, "algorithm.model.vocabulary=5 is less than the 6 tokens of echo"),
        ("lm", {"data": None}, "name some: data=FILE.npz"),
        ("dpo", {"loss": "ipo", "label_smoothing": 0.1}, "belongs to algorithm.loss=dpo"),
        ("best_of_n", {"minibatches": 5}, "must divide the 16 prompts of a round"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(name, changes, message):
    with pytest.raises(ConfigError, match=message):
        learner(name, **changes)


def test_an_environment_without_texts_is_refused():
    from tests.probes import make_spec

    with pytest.raises(ConfigError, match="RLOO learns from texts, and test has none; choose env=text"):
        learner("rloo", make_spec())
