"""Each acquisition prefers the candidates that its definition prefers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.rewards.preferences.acquisition import SCORES, choose, most_balanced

# Candidates: all members are sure and agree; all predict a half; half of them are sure of each answer.
PROBS = jnp.array([[[0.99], [0.5], [0.99]], [[0.99], [0.5], [0.01]]])


@pytest.mark.parametrize(
    ("name", "best"),
    [("disagreement", [2]), ("mutual_information", [2]), ("entropy", [1, 2]), ("volume_removal", [1, 2])],
)
def test_what_is_worth_asking(name, best):
    scores = SCORES[name](PROBS)
    np.testing.assert_array_equal(np.flatnonzero(np.isclose(scores, scores.max(), atol=1e-4)), best)


def test_mutual_information_of_two_sure_opposite_members_is_one_bit():
    assert float(SCORES["mutual_information"](jnp.array([[[1.0]], [[0.0]]]))[0]) == pytest.approx(np.log(2.0), abs=1e-5)


@pytest.mark.parametrize("name", ["uniform", "k_center", *SCORES])
def test_as_many_different_candidates_as_asked_for(name):
    keys = jax.random.split(jax.random.key(0), 3)
    probs = jax.random.uniform(keys[0], (3, 40, 1))
    chosen = choose(name, probs, jax.random.normal(keys[1], (40, 2)), 7, keys[2])
    assert len(set(np.asarray(chosen).tolist())) == 7


def test_k_center_takes_one_of_every_group_that_is_disagreed_on():
    centres = jnp.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [50.0, 50.0]])
    features = jnp.repeat(centres, 8, axis=0) + 0.01 * jax.random.normal(jax.random.key(0), (32, 2))
    open_ = (jnp.arange(32) < 24) & (jnp.arange(32) % 8 < 6)  # six of eight in three groups, none in the farthest group
    probs = jnp.where(open_, jnp.array([[0.9], [0.1]]), 0.9)[..., None]
    taken = np.asarray(choose("k_center", probs, features, 3, jax.random.key(1)))
    assert set((taken // 8).tolist()) == {0, 1, 2}


def test_balanced_candidates_differ_least_in_the_feature():
    feature = jnp.array([[0.0, 3.0], [5.0, 5.0], [1.0, 9.0], [2.0, 1.0], [4.0, 4.5]])
    assert set(np.asarray(most_balanced(feature, 3, jax.random.key(0))).tolist()) == {1, 3, 4}
