"""The adversarial classifier: which states become negatives, and when and from what it learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.probes import make_rollout, make_spec
from tests.rewards.examples import examples_of, gaussians, initial, numbered, same, source_of, tiny_source, updater

EXAMPLES = examples_of(*gaussians(n=30, size=1))
NON_GOALS = 30
ROLLOUT = 24  # transitions in a `numbered` rollout


def visited_after(source, rollouts) -> np.ndarray:
    """Return the numbers of the visited states that are kept after these rounds, the newest first."""
    add, visited = jax.jit(source._add), initial(source).visited
    for i, rollout in enumerate(rollouts):
        visited = add(visited, rollout, jnp.int32(i), jax.random.key(i))
    count = int(visited.count(jnp.int32(0)))
    return np.asarray(visited.newest(jnp.arange(count))[0])[:, 0]


def negatives_of(source, state, count: int) -> np.ndarray:
    """Return a batch of negatives [E, n, d] from the examples and the ``count`` newest visited states."""
    pool = source._pool(EXAMPLES, state.visited, jnp.int32(count), jnp.int32(0))
    _, rows = source._rows(EXAMPLES, pool, jax.random.key(0), jax.random.key(0))
    return np.asarray(source._negatives(EXAMPLES, pool, rows))


# Which states become negatives.


def test_all_takes_every_valid_state_once():
    valid = np.arange(ROLLOUT).reshape(6, 4) % 3 != 0
    seen = visited_after(tiny_source(visited="all"), [numbered(0, valid=valid)])
    np.testing.assert_array_equal(np.sort(seen), np.flatnonzero(valid.ravel()))


def test_final_takes_the_last_state_of_every_episode():
    terminated, truncated, valid = np.zeros((6, 4), bool), np.zeros((6, 4), bool), np.ones((6, 4), bool)
    terminated[2, 1] = truncated[5, 3] = terminated[4, 0] = True
    valid[4, 0] = False
    rollout = numbered(0, terminated=terminated, truncated=truncated, valid=valid)
    seen = visited_after(tiny_source(visited="final", early_end="allow"), [rollout])
    np.testing.assert_array_equal(np.sort(seen), [2 * 4 + 1, 5 * 4 + 3])


@pytest.mark.parametrize(("share", "expected"), [(0.25, 5), (0.01, 1), (1.0, 20)])
def test_a_share_is_rounded_up_and_drawn_without_replacement(share, expected):
    valid = np.arange(ROLLOUT).reshape(6, 4) < 20
    seen = visited_after(tiny_source(visited=share), [numbered(0, valid=valid)])
    assert len(seen) == len(np.unique(seen)) == expected
    assert seen.max() < 20, "only valid steps are used"


def test_visited_per_round_caps_and_draws_at_random():
    seen = visited_after(tiny_source(visited_per_round=6), [numbered(i) for i in range(20)])
    assert len(seen) == len(np.unique(seen)) == 20 * 6
    by_round = seen.reshape(20, 6) % 1000
    assert len(np.unique(by_round)) > 20, "over many rounds nearly every step of a rollout is drawn"
    assert len(np.unique(np.sort(by_round, axis=1), axis=0)) > 15, "each round draws independently"


def test_keep_visited_overwrites_the_oldest():
    seen = visited_after(tiny_source(visited_per_round=6, keep_visited=15), [numbered(i) for i in range(4)])
    rounds, counts = np.unique(seen // 1000, return_counts=True)
    np.testing.assert_array_equal(rounds, [1, 2, 3])
    np.testing.assert_array_equal(counts, [3, 6, 6])


@pytest.mark.parametrize("judges", ["obs", "obs_action", "next_obs"])
def test_what_is_judged_is_what_is_kept(judges):
    source = tiny_source(judges=judges)
    state, _ = updater(source, EXAMPLES)(initial(source), numbered(0), 0)
    obs, action = state.visited.newest(jnp.arange(ROLLOUT))
    number = -np.asarray(action)[:, 0]
    np.testing.assert_array_equal(np.sort(number), np.arange(ROLLOUT))
    np.testing.assert_array_equal(obs[:, 0], number + (0.0 if judges == "next_obs" else 0.5))


@pytest.mark.parametrize(("keep_rounds", "expected"), [(None, [6, 12, 18, 24]), (2, [6, 12, 12, 12]), (1, [6] * 4)])
def test_keep_rounds_forgets(keep_rounds, expected):
    source = tiny_source(visited_per_round=6, keep_rounds=keep_rounds)
    update, state, counts = updater(source, EXAMPLES), initial(source), []
    for i in range(4):
        state, metrics = update(state, numbered(i), i)
        counts.append(int(metrics["reward/negatives"]) - NON_GOALS)
    assert counts == expected


def test_negatives_are_uniform_over_examples_and_the_newest_visited():
    """The 24 newest of 48 visited states count; they and the 30 examples are drawn with equal probability."""
    source = tiny_source(batch_goals=5400, classifier={"ensemble": 2})
    update, state = updater(tiny_source(classifier={"ensemble": 2}), EXAMPLES), initial(source)
    for i in range(2):
        state, _ = update(state, numbered(i), i)
    drawn = negatives_of(source, state, ROLLOUT)[..., 0]
    assert drawn.shape == (2, 5400)
    assert not np.array_equal(drawn[0], drawn[1]), "members have their own batches"
    allowed = np.sort(np.concatenate([np.asarray(EXAMPLES["non_goal_obs"])[:, 0], 1000.0 + np.arange(ROLLOUT)]))
    values, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(values, allowed)
    expected = drawn.size / len(allowed)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_batches_have_the_stated_ratio():
    source = tiny_source(batch_goals=10, negatives_per_goal=2.5)
    state = initial(source)
    drawn = negatives_of(source, state, 0)
    assert drawn.shape == (1, 25, 1)
    assert np.isin(drawn, EXAMPLES["non_goal_obs"]).all(), "only examples are drawn before anything was visited"


# When it learns.


def test_gradient_steps_per_round():
    """It pretrains only in round 0, takes ``updates_per_round`` steps in every due round, and none in between."""
    source = tiny_source(pretrain_steps=5, updates_per_round=3, rounds_per_update=2)
    update, state, steps = updater(source, EXAMPLES), initial(source), []
    for i in range(6):
        before = state
        state, metrics = update(state, numbered(i), i)
        steps.append(int(state.classifier.optimizer[0].count[0]))
        due = i % 2 == 0
        assert same(before.classifier, state.classifier) != due, f"round {i}"
        assert np.isfinite(metrics["reward/loss"]) == due
        assert not same(before.visited, state.visited), "states are added in every round"
    assert steps == [8, 8, 11, 11, 14, 14]


def test_input_statistics_are_those_of_the_examples():
    """They are set once: the policy's states do not change the scale of the classifier's inputs."""
    source = tiny_source(classifier={"normalize_inputs": True})
    update, state = updater(source, EXAMPLES), initial(source)
    both = np.concatenate([EXAMPLES["goal_obs"], EXAMPLES["non_goal_obs"]])
    for i in range(3):
        state, _ = update(state, numbered(i), i)
        np.testing.assert_allclose(state.classifier.moments.mean, both.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(state.classifier.moments.variance, both.var(axis=0), rtol=1e-4)


def test_a_goal_keeps_half_when_the_policy_visits_goals_only():
    """With balanced batches and 19 visited goals per non-goal example, D = 1 / (1 + 0.95) on goals."""
    spec = make_spec(obs=1, action=1)
    goals, rest = gaussians(n=1000, size=1, deviation=0.2)
    source = source_of("adversarial_classifier", pretrain_steps=100, updates_per_round=500)
    state, _ = updater(source, examples_of(goals, rest[:50]))(
        initial(source), make_rollout(spec, 95, 10, next_obs=goals[:950].reshape(95, 10, 1)), 0
    )
    rewards = source.reward(state, make_rollout(spec, 100, 1, next_obs=goals[:100, None]))
    assert float(rewards.mean()) == pytest.approx(1.0 / 1.95, abs=0.05)
    beyond = source.reward(state, make_rollout(spec, 100, 1, next_obs=rest[:100, None]))
    assert float(beyond.mean()) < 0.25, "the outputs on non-goals stay low"
