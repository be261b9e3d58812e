"""The ring of visited states agrees with a plain list."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rl_rewards.rewards.classifier.visited_states import VisitedStates
from rl_rewards.rewards.mixture import Mixture
from tests.probes import make, make_rollout, make_spec
from tests.rewards.examples import tiny_source

CAPACITY, BATCH = 7, 5
batches = st.lists(st.lists(st.booleans(), min_size=BATCH, max_size=BATCH), max_size=8)
add = jax.jit(VisitedStates.add)
newest = jax.jit(VisitedStates.newest)


def empty() -> VisitedStates:
    return VisitedStates(
        obs=jnp.zeros((CAPACITY, 2)),
        action=jnp.zeros((CAPACITY, 1)),
        round=jnp.full((CAPACITY,), -1, jnp.int32),
        position=jnp.zeros((), jnp.int32),
    )


@given(batches, st.integers(-3, 9))
def test_equals_a_list_of_the_newest(batches, since):
    """After any sequence of partly kept batches, it contains the same states in the same order, counted by round."""
    ring, listed = empty(), []
    for i, keep in enumerate(batches):
        number = 10 * i + np.arange(BATCH, dtype=np.float32)
        obs, action = np.stack([number, -number], axis=-1), number[:, None] + 0.5
        ring = add(ring, jnp.asarray(obs), jnp.asarray(action), jnp.asarray(keep), jnp.int32(i))
        listed += [(i, n) for n, kept in zip(number, keep, strict=True) if kept]
    listed = listed[-CAPACITY:]
    assert int(ring.count(jnp.int32(0))) == len(listed)
    expected = [n for i, n in reversed(listed) if i >= since]
    assert int(ring.count(jnp.int32(since))) == len(expected)
    obs, action = newest(ring, jnp.arange(CAPACITY))
    np.testing.assert_array_equal(np.asarray(obs)[: len(expected), 0], expected)
    np.testing.assert_array_equal(np.asarray(obs)[: len(expected), 1], [-n for n in expected])
    np.testing.assert_array_equal(np.asarray(action)[: len(expected), 0], [n + 0.5 for n in expected])


def test_without_memory_a_reward_is_the_same_and_its_ring_empty():
    spec = make_spec(obs=2, action=1)
    source = tiny_source(spec=spec, keep_visited=8, visited_per_round=4)
    state = source.init(jax.random.key(0))
    ones = jnp.ones((4, 2))
    full = state.replace(visited=state.visited.add(ones, jnp.ones((4, 1)), jnp.ones(4, bool), jnp.asarray(3)))
    parts = {"task": source, "still": make("reward", "constant", spec, value=1.0)}
    mixed = Mixture(parts=parts, weights={"task": 1.0, "still": 1.0})
    for forgotten in (source.without_memory(full), mixed.without_memory({"task": full, "still": {}})["task"]):
        assert full.visited.count(jnp.zeros(())) == 4 and forgotten.visited.count(jnp.zeros(())) == 0
        assert jax.tree.map(jnp.shape, forgotten) == jax.tree.map(jnp.shape, full)
        rollout = make_rollout(spec, 3, 2)
        np.testing.assert_array_equal(source.reward(forgotten, rollout), source.reward(full, rollout))
