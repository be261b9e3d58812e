"""Reward sources that do not learn from experience: the environment's own reward, and the fixed classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.types import Box, Discrete
from rl_rewards.rewards.base import make_features, reward_fn
from tests.probes import experience_of, make, make_rollout, make_spec
from tests.rewards.examples import examples_of, gaussians, initial, same, sigmoid, source_of, tiny_source, updater

SPEC = make_spec(obs=1, action=1)


def reward_of(source, state, transitions) -> np.ndarray:
    return np.asarray(jax.jit(source.reward)(state, transitions))


def test_environment_reward_is_passed_on_and_learns_nothing():
    source = make("reward", "environment", SPEC)
    rollout, state = make_rollout(SPEC, 5, 3), source.init(jax.random.key(0))
    state, metrics = source.update(state, {}, experience_of(rollout), jnp.int32(0), jax.random.key(1))
    assert metrics == {}
    rewards = reward_fn(source, state)
    np.testing.assert_array_equal(rewards(rollout), rollout.env_reward)
    assert float(rewards.absorbing) == 0.0


# The limit of training.


@pytest.mark.parametrize("negatives_per_goal", [1.0, 3.0, 0.5])
def test_converges_to_the_density_ratio(negatives_per_goal):
    """For goals N(1, 1) and k non-goals N(-1, 1) per goal: D = p / (p + k q), log-odds 2 x - log k."""
    goals, rest = gaussians(n=4000, size=1, deviation=1.0)
    ratio = {"negatives_per_goal": negatives_per_goal}
    source = source_of("goal_classifier", classifier={"weight_decay": 0.01}, pretrain_steps=700, **ratio)
    state, _ = updater(source, examples_of(goals, rest))(initial(source), make_rollout(SPEC, 1, 1), 0)
    x = np.linspace(-2.0, 2.0, 17, dtype=np.float32)
    seen = reward_of(source, state, make_rollout(SPEC, 17, 1, next_obs=x[:, None, None]))[:, 0]
    np.testing.assert_allclose(seen, sigmoid(2.0 * x - np.log(negatives_per_goal)), atol=0.06)


# When it learns.


def test_trains_in_the_first_round_and_is_frozen_from_then_on():
    source = tiny_source("goal_classifier", pretrain_steps=3, classifier={"spectral_norm": True, "dropout": 0.2})
    update = updater(source, examples_of(*gaussians(size=1)))
    fresh, rollout = initial(source), make_rollout(SPEC, 4, 2)
    trained, metrics = update(fresh, rollout, 0)
    assert np.all(np.asarray(trained.classifier.optimizer[0].count) == 3)
    assert not same(fresh.classifier.variables, trained.classifier.variables)
    assert all(np.isfinite(value) for value in metrics.values())
    later = trained
    for i in (1, 2, 50):
        later, metrics = update(later, make_rollout(SPEC, 4, 2, seed=i), i)
        assert same(trained, later), f"round {i} changed the frozen classifier"
        assert all(np.isnan(value) for value in metrics.values()), "nothing was measured"


@pytest.mark.parametrize("name", ["goal_classifier", "adversarial_classifier"])
def test_reading_changes_nothing(name):
    """Rewards and inspection change no state, even with all settings that keep statistics or are random."""
    knobs = {"spectral_norm": True, "dropout": 0.5, "normalize_inputs": True, "mixup": 1.0, "ensemble": 2}
    source = tiny_source(name, classifier=knobs)
    data = examples_of(*gaussians(size=1))
    rollout = make_rollout(SPEC, 4, 2)
    update = updater(source, data)
    state, _ = update(initial(source), rollout, 0)
    kept = jax.tree.map(np.array, state)
    first = reward_of(source, state, rollout)
    jax.jit(source.inspect)(state, data, make_rollout(SPEC, 4, 2, seed=9))
    for seed in range(3):
        reward_of(source, state, make_rollout(SPEC, 4, 2, seed=seed))
    assert same(kept, state)
    np.testing.assert_array_equal(first, reward_of(source, state, rollout))
    assert same(update(state, rollout, 1)[0], update(kept, rollout, 1)[0])


# Rewards and outputs.


MAPS = {
    "prob": (sigmoid, 0.0, 1.0),
    "logit": (lambda f: f, -np.inf, np.inf),
    "log_prob": (lambda f: np.log(sigmoid(f)), -np.inf, 0.0),
    "neg_log_one_minus": (lambda f: -np.log(1.0 - sigmoid(f)), 0.0, np.inf),
}


@pytest.mark.parametrize("combine", ["mean", "min"])
@pytest.mark.parametrize("reward_map", MAPS)
def test_reward_maps(reward_map, combine):
    """Each member's logit is mapped before the members are combined; values stay within the map's bounds."""
    source = tiny_source("goal_classifier", reward_map=reward_map, classifier={"ensemble": 3, "combine": combine})
    state = initial(source)
    rollout = make_rollout(SPEC, 6, 5)
    logits = np.asarray(source.classifier.logits(state.classifier, rollout.next_obs))
    assert logits.std(axis=0).min() > 0.0, "members must differ, or this test shows nothing about combining them"
    function, low, high = MAPS[reward_map]
    mapped = function(logits.astype(np.float64))
    expected = mapped.min(axis=0) if combine == "min" else mapped.mean(axis=0)
    np.testing.assert_allclose(reward_of(source, state, rollout), expected, atol=1e-5)
    big = jax.tree.map(lambda w: 1000.0 * w, state)
    extreme = reward_of(source, big, rollout)
    assert np.all(np.isfinite(extreme))
    assert extreme.min() >= low
    assert extreme.max() <= high


@pytest.mark.parametrize(
    "action", [Discrete(3), Box(shape=(2,), low=(-1.0, 0.0), high=(1.0, 4.0))], ids=["discrete", "box"]
)
@pytest.mark.parametrize("judges", ["obs", "obs_action", "next_obs"])
def test_reward_depends_on_exactly_what_it_judges(judges, action):
    spec = make_spec(obs=2, action=action)
    source = tiny_source("goal_classifier", spec, judges=judges)
    state, rollout = initial(source), make_rollout(spec, 4, 3)
    other = make_rollout(spec, 4, 3, seed=1)
    before = reward_of(source, state, rollout)
    assert before.shape == (4, 3)
    judged_obs_action = {"obs": {"obs"}, "obs_action": {"obs", "action"}, "next_obs": {"next_obs"}}[judges]
    for name in ("obs", "action", "next_obs", "env_reward"):
        after = reward_of(source, state, rollout.replace(**{name: getattr(other, name)}))
        assert np.array_equal(before, after) == (name not in judged_obs_action), name


def test_actions_are_judged_within_their_bounds():
    """An action beyond a bound counts as the bound; one within the bounds is not changed."""
    features = make_features(make_spec(obs=1, action=Box(shape=(2,), low=(-1.0, 0.0), high=(1.0, 4.0))), "obs_action")
    obs = jnp.full((3, 1), 0.5)
    seen = features(obs, jnp.array([[-7.0, -7.0], [7.0, 7.0], [0.25, 3.0]]))
    np.testing.assert_array_equal(seen, [[0.5, -1.0, 0.0], [0.5, 1.0, 4.0], [0.5, 0.25, 3.0]])


def test_discrete_actions_are_one_hot():
    features = make_features(make_spec(obs=1, action=Discrete(3)), "obs_action")
    seen = features(jnp.full((2, 1), 0.5), jnp.array([2, 0], jnp.int32))
    np.testing.assert_array_equal(seen, [[0.5, 0.0, 0.0, 1.0], [0.5, 1.0, 0.0, 0.0]])


def test_pictures_are_flattened_and_scaled():
    features = make_features(make_spec(obs=(2, 2), action=1), "next_obs")
    seen = features(jnp.full((5, 3, 2, 2), 255, jnp.uint8), jnp.zeros((5, 3, 1)))
    np.testing.assert_array_equal(seen, np.ones((5, 3, 4)))


def test_inspect_looks_at_each_kind_of_state():
    source = tiny_source("goal_classifier", pretrain_steps=200, batch_goals=32, reward_map="logit")
    data = examples_of(*gaussians(size=1, deviation=0.3))
    state, _ = updater(source, data)(initial(source), make_rollout(SPEC, 1, 1), 0)
    visited = make_rollout(SPEC, 4, 2, next_obs=np.full((4, 2, 1), -1.0, np.float32))
    seen = jax.jit(source.inspect)(state, data, visited)
    assert seen["prob_heldout_goals"].shape == (len(data["heldout_obs"]),)
    assert seen["prob_visited"].shape == (4, 2)
    assert seen["prob_heldout_goals"].mean() > 0.6 > 0.4 > seen["prob_non_goals"].mean()
    assert seen["prob_visited"].mean() < 0.4, "the visited states are near the non-goals"
    np.testing.assert_allclose(sigmoid(seen["reward_heldout_goals"]), seen["prob_heldout_goals"], atol=1e-5)
