"""A reward from answers: it learns preferences, asks as scheduled, and accepts late answers."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import NOBODY, Labels
from rl_rewards.core.types import Experience, Transition
from rl_rewards.data.replay import Replay
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.rewards.base import asks
from tests.labelers.assignments import assignment
from tests.probes import make, make_rollout, make_spec, with_model

SPEC = make_spec(obs=2, action=1)
MODEL = {
    "hidden": (32,), "activation": "tanh", "output": "linear", "learning_rate": 1e-2, "weight_decay": 0.0,
    "ensemble": 2, "dropout": 0.0, "normalize_inputs": True,
}  # fmt: skip
SMALL = {
    "judges": "obs", "clips": 2, "segment_steps": 5, "budget": 60, "sessions": 6, "rounds_per_session": 1,
    "schedule": "constant", "first_share": 0.0, "acquisition": "disagreement", "candidates": 4, "label_noise": 0.0,
    "crop": 0.0, "pseudo_weight": 0.0, "pseudo_confidence": 0.9, "pseudo_ratio": 2,
    "heldout_every": 5, "batch_size": 32, "updates_per_round": 60, "history": 4000, "unsupervised_rounds": 0,
    "neighbours": 3, "early_end": "refuse",
}  # fmt: skip
PERFECT = {
    "rationality": None, "myopia": 1.0, "mistake": 0.0, "skip": 0.0, "equal": 0.0, "raters": 1, "rater_offset": 0.0,
    "rating_noise": 0.0, "bias": 0.0, "bias_towards": "path_length", "store": False,
}  # fmt: skip


def source(spec=SPEC, model=None, **changes):
    return make("reward", "preferences", spec, reward_model=with_model(MODEL | (model or {})), **SMALL | changes)


def rollout(seed: int = 0, steps: int = 100, envs: int = 4) -> Transition:
    """Return observations in the whole square; the true reward is the first entry minus half the second."""
    rng = np.random.default_rng(seed)
    obs = rng.uniform(-1.0, 1.0, (steps, envs, 2)).astype(np.float32)
    done = np.zeros((steps, envs), bool)
    done[19::20] = True
    return make_rollout(SPEC, steps, envs, obs=obs, next_obs=obs, env_reward=true_reward(obs), truncated=done)


def true_reward(obs):
    return obs[..., 0] - 0.5 * obs[..., 1]


def experience(seed: int = 0) -> Experience:
    steps = rollout(seed)
    ring = Replay.init(steps, 400).add(jax.tree.map(jnp.asarray, steps))
    return Experience(None, ring.sample, ring.sample_segments, partial(lambda obs, action: jnp.zeros(obs.shape[:-1])))


def taught(reward, rounds: int = 6, late: int = 0):
    """Return the state after some rounds with answers ``late`` rounds late, and each round's queries and metrics."""
    state, oracle = (
        reward.init(jax.random.key(0)),
        Teacher(**PERFECT).make(assignment(reward.queries_per_round, reward.clips)),
    )
    update = jax.jit(lambda s, r, k: reward.update(s, {}, experience(), r, k))
    propose = jax.jit(lambda s, r, k: reward.propose(s, experience(), r, k))
    waiting, asked, rows = [], [], []
    for i in range(rounds):
        round = jnp.asarray(i)
        state, metrics = update(state, round, jax.random.fold_in(jax.random.key(1), i))
        state, query = propose(state, round, jax.random.fold_in(jax.random.key(2), i))
        query = jax.device_get(query)
        oracle.submit(query, i)
        waiting.append(oracle.collect(i))
        asked.append([int(q) for q in query.id if q != NOBODY])
        rows.append(jax.device_get(metrics))
        if len(waiting) > late:
            state = jax.jit(reward.absorb)(state, waiting.pop(0))
    return state, asked, rows


def correlation(reward, state) -> float:
    steps = rollout(seed=9)
    learned = np.asarray(jax.jit(reward.reward)(state, steps))
    return float(np.corrcoef(learned.ravel(), np.asarray(steps.env_reward).ravel())[0, 1])


def test_it_learns_what_the_teacher_prefers_and_predicts_new_answers():
    reward = source()
    assert asks(reward)
    state, _, rows = taught(reward, rounds=8)
    assert correlation(reward, state) > 0.9
    assert rows[-1]["reward/heldout_accuracy"] > 0.7
    assert np.isnan(rows[0]["reward/loss"]), "there are no answers yet"
    learned = np.asarray(reward.reward(state, rollout()))
    assert abs(learned.mean()) < 0.2 and learned.std() == pytest.approx(1.0, abs=0.3), (
        "rewards are standardised on visited steps"
    )


def test_it_asks_as_scheduled_and_never_more_than_the_budget():
    _, asked, rows = taught(source(), rounds=9)
    assert [len(one) for one in asked] == [10] * 6 + [0] * 3
    assert [i for one in asked for i in one] == list(range(60)), "every id occurs once"
    assert rows[-1]["reward/queries"] == rows[-1]["reward/labels"] == 60


def test_balanced_queries_are_about_segments_that_differ_little():
    spec = make_spec(obs=2, action=1, info={"speed": ()})
    reward = source(spec, acquisition="balanced", balanced_by="speed", candidates=8)
    assert "info.speed" in reward.requirements.reads
    steps = rollout()
    speed = jnp.asarray(np.random.default_rng(1).exponential(size=steps.env_reward.shape), jnp.float32)
    steps = steps.replace(info={"speed": speed})
    ring = Replay.init(steps, 400).add(jax.tree.map(jnp.asarray, steps))
    drawn = Experience(None, ring.sample, ring.sample_segments, lambda obs, action: jnp.zeros(obs.shape[:-1]))
    _, query = reward.propose(reward.init(jax.random.key(0)), drawn, jnp.asarray(0), jax.random.key(1))
    asked, other = query.segments.info["speed"], drawn.sample_segments(jax.random.key(2), 200, 5).info["speed"]
    differences = [np.abs(np.diff(np.asarray(one).sum(axis=-1).reshape(-1, 2))) for one in (asked, other)]
    assert differences[0].mean() < 0.3 * differences[1].mean()


def test_answers_may_come_rounds_late():
    reward = source()
    state, _, rows = taught(reward, rounds=10, late=3)
    assert [int(row["reward/labels"]) for row in rows] == [0, 0, 0, 0, 10, 20, 30, 40, 50, 60]
    assert correlation(reward, state) > 0.9


def test_refused_queries_teach_nothing():
    reward = source()
    state = reward.init(jax.random.key(0))
    state, query = jax.jit(lambda s, k: reward.propose(s, experience(), jnp.asarray(0), k))(state, jax.random.key(1))
    labels = Labels.none(reward.queries_per_round, 2).replace(id=np.asarray(query.id))
    state = reward.absorb(state, labels)
    _, metrics = jax.jit(lambda s, k: reward.update(s, {}, experience(), jnp.asarray(1), k))(state, jax.random.key(2))
    assert metrics["reward/labels"] == 0 and np.isnan(metrics["reward/loss"])


def test_held_out_answers_are_never_trained_on():
    """If every held-out answer is reversed, the model learns the others and predicts these wrongly."""
    reward = source()
    state, _, _ = taught(reward, rounds=1)
    turned = state.scores.at[np.arange(60) % 5 == 4].multiply(-1.0)
    state = state.replace(scores=turned)
    update = jax.jit(lambda s, k: reward.update(s, {}, experience(), jnp.asarray(7), k))
    for i in range(6):
        state, metrics = update(state, jax.random.key(i))
    assert metrics["reward/accuracy"] > 0.95
    assert metrics["reward/heldout_accuracy"] < 0.5


def test_rankings_and_ratings():
    ranked = source(clips=4, budget=30, sessions=3)
    state, _, rows = taught(ranked, rounds=6)
    assert correlation(ranked, state) > 0.9
    rated = source(clips=1, acquisition="uniform")
    state, _, rows = taught(rated, rounds=8)
    assert correlation(rated, state) > 0.8
    assert "reward/heldout_accuracy" not in rows[-1]


def test_random_parts_of_segments_are_as_long_for_both():
    fit = source(crop=0.4)._fit
    kept = np.asarray(fit._kept(jax.random.key(0), (2, 500, 2, 5)))
    lengths = kept.sum(axis=-1)
    assert set(lengths.ravel()) == {3.0, 4.0, 5.0} and (lengths[..., 0] == lengths[..., 1]).all()
    assert set(np.abs(np.diff(kept, axis=-1)).sum(axis=-1).ravel()) <= {0.0, 1.0, 2.0}, "the kept steps are contiguous"
    assert (kept[..., 0] == 0.0).any() and (kept[..., -1] == 0.0).any()


def test_sure_guesses_are_learned_from_besides():
    reward = source(pseudo_weight=1.0, crop=0.2)
    state, _, rows = taught(reward, rounds=6)
    assert correlation(reward, state) > 0.9
    assert 0.0 < rows[-1]["reward/pseudo_labels"] < 1.0, "some pairs get pseudo-labels, and some do not"
    assert rows[1]["reward/pseudo_labels"] < rows[-1]["reward/pseudo_labels"]


@pytest.mark.parametrize("combine", ["mean", "min", "less_variance"])
def test_an_ensemble_pays_less_where_its_members_differ(combine):
    """Each member's reward is standardised first (Coste et al. 2023, section 3)."""
    reward = source(model={"ensemble": 3}, combine=combine, variance_weight=0.5)
    mean, deviation = np.array([0.1, 0.2, -0.3]), np.array([0.5, 1.0, 2.0])
    state = reward.init(jax.random.key(0)).replace(mean=jnp.asarray(mean), deviation=jnp.asarray(deviation))
    raw = np.asarray(reward.reward_model.rewards(state.model, jnp.asarray(rollout().obs)), float)
    members = (raw - mean[:, None, None]) / deviation[:, None, None]
    lower = {"mean": 0.0, "min": members.mean(axis=0) - members.min(axis=0), "less_variance": 0.5 * members.var(axis=0)}
    expected = members.mean(axis=0) - lower[combine]
    np.testing.assert_allclose(reward.reward(state, rollout()), expected, rtol=1e-4, atol=1e-5)


def test_heads_on_one_network_learn_the_same_and_each_from_its_own_answers():
    reward = source(model={"ensemble": 2, "shared_trunk": True})
    state, _, _ = taught(reward, rounds=8)
    assert correlation(reward, state) > 0.9
    assert {len(x) for x in jax.tree.leaves(state.model.variables)} == {1}, "there is one network"
    steps = jnp.asarray(rollout().obs)
    first, second = np.asarray(reward.reward_model.rewards(state.model, steps))
    assert not np.allclose(first, second), "each head began with weights of its own"

    def loss(rewards, sign):
        return jnp.mean((rewards - sign) ** 2), {}

    model, told, batches = state.model, jnp.array([1.0, -1.0]), jnp.stack([steps[0], steps[1]])
    step = jax.jit(lambda model, key: reward.reward_model.train_step(model, batches, loss, told, key)[0])
    for i in range(100):
        model = step(model, jax.random.key(i))
    found = np.asarray(reward.reward_model.rewards(model, batches))
    np.testing.assert_allclose(found[0, 0], 1.0, atol=0.3)
    np.testing.assert_allclose(found[1, 1], -1.0, atol=0.3)


def test_one_member_has_nothing_to_share():
    model = source().reward_model
    with pytest.raises(ConfigError, match=r"shared_trunk=true makes the members of an ensemble heads on one network"):
        replace(model, ensemble=1, shared_trunk=True)


def test_it_first_pays_for_new_states():
    reward = source(unsupervised_rounds=2)
    state, asked, _ = taught(reward, rounds=2)
    assert asked == [[], []] and bool(state.exploring)
    far = rollout().replace(obs=jnp.full((100, 4, 2), 5.0))
    assert float(reward.reward(state, far).min()) > float(reward.reward(state, rollout()).max())
    state, asked, _ = taught(reward, rounds=4)
    assert len(asked[2]) > 0 and not bool(state.exploring)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"combine": "min", "model": {"ensemble": 1}}, r"reward\.combine=min needs several members; choose"),
        ({"segment_steps": 10_000}, r"reward\.segment_steps=10000 is more than an episode"),
        ({"budget": 0}, r"reward\.budget=0 must be at least 1"),
        ({"label_noise": 1.0}, r"reward\.label_noise=1\.0 must lie in \[0, 1\)"),
        ({"clips": 1}, r"reward\.acquisition=disagreement compares segments, but reward\.clips=1 asks about one"),
        ({"pseudo_weight": 1.0, "clips": 3}, r"reward\.pseudo_weight=1\.0 predicts which of two segments is better"),
        ({"crop": 1.0}, r"reward\.crop=1\.0 must lie in \[0, 1\)"),
        ({"heldout_every": 1}, r"reward\.heldout_every=1 must be at least 2"),
        ({"length_control": 1.0}, r"reward\.length_control=1\.0 is for comparisons of texts, and not for test"),
        ({"acquisition": "balanced"}, r"reward\.acquisition=balanced and reward\.balanced_by=None do not fit"),
        ({"balanced_by": "speed"}, r"reward\.acquisition=disagreement and reward\.balanced_by=speed do not fit"),
        ({"acquisition": "balanced", "balanced_by": "speed"}, r"balanced_by=speed is not a feature of test's segments"),
        (
            {"acquisition": "balanced", "balanced_by": "speed", "candidates": 1},
            r"reward\.acquisition=balanced chooses among candidates; reward\.candidates=1 must be at least 2",
        ),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ConfigError, match=message):
        source(**changes)


def test_episodes_that_can_end_early_are_refused():
    with pytest.raises(ConfigError, match="can end early"):
        source(make_spec(obs=2, action=1, ends_early=True))


def test_the_best_weights_are_those_with_the_lowest_loss_on_todays_held_out_answers():
    source = make("reward", "preferences", make_spec(), keep_best=True, budget=20, segment_steps=2)
    state = source.init(jax.random.key(0))
    inputs = jax.random.normal(jax.random.key(1), state.inputs.shape)
    worse = jax.tree.map(lambda x: x + jax.random.normal(jax.random.key(2), x.shape), state.model.variables)
    returns = jnp.sum(source.reward_model.rewards(state.model, inputs), axis=-1).mean(axis=0)
    told = state.replace(inputs=inputs, scores=returns, known=jnp.ones(state.known.shape, bool))
    newer = told.replace(model=told.model.replace(variables=worse))
    kept = source._with_best(newer)
    jax.tree.map(np.testing.assert_array_equal, kept.best, state.model.variables)
    again = source._with_best(told.replace(best=worse))
    jax.tree.map(np.testing.assert_array_equal, again.best, state.model.variables)
    assert source._chosen(kept).variables is kept.best
