"""env=weighted: another environment whose observations tell the weights of objectives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.objectives import plain_obs
from rl_rewards.envs.weighted import WeightedText, WeightedVectors
from rl_rewards.loop.build import build_env
from tests.runs import composed

ROBOT = ("env@env.of=driver", "env.objectives=[fast,gentle]")


def weighted(*overrides: str) -> Any:
    return build_env(composed("env=weighted", *overrides))


def test_a_robot_sees_the_weights_of_its_episode_and_moves_as_without():
    env = weighted(*ROBOT, "env.weight_steps=2")
    assert isinstance(env, WeightedVectors)
    np.testing.assert_array_equal(env.lattice, [[0, 2], [1, 1], [2, 0]])
    states = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 64))
    assert {tuple(one) for one in states.weights.tolist()} == {(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)}
    one, action = jax.tree.map(lambda x: x[0], states), jnp.array([0.3, 0.8])
    after, out = env.step(jax.random.key(1), one, action)
    inner, expected = env.of.step(jax.random.key(1), one.inner, action)
    np.testing.assert_array_equal(env.observe(one), [*env.of.observe(one.inner), *one.weights])
    np.testing.assert_array_equal(out.next_obs, [*expected.next_obs, *one.weights])
    np.testing.assert_array_equal(out.info["weights"], one.weights)
    assert out.env_reward == expected.env_reward and after.weights is one.weights
    np.testing.assert_array_equal(after.inner.cars, inner.cars)


def test_a_prompt_begins_with_the_weights_and_is_judged_without():
    env = weighted()
    assert isinstance(env, WeightedText) and env.spec.text is not None
    prompts, shares = env.prompts
    plain, once = env.of.prompts
    assert len(prompts) == 5 * len(plain) and np.sum(shares) == pytest.approx(np.sum(once))
    said = [env.codec.decode(row) for row in prompts[:5]]
    prompt = env.of.codec.decode(plain[0])
    assert said == [f"{k + 1} {5 - k} {prompt}" for k in range(5)]
    corpus = env.demonstrate(np.random.default_rng(0), 50, "mixed")
    judged = env.judge(jnp.asarray(corpus.obs), jnp.asarray(corpus.action))
    alone = env.of.judge(plain_obs(env.spec, jnp.asarray(corpus.obs)), jnp.asarray(corpus.action))
    np.testing.assert_array_equal(judged.reward, alone.reward)
    np.testing.assert_allclose(judged.info["weights"].sum(axis=-1), 1.0)
    marks = [int(env.codec.decode(row).split()[0]) - 1 for row in corpus.obs]
    np.testing.assert_allclose(judged.info["weights"][:, 0], np.array(marks) / 4)


def test_evaluations_have_the_weights_that_the_user_chooses():
    env = weighted("env.evaluated_weights=[0.75,0.25]").episodes.evaluated
    assert env.of.split == "held_out"
    assert {env.codec.decode(row)[:4] for row in env.prompts[0]} == {"4 2 "}
    robot = weighted(*ROBOT, "env.evaluated_weights=[0.9,0.1]").episodes.evaluated
    np.testing.assert_allclose(robot.reset(jax.random.key(0)).weights, [0.9, 0.1])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("env.objectives=[help]",), r"env\.objectives=\['help'\] must name two different objectives"),
        (("env.weights=[0.5,0.6]",), r"env\.weights=\[0\.5, 0\.6\] must be 2 numbers of at least 0 whose sum is 1"),
        (("env.evaluated_weights=[0.9,0.1]",), r"every weight must be a multiple of 1/4"),
        (("env.weight_steps=40",), r"numbers 1 to 41, and some are not one token of text|The word '28'"),
        (("env@env.of=pencil_case",), r"vectors and texts of environments in JAX, and pencil_case"),
        (("env@env.of=point", "env.of.observation=image"), r"vectors and texts of environments in JAX, and point"),
    ],
)
def test_what_cannot_be_weighted_is_refused(overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        weighted(*overrides)
