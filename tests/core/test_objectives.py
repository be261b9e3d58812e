"""Weights in observations: they are written where they belong, and taken out without a trace."""

import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.objectives import plain, plain_obs, prefix_of, prefixed, with_weights, without_weights
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Box, EnvSpec
from tests.probes import make_rollout, make_spec

NAMES = ("fast", "gentle")
TEXT = TextSpec(vocabulary=9, prompt_tokens=3, response_tokens=2, tokenizer="")
TEXTS = make_spec(obs=5, obs_names=(), info={"scene": (5,)}, text=TEXT)
TEXTS = EnvSpec(**{**vars(TEXTS), "obs": Box((5,), (0.0,) * 5, (8.0,) * 5, "int32")})


def test_a_vector_ends_in_the_weights():
    spec = with_weights(make_spec(obs=2, obs_names=("x", "y"), info={"success": ()}), NAMES)
    assert spec.obs.shape == (4,) and spec.obs_names == ("x", "y", "weight of fast", "weight of gentle")
    assert spec.info == {"success": (), "weights": (2,)} and spec.objectives == NAMES
    seen = plain(spec, make_rollout(spec, 3, 2))
    np.testing.assert_array_equal(seen.obs, make_rollout(spec, 3, 2).obs[..., :2])
    assert seen.next_obs.shape == (3, 2, 2)


@pytest.mark.parametrize(
    ("tokens", "marked"),
    [
        ([0, 5, 6, 7, 1], [0, 2, 3, 5, 6, 7, 1]),  # right before the prompt, behind its padding
        ([4, 5, 6, 0, 0], [2, 3, 4, 5, 6, 0, 0]),
        ([0, 0, 0, 7, 1], [0, 0, 0, 2, 3, 7, 1]),  # an empty prompt
    ],
)
def test_a_prompt_begins_with_the_weights(tokens, marked):
    spec = with_weights(TEXTS, NAMES)
    assert spec.text is not None and spec.text.prompt_tokens == 5 and spec.info["scene"] == (7,)
    found = prefixed(TEXT, jnp.array([tokens, tokens]), jnp.array([[2, 3], [2, 3]]))
    np.testing.assert_array_equal(found, [marked, marked])
    np.testing.assert_array_equal(prefix_of(spec, found), [[2, 3], [2, 3]])
    np.testing.assert_array_equal(plain_obs(spec, found), [tokens, tokens])


@pytest.mark.parametrize("spec", [TEXTS, make_spec(obs=2, obs_names=("x", "y")), make_spec(action=1)], ids=str)
def test_without_weights_a_spec_is_what_it_was(spec):
    assert without_weights(with_weights(spec, NAMES)) == spec
    assert without_weights(spec) is spec


def test_a_spec_with_objectives_is_stored(tmp_path):
    spec = with_weights(TEXTS, NAMES)
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec
