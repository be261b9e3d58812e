"""Tests that specs are saved and loaded unchanged, and that a policy head's two scalings are inverse."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Box, Discrete, EnvSpec, box_bounds, clip_action, is_whole
from rl_rewards.models.policy import PolicyHead
from tests.probes import make, make_rollout, make_spec

IMAGE = Box(shape=(4, 4, 3), dtype="uint8")
LOPSIDED = Box(shape=(2, 2), low=(-2.0, 0.0, -1.0, 5.0), high=(6.0, 0.5, 1.0, 6.0))


@pytest.mark.parametrize("action", [Discrete(5), LOPSIDED, Box(shape=(1,), low=(-float("inf"),), high=(1.0,))])
def test_spec_round_trip(tmp_path, action):
    spec = make_spec(
        action=action, obs=IMAGE.shape, info={"success": (), "scene": (3,)}, obs_names=("x [m]",), ends_early=True
    )
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec


def test_every_field_of_a_spec_survives(tmp_path):
    """Each value differs from its default, so that a field that ``load`` forgets is noticed."""
    changes = {"restores": False, "has_success": True, "max_episode_steps": 77, "step_seconds": 0.25, "name": "other"}
    spec = make_spec(**changes)
    spec.save(tmp_path / "spec.json")
    loaded = EnvSpec.load(tmp_path / "spec.json")
    assert {name: getattr(loaded, name) for name in changes} == changes


TEXT = TextSpec(vocabulary=50, prompt_tokens=3, response_tokens=4, pad=7, end=9, tokenizer="abc")


def test_the_spec_of_texts_survives(tmp_path):
    path = tmp_path / "spec.json"
    make_spec(text=TEXT).save(path)
    assert EnvSpec.load(path).text == TEXT
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: value for key, value in raw.items() if key != "text"}), encoding="utf-8")
    assert EnvSpec.load(path).text is None, "a folder of an earlier version"
    path.write_text(json.dumps(raw | {"text": raw["text"] | {"vocabulary": 0}}), encoding="utf-8")
    with pytest.raises(ConfigError, match="0 is not a whole number from 1 to"):
        EnvSpec.load(path)


def test_tokens_stay_integers_when_they_are_clipped():
    tokens = Box(shape=(3,), low=(0.0,) * 3, high=(5.0,) * 3, dtype="int32")
    clipped = clip_action(tokens, jnp.array([-1, 3, 9], jnp.int32))
    assert clipped.dtype == jnp.int32 and clipped.tolist() == [0, 3, 5]
    assert is_whole(tokens) and not is_whole(IMAGE) and not is_whole(LOPSIDED)


def test_box_bounds_have_its_shape():
    low, high = box_bounds(LOPSIDED)
    np.testing.assert_array_equal(low, [[-2.0, 0.0], [-1.0, 5.0]])
    np.testing.assert_array_equal(high, [[6.0, 0.5], [1.0, 6.0]])
    assert np.all(np.isinf(box_bounds(IMAGE)[0]))


def head(action) -> PolicyHead:
    return PolicyHead(make_spec(action=action), make("model", "mlp", hidden=[8]), -0.5)


def test_policy_scale_maps_minus_one_and_one_to_the_bounds():
    low, high = box_bounds(LOPSIDED)
    np.testing.assert_allclose(head(LOPSIDED).to_env(-jnp.ones(4)), low, atol=1e-6)
    np.testing.assert_allclose(head(LOPSIDED).to_env(jnp.ones(4)), high, atol=1e-6)


@pytest.mark.parametrize("action", [LOPSIDED, Box(shape=(3,)), Box(shape=())], ids=["lopsided", "unbounded", "scalar"])
def test_policy_scalings_undo_each_other(action):
    size = int(np.prod(action.shape))
    inner = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5, size)), jnp.float32)
    outer = head(action).to_env(inner)
    assert outer.shape == (6, 5, *action.shape)
    np.testing.assert_allclose(head(action).from_env(outer), inner, atol=1e-5)


def test_half_bounded_actions_are_left_as_they_are():
    """An interval with one infinite bound has no middle to centre on."""
    action = Box(shape=(2,), low=(-1.0, -float("inf")), high=(3.0, 1.0))
    outer = head(action).to_env(jnp.array([[0.5, 0.5]]))
    np.testing.assert_allclose(outer, [[2.0, 0.5]])


def test_discrete_actions_pass_through():
    action = jnp.array([0, 2, 1], jnp.int32)
    assert head(Discrete(3)).to_env(action) is action
    assert head(Discrete(3)).from_env(action) is action


def test_an_episode_is_done_when_it_ends_or_is_cut():
    rollout = make_rollout(
        make_spec(), 2, 2, terminated=np.eye(2, dtype=bool), truncated=np.array([[0, 1], [0, 0]], bool)
    )
    np.testing.assert_array_equal(rollout.done, [[True, True], [False, True]])
