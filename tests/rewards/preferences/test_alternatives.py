"""Corrections and descriptions: what is offered, what a choice teaches, and which combinations are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import NOBODY, Labels, Query, choice_loss, preference_loss
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.loop import build
from rl_rewards.loop.retry import retry
from rl_rewards.rewards.preferences.alternatives import edits, similar_beginnings
from tests.labelers.assignments import assignment
from tests.probes import make, make_rollout, make_spec
from tests.rewards.preferences.test_preferences import PERFECT, correlation, experience, source, true_reward
from tests.runs import composed

NAMED = make_spec(obs=2, action=1, obs_names=("x", "y"))


def test_the_likelihood_of_a_choice():
    returns, scores = jnp.array([1.0, 2.0, -0.5]), jnp.array([0.0, 3.0, 1.0])
    p = np.exp([1.0, 2.0, -0.5]) / np.exp([1.0, 2.0, -0.5]).sum()
    np.testing.assert_allclose(choice_loss(returns, scores, 0.0)[0], -np.log(p[1]), rtol=1e-6)
    np.testing.assert_allclose(choice_loss(returns, scores, 0.3)[0], -np.log(0.7 * p[1] + 0.1), rtol=1e-6)
    tie = choice_loss(returns, jnp.array([1.0, 1.0, 0.0]), 0.0)[0]
    np.testing.assert_allclose(tie, -0.5 * (np.log(p[0]) + np.log(p[1])), rtol=1e-6)
    assert choice_loss(returns, jnp.full(3, jnp.nan), 0.0) == (0.0, 0.0), "a refusal teaches nothing"
    pair, said = jnp.array([0.3, -0.9]), jnp.array([0.0, 1.0])
    np.testing.assert_allclose(choice_loss(pair, said, 0.1)[0], preference_loss(pair, said, 0.1)[0], rtol=1e-5)


def test_a_described_feature_changes_and_nothing_else():
    spec = make_spec(obs=2, action=1, obs_names=("x", "y"), max_episode_steps=10)
    segments = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), make_rollout(spec, 5, 3))
    by = jnp.array([[0.5], [1.0], [2.0]])
    made = edits(spec, segments, (1,), by)
    for name in ("obs", "next_obs"):
        moved = np.asarray(getattr(made, name) - getattr(segments, name)[:, None])
        np.testing.assert_allclose(moved[:, 0, :, 1], np.broadcast_to(by, (3, 5)), atol=1e-5)
        np.testing.assert_allclose(moved[:, 1, :, 1], -np.broadcast_to(by, (3, 5)), atol=1e-5)
        assert (moved[..., 0] == 0.0).all()
    assert np.isnan(made.env_reward).all() and (made.action == segments.action[:, None]).all()


def test_other_actions_begin_where_the_segment_does():
    env = make("env", "point")
    segments = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), make_rollout(env.spec, 4, 2))
    segments = segments.replace(obs=jnp.full_like(segments.obs, -0.5))
    made = retry(env, jax.random.key(0), segments, jnp.ones_like(segments.action))
    np.testing.assert_allclose(made.obs[:, :, 0], np.tile([-0.5, -0.4, -0.3, -0.2], (2, 1)), atol=1e-6)
    np.testing.assert_allclose(made.next_obs[:, -1], -0.1, atol=1e-6)
    np.testing.assert_array_equal(made.env_reward, [[0, 0, 0, 1]] * 2)


def test_similar_beginnings_are_nearer_than_others():
    own = experience().sample_segments(jax.random.key(0), 20, 5)
    found = similar_beginnings(experience(), own, 3, jax.random.key(1))
    distance = np.linalg.norm(found.obs[:, :, 0] - own.obs[:, None, 0], axis=-1)
    assert (distance > 0).all() and distance.mean() < 0.2


def taught(reward, rounds: int = 8, **changes):
    """Return the state after some rounds, and the last metrics; the teacher knows the true reward."""
    asked = assignment(
        reward.queries_per_round,
        reward.offered,
        question=reward.requirements.queries.question,
        features=reward.features,
        reward_of=lambda obs, action, next_obs: true_reward(np.asarray(obs)),
        spec=NAMED,
    )
    oracle, state, metrics = Teacher(**PERFECT | changes).make(asked), reward.init(jax.random.key(0)), {}
    update = jax.jit(lambda s, r, k: reward.update(s, {}, experience(), r, k))
    propose = jax.jit(lambda s, r, k: reward.propose(s, experience(), r, k))
    for i in range(rounds):
        state, metrics = update(state, jnp.asarray(i), jax.random.key(2 * i))
        state, query = propose(state, jnp.asarray(i), jax.random.key(2 * i + 1))
        oracle.submit(jax.device_get(query), i)
        state = jax.jit(reward.absorb)(state, oracle.collect(i))
    return state, metrics


@pytest.mark.parametrize("kind", ["descriptions", "corrections"])
def test_it_learns_from_choices(kind):
    reward = source(NAMED, answers=kind, corrections_from="experience")
    state, metrics = taught(reward)
    assert correlation(reward, state) > 0.8
    assert metrics["reward/labels"] == 60 and metrics["reward/heldout_accuracy"] > 0.7
    assert "reward/heldout_calibration_error" not in metrics


def test_a_teacher_errs_by_choosing_another_one():
    rewards = np.tile(np.array([[0.0], [2.0], [1.0]], np.float32), (4000, 1, 1))
    segments = make_rollout(NAMED, 1, 1).replace(env_reward=rewards)
    oracle = Teacher(**PERFECT | {"mistake": 0.2}).make(assignment(4000, 3, question="correction", spec=NAMED))
    oracle.submit(Query(id=np.arange(4000), segments=segments), 0)
    shares = oracle.collect(0).scores.mean(axis=0)
    np.testing.assert_allclose(shares, [0.1, 0.8, 0.1], atol=0.02)


def test_only_the_best_one_is_learned_from():
    reward = source(NAMED, answers="corrections", corrections=2, corrections_from="experience")
    labels = Labels.none(2, 3).replace(id=np.array([0, NOBODY]), scores=np.array([[2.0, 7.0, 1.0], [np.nan] * 3]))
    state = reward.absorb(reward.init(jax.random.key(0)), labels)
    np.testing.assert_array_equal(state.scores[0], [0.0, 1.0, 0.0])
    assert state.known.sum() == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": "corrections", "clips": 3}, r"it needs reward\.clips=2"),
        ({"answers": "corrections", "corrections": 9}, r"reward\.corrections=9 must be 1 to 8"),
        ({"answers": "descriptions", "described": ["z"]}, r"different features of test's observations: x, y"),
        ({"largest_change": 0.0}, r"reward\.largest_change=0\.0 must be positive"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ConfigError, match=message):
        source(NAMED, **changes)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("env=pencil_case", "reward.answers=corrections"), "choose reward.corrections_from=experience"),
        (
            ("env=point", "reward.answers=descriptions", "labeler=rules"),
            "cannot say which feature of a segment matters",
        ),
    ],
)
def test_combinations_that_cannot_work(overrides, message):
    with pytest.raises(ConfigError, match=message):
        build.build(composed("reward=preferences", "reward.segment_steps=20", *overrides))
