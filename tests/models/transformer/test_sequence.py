"""Tests of the network from whole sequences to numbers, which reward models use."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.models.networks import last_hidden_layer
from rl_rewards.models.transformer.sequence import with_trunk
from tests.models.transformer.small import transformer

SMALL = {"vocabulary": 11, "width": 16, "layers": 1, "heads": 2, "kv_heads": 1, "hidden": 16}
MODEL = transformer(**SMALL)
NETWORK = MODEL.network(3, output_gain=0.5)
X = jnp.array([[[0, 0, 3, 5, 7, 0], [4, 1, 9, 10, 3, 3]], [[3, 5, 7, 0, 0, 0], [0, 0, 0, 3, 5, 7]]], jnp.float32)


@functools.cache
def variables():
    return jax.jit(NETWORK.init)(jax.random.key(0), X)


apply = jax.jit(NETWORK.apply, static_argnames="train")
features_of = jax.jit(functools.partial(last_hidden_layer, NETWORK))
hidden_of = jax.jit(functools.partial(MODEL.language_model().apply, method="hidden"))


def test_outputs_are_the_head_on_the_last_and_the_mean_vector():
    tree = variables()["params"]
    hidden = hidden_of({"params": tree["language"]}, jnp.array([[3, 5, 7]]))[0]
    features = np.concatenate([hidden[-1], hidden.mean(axis=0)])
    expected = features @ tree["head"]["kernel"] + tree["head"]["bias"]
    found = apply(variables(), X)
    assert found.shape == (2, 2, 3) and found.dtype == jnp.float32
    for row in ((0, 0), (1, 0), (1, 1)):  # the same three tokens, with padding on either side
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
    assert np.abs(found[0, 1] - expected).max() > 0.01
    np.testing.assert_array_equal(apply(variables(), X, train=True), found)
    np.testing.assert_allclose(features_of(variables(), X)[1, 1], features, atol=1e-5)


def test_the_output_gain_scales_the_first_outputs():
    gains = np.linalg.svd(np.asarray(variables()["params"]["head"]["kernel"]), compute_uv=False)
    np.testing.assert_allclose(gains, 0.5, rtol=1e-5)


def test_padding_only_and_tokens_outside_the_vocabulary_give_finite_numbers():
    assert bool(jnp.isfinite(apply(variables(), X * 0)).all())
    np.testing.assert_array_equal(apply(variables(), X.at[0, 1, 3].set(99)), apply(variables(), X))


def test_a_language_model_gives_its_weights_to_the_trunk():
    language = jax.jit(MODEL.language_model().init)(jax.random.key(9), jnp.ones((1, 2), jnp.int32))
    moved = with_trunk(variables(), language)
    assert jax.tree.structure(moved) == jax.tree.structure(variables())
    np.testing.assert_array_equal(moved["params"]["language"]["embedding"], language["params"]["embedding"])
    np.testing.assert_array_equal(moved["params"]["head"]["kernel"], variables()["params"]["head"]["kernel"])
    assert np.abs(apply(moved, X) - apply(variables(), X)).max() > 0.01


def test_lora_weights_of_the_reward_model_stay():
    network = transformer(**SMALL, lora_rank=2).network(1)
    own = jax.eval_shape(network.init, jax.random.key(0), X)
    language = jax.eval_shape(MODEL.language_model().init, jax.random.key(9), jnp.ones((1, 2), jnp.int32))
    moved = with_trunk(own, language)["params"]["language"]
    assert moved["lora"] is own["params"]["language"]["lora"]


def test_weights_of_another_size_are_refused():
    other = transformer(**SMALL | {"hidden": 8}).language_model()
    language = jax.eval_shape(other.init, jax.random.key(9), jnp.ones((1, 2), jnp.int32))
    with pytest.raises(ConfigError, match=r"do not fit the reward model's network; give both the same settings"):
        with_trunk(variables(), language)
