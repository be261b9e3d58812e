"""Negatives by places: which states share a place, how they are drawn, and the effect on a classifier's optimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hydra.errors import InstantiationException
from hypothesis import given
from hypothesis import strategies as st

from rl_rewards.core.errors import ConfigError
from rl_rewards.rewards.classifier.places import Places, by_places, warning
from tests.probes import make_rollout, make_spec
from tests.rewards.examples import examples_of, gaussians, initial, numbered, same, source_of, tiny_source, updater

EXAMPLES = examples_of(*gaussians(n=30, size=1))


def make_places(features="inputs", dimensions: int = 8, side: float = 0.5) -> Places:
    return Places(features=features, dimensions=dimensions, side=side)


def cells_of(places: Places, features, counted=None) -> np.ndarray:
    features = jnp.asarray(features, jnp.float32)
    counted = jnp.ones(len(features), bool) if counted is None else jnp.asarray(counted)
    return np.asarray(places.cells(features, counted))


def partition(labels) -> np.ndarray:
    """Return True [N, N] where two states share a place; it does not depend on the labels of places."""
    labels = np.asarray(labels)
    return labels[:, None] == labels[None, :]


def test_cells_are_a_grid_of_half_deviations():
    """They equal rounding in numpy in units of each feature's deviation; states that do not count have no effect."""
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(300, 3)) * [1.0, 100.0, 0.01] + [0.0, 5.0, -3.0]).astype(np.float32)
    counted = np.arange(300) < 250
    used = features[counted].astype(np.float64)
    corners = np.floor((features - used.mean(axis=0)) / used.std(axis=0) / 0.5)
    expected = np.unique(corners, axis=0, return_inverse=True)[1].ravel()
    off_edge = np.abs((features - used.mean(axis=0)) / used.std(axis=0) / 0.5 % 1 - 0.5).max(axis=1) < 0.499
    found = cells_of(make_places(side=0.5), features, counted)
    np.testing.assert_array_equal(partition(found[off_edge]), partition(expected[off_edge]))
    assert 50 < len(np.unique(found)) < 250


def test_a_larger_side_makes_fewer_places():
    features = np.random.default_rng(0).normal(size=(2000, 2))
    count = [len(np.unique(cells_of(make_places(side=side), features))) for side in (0.25, 0.5, 1.0)]
    assert count[0] > 2 * count[1] > 4 * count[2]


def test_a_constant_number_does_not_divide_places():
    features = np.random.default_rng(0).normal(size=(500, 2))
    constant = np.concatenate([features, np.full((500, 1), 0.3)], axis=1)
    np.testing.assert_array_equal(
        partition(cells_of(make_places(), features)), partition(cells_of(make_places(), constant))
    )


def test_many_numbers_are_projected_so_that_states_still_share_places():
    """3,000 states around ten points in 40 dimensions are alone in their cells, but share cells in 3 dimensions."""
    rng = np.random.default_rng(0)
    spots = 4.0 * rng.normal(size=(10, 40))
    features = spots[rng.integers(0, 10, 3000)] + 0.2 * rng.normal(size=(3000, 40))
    alone = {}
    for dimensions in (40, 3):
        cells = jnp.asarray(cells_of(make_places(dimensions=dimensions), features))
        alone[dimensions] = float(by_places(cells, jnp.ones(3000, bool)).alone)
    assert alone[40] > 0.5
    assert alone[3] < 0.05


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60))
def test_every_counted_place_has_the_same_chance(states):
    cells, counted = (np.array(column) for column in zip(*states, strict=True))
    if not counted.any():
        return
    hashed = jnp.asarray(cells, jnp.uint32) * jnp.uint32(0x9E3779B1)  # spread over the high bits, as cells are
    draw = by_places(hashed, jnp.asarray(counted))
    places, sizes = np.unique(cells[counted], return_counts=True)
    assert float(draw.places) == len(places)
    assert float(draw.alone) == pytest.approx((sizes == 1).sum() / counted.sum())
    weights = np.diff(np.asarray(draw.cumulative), prepend=0.0)
    expected = np.where(counted, 1.0 / np.maximum([(cells[counted] == c).sum() for c in cells], 1), 0.0)
    np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_drawn_states_follow_the_weights():
    cells = jnp.asarray(np.repeat([1, 2, 3], [90, 9, 1]), jnp.uint32) * jnp.uint32(0x9E3779B1)
    drawn = np.asarray(by_places(cells, jnp.ones(100, bool)).index(jax.random.key(0), (30_000,)))
    share = np.bincount(drawn, minlength=100) / 30_000
    np.testing.assert_allclose([share[:90].sum(), share[90:99].sum(), share[99]], 1 / 3, atol=0.01)
    assert share[:90].max() < 3 / 270, "within a place every state has the same probability"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"reward/places_alone": 0.7, "reward/negatives": 6000}, "70% of the 6,000 states"),
        ({"reward/goal/places_alone": [0.7, 0.9], "reward/goal/negatives": [6000, 6000]}, "80% of the 6,000 states"),
        ({"reward/places_alone": 0.7, "reward/negatives": 900}, None),
        ({"reward/places_alone": 0.3, "reward/negatives": 6000}, None),
        ({"reward/places_alone": None, "reward/negatives": 6000}, None),
        ({"reward/negatives": 6000}, None),
    ],
)
def test_places_that_have_become_visits_are_named(row, told):
    found = warning(row)
    assert found is None if told is None else told in found


# In the adversarial classifier.


def crowded(share: float, seed: int = 0) -> np.ndarray:
    """Return states [100, 20, 1]: ``share`` of them normal around 5, the others uniform in [-10, 10]."""
    rng = np.random.default_rng(seed)
    crowd = rng.uniform(size=(100, 20, 1)) < share
    return np.where(crowd, 5.0 + rng.normal(size=crowd.shape), rng.uniform(-10, 10, crowd.shape)).astype(np.float32)


def output_where_it_gathers(negatives: str) -> float:
    """Return D near 5 after training, for goals uniform in [0, 10] and nine of ten visits near 5."""
    rng = np.random.default_rng(0)
    goals, rest = rng.uniform(0, 10, (1000, 1)), rng.uniform(-10, 0, (50, 1))
    changes = {"keep_visited": 4000, "visited_per_round": 2000, "pretrain_steps": 50, "updates_per_round": 1500}
    source = source_of("adversarial_classifier", negatives=negatives, places={"side": 0.25}, **changes)
    spec = make_spec(obs=1, action=1)
    state, _ = updater(source, examples_of(goals, rest))(
        initial(source), make_rollout(spec, 100, 20, next_obs=crowded(0.9)), 0
    )
    there = np.full((1, 1, 1), 5.0, np.float32)
    return float(source.reward(state, make_rollout(spec, 1, 1, next_obs=there))[0, 0])


def test_places_keep_a_goal_above_one_half_where_the_policy_gathers():
    """Drawn by visits, D at the crowded goal is far below 1/2 (limit .22); by places it is |V| / (|V| + |G|) = 2/3."""
    assert output_where_it_gathers("visits") < 0.35
    assert output_where_it_gathers("places") == pytest.approx(2 / 3, abs=0.08)


def pool_after(source, rounds: int, count: int | None = None):
    state = initial(source)
    for i in range(rounds):
        visited = source._add(state.visited, numbered(i), jnp.int32(i), jax.random.key(i))
        state = state.replace(visited=visited)
    count = int(state.visited.count(jnp.int32(0))) if count is None else count
    return source._pool(EXAMPLES, state.visited, jnp.int32(count), jnp.int32(24))


@pytest.mark.parametrize("changes", [{}, {"keep_visited": 40, "visited_per_round": 24}])
def test_negatives_by_places_are_examples_and_the_newest_visited_only(changes):
    """The 24 newest states of two rounds count: no older one and no empty slot is drawn, even after wrapping."""
    source = tiny_source(negatives="places", batch_goals=5000, **changes)
    pool = pool_after(source, rounds=2, count=24)
    _, rows = source._rows(EXAMPLES, pool, jax.random.key(0), jax.random.key(1))
    drawn = np.asarray(source._negatives(EXAMPLES, pool, rows))[..., 0]
    allowed = np.concatenate([np.asarray(EXAMPLES["non_goal_obs"])[:, 0], 1000.0 + np.arange(24)])
    assert np.isin(drawn, allowed).all()
    assert np.isin(allowed[30:], drawn).all(), "every visited state that counts is drawn"


def test_recent_share_takes_the_newest_visits():
    source = tiny_source(recent_share=0.5, batch_goals=5000)
    pool = pool_after(source, rounds=2).replace(recent=jnp.int32(24))
    _, rows = source._rows(EXAMPLES, pool, jax.random.key(0), jax.random.key(1))
    newest = (np.asarray(source._negatives(EXAMPLES, pool, rows))[..., 0] >= 1000).mean()
    assert newest == pytest.approx(0.5 + 0.5 * 24 / (30 + 48), abs=0.02)


@pytest.mark.parametrize(("judges", "features"), [("obs", "inputs"), ("obs_action", [0]), ("next_obs", "hidden")])
def test_every_kind_of_place_learns(judges, features):
    source = tiny_source(judges=judges, negatives="places", visited="all", places={"features": features})
    update, state = updater(source, EXAMPLES), initial(source)
    for i in range(2):
        before = state
        state, metrics = update(state, numbered(i), i)
    assert not same(before.classifier.variables, state.classifier.variables)
    assert 1 < float(metrics["reward/places"]) <= 78
    assert 0 <= float(metrics["reward/places_alone"]) <= 1


def test_the_hidden_layer_that_makes_places_stays_that_of_the_examples():
    source = tiny_source(negatives="places", places={"features": "hidden"})
    update, state = updater(source, EXAMPLES), initial(source)
    first, _ = update(state, numbered(0), 0)
    second, _ = update(first, numbered(1), 1)
    assert same(first.visited.pretrained, second.visited.pretrained)
    assert not same(first.classifier.variables, second.classifier.variables)
    assert not same(state.visited.pretrained.variables, first.visited.pretrained.variables), "it was trained on them"


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ({"features": ["yaw"]}, "yaw is not an input of the classifier; choose from 0 to 0"),
        ({"features": [1]}, "1 is not an input"),
        ({"features": []}, "is empty; name at least one feature"),
        ({"features": "pixels"}, "must be inputs, hidden, or a list"),
        ({"side": 0.0}, "reward.places.side=0.0 must be positive"),
        ({"dimensions": 0}, "reward.places.dimensions=0 must be at least 1"),
    ],
)
def test_places_that_cannot_be(places, told):
    with pytest.raises((ConfigError, InstantiationException), match=told):
        tiny_source(negatives="places", places=places)
