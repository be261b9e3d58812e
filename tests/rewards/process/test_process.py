"""A process reward asks about steps or responses, learns where a step is wrong, and folds its scores into a reward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import NOBODY, Labels
from rl_rewards.core.types import Experience, Transition
from rl_rewards.rewards.process import step_model
from tests.probes import make, make_spec

ENV = make("env", "text_chains", kinds=["worked"])
P, L = ENV.sizes
TINY = {"width": 16, "layers": 1, "heads": 2, "kv_heads": 2, "hidden": 32, "vocabulary": ENV.codec.size, "pad": 0}
N = 48


def process(**changes):
    settings = {"begins_with": "nothing", "budget": 60, "model": TINY, "batch_size": 16, "updates_per_round": 3}
    return make("reward", "process", ENV.spec, **(settings | changes))


def rollout(n: int = N, seed: int = 0) -> Transition:
    """Return mixed responses [1, n] with their judgement."""
    corpus = ENV.demonstrate(np.random.default_rng(seed), n, "mixed")
    obs, action = jnp.asarray(corpus.obs), jnp.asarray(corpus.action)
    out = jax.jit(ENV.answered)(obs, action)
    steps = Transition(
        obs=obs, action=action, next_obs=out.next_obs, env_reward=out.env_reward, terminated=out.terminated,
        truncated=out.truncated, valid=jnp.ones(n, bool), is_demo=jnp.zeros(n, bool), behaviour={}, info=out.info,
    )  # fmt: skip
    return jax.tree.map(lambda x: x[None], steps)


STEPS = rollout()
LABELS = np.asarray(STEPS.info["step_right"][0])


def never(*_):
    raise AssertionError("a process reward reads the rollout only")


def experience(**more) -> Experience:
    return Experience(STEPS, never, never, never)._replace(**more)


def asked(source):
    """Return the state and the queries of the first round."""
    state = source.init(jax.random.key(0))
    return jax.jit(lambda s: source.propose(s, experience(), jnp.int32(0), jax.random.key(1)))(state)


def test_it_asks_about_every_step_of_the_first_responses_cut_after_the_step():
    source = process()
    state, query = asked(source)
    rows, places = np.nonzero(LABELS >= 0)
    assert query.id.tolist() == list(range(60)) and int(state.asked) == 60
    segments = query.segments
    assert segments.action.shape == (60, 1, 1, L)
    for number in range(60):
        row, place = rows[number], places[number]
        whole, shown = np.asarray(STEPS.action[0, row]), np.asarray(segments.action[number, 0, 0])
        np.testing.assert_array_equal(shown[: place + 1], whole[: place + 1])
        assert (shown[place + 1 :] == ENV.codec.pad).all()
        np.testing.assert_array_equal(segments.next_obs[number, 0, 0, P:], shown)
        assert bool(segments.info["success"][number, 0, 0]) == (LABELS[row, place] == 1.0)
        np.testing.assert_array_equal(state.labels.texts[number], STEPS.next_obs[0, row])
        assert int(state.labels.place[number]) == place


def test_outcomes_are_labels_of_as_many_whole_responses():
    source = process(labels_of="outcome", budget=40)
    _, query = asked(source)
    np.testing.assert_array_equal(query.segments.action[:, 0, 0], STEPS.action[0, :40])
    np.testing.assert_array_equal(query.segments.info["success"][:, 0, 0], STEPS.info["success"][0, :40])
    plan = source.requirements.queries
    assert plan is not None and (plan.question, plan.budget, plan.clips) == ("success", 40, 1)


def test_a_round_with_too_few_steps_asks_about_all_it_has():
    source = process(budget=1000)
    state, query = asked(source)
    assert int(state.asked) == np.sum(LABELS >= 0) == np.sum(np.asarray(query.id) != NOBODY)


def test_answers_are_stored_by_their_ids_and_a_refusal_is_none():
    source = process()
    state, _ = asked(source)
    answers = Labels(id=jnp.array([3, NOBODY, 5, 7]), scores=jnp.array([[1.0], [1.0], [jnp.nan], [0.0]]),
                     rater=jnp.zeros(4, jnp.int32))  # fmt: skip
    labels = source.absorb(state, answers).labels
    assert np.flatnonzero(labels.known).tolist() == [3, 7] and labels.scores[jnp.array([3, 5, 7])].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("fold", "expected"), [("min", 0.2), ("product", 0.8 * 0.2 * 0.5), ("mean", 0.5), ("last", 0.5)]
)
def test_the_reward_is_a_fold_of_the_steps(fold, expected):
    text = "3 + 4 is 7 . 7 - 2 is 6 . so 6 ."
    tokens = [*ENV.codec.encode(text), ENV.codec.end]
    whole = jnp.array([[0] * P + tokens + [0] * (L - len(tokens))])
    scores = jnp.ones((1, L)).at[0, jnp.array([5, 11, 15])].set(jnp.array([0.8, 0.2, 0.5]))
    assert float(process(fold=fold)._model.folded(scores, whole)[0]) == pytest.approx(expected, abs=1e-6)


def test_scores_depend_on_the_text_so_far_alone():
    source = process()
    state = source.init(jax.random.key(0))
    params = jax.tree.map(lambda x: x + 0.1 * jnp.sign(x + 1e-3), state.best)  # its head is 0 at first
    state = state.replace(best=params)
    texts = STEPS.next_obs[0, :4]
    scores = np.asarray(source.step_scores(state, texts))
    is_step = LABELS[:4] >= 0
    assert (scores[~is_step] == 1.0).all() and np.std(scores[is_step]) > 0.0
    first = np.argmax(is_step, axis=1)
    cut = jnp.where(jnp.arange(L) <= first[:, None], texts[:, P:], ENV.codec.encode("so")[0])
    again = np.asarray(source._model.logits(params, jnp.concatenate([texts[:, :P], cut], axis=1)))
    np.testing.assert_allclose(jax.nn.sigmoid(again[range(4), first]), scores[range(4), first], atol=1e-5)
    paid = np.asarray(source.reward(state, jax.tree.map(lambda x: x[:, :4], STEPS)))
    np.testing.assert_allclose(paid[0], scores.min(axis=1), atol=1e-6)


def test_many_texts_are_scored_in_pieces_with_the_same_result(monkeypatch):
    source = process()
    state, texts = source.init(jax.random.key(0)), STEPS.next_obs[0, :10]
    params = jax.tree.map(lambda x: x + 0.1 * jnp.sign(x + 1e-3), state.best)
    at_once = source._model.logits(params, texts)
    seen, apply = [], type(source._model.network).apply
    monkeypatch.setattr(step_model, "AT_ONCE", 4)
    monkeypatch.setattr(
        type(source._model.network),
        "apply",
        lambda self, v, some: (seen.append(some.shape[0]), apply(self, v, some))[1],
    )
    np.testing.assert_allclose(source._model.logits(params, texts), at_once, atol=1e-5)
    assert set(seen) == {4}, "so that ten seeds fit into memory"


@pytest.mark.parametrize("labels_of", ["steps", "outcome"])
def test_an_outcome_is_the_label_of_every_step_and_a_step_of_its_own(labels_of):
    source = process(labels_of=labels_of, budget=40)
    state, _ = asked(source)
    judged = np.asarray(source._judged(state.labels))
    ends = np.asarray(source._model.scores(source.init(jax.random.key(0)).best, state.labels.texts)) != 1.0
    if labels_of == "outcome":
        np.testing.assert_array_equal(judged, ends)
    else:
        assert judged.sum(axis=1).tolist() == [1] * 40 and ends[judged].all()


def test_it_learns_from_the_labels_that_are_not_held_out_and_keeps_the_best_weights():
    source = process(budget=150, learning_rate=3e-3, updates_per_round=30, heldout_every=2)
    state, query = asked(source)
    right = query.segments.info["success"][:, 0, 0]
    state = source.absorb(state, Labels(id=query.id, scores=right[:, None].astype(jnp.float32),
                                        rater=jnp.zeros(len(right), jnp.int32)))  # fmt: skip
    update = jax.jit(lambda s, i: source.update(s, {}, experience(), i, jax.random.fold_in(jax.random.key(2), i)))
    losses, metrics = [], {}
    for number in range(4):
        state, metrics = update(state, jnp.int32(number + 1))
        losses.append((float(metrics["reward/loss"]), float(metrics["reward/heldout_loss"])))
    assert losses[-1][0] < losses[0][0] < 0.7, "the training loss falls"
    held = [one for _, one in losses]
    assert held == sorted(held, reverse=True) and held[0] < np.log(2.0)
    ordered, pairs = source.heldout_agreement(state)
    assert 0 <= float(ordered) <= float(pairs) and float(pairs) >= 3
    assert float(metrics["reward/labels"]) == 150


def test_completions_label_a_step_by_the_share_that_ends_right():
    source = process(labels_of="completions", completions=4, budget=30)
    assert source.requirements.queries is None

    def complete(key, steps, place):
        """Half of the completions of the steps at even places are right, and all of the others."""
        even = jax.random.key_data(key)[-1] % 2 == 0
        told = jnp.where(place % 2 == 0, even, True)
        return steps.replace(info=steps.info | {"success": told})

    state = source.init(jax.random.key(0))
    keys = jax.random.split(jax.random.split(jax.random.key(3))[0], 4)
    share = float(np.mean([int(jax.random.key_data(key)[-1]) % 2 == 0 for key in keys]))
    update = jax.jit(lambda s, i, key: source.update(s, {}, experience(complete=complete), i, key))
    state, metrics = update(state, jnp.int32(0), jax.random.key(3))
    rows, places = (x[:30] for x in np.nonzero(LABELS >= 0))
    np.testing.assert_allclose(state.labels.scores, np.where(places % 2 == 0, share, 1.0))
    assert np.asarray(state.labels.known).all()
    lengths = np.asarray(STEPS.info["chain_length"][0])[rows].astype(int)  # place of the end token
    assert float(metrics["reward/completion_tokens"]) == 4 * np.sum(lengths - places)
    later, _ = update(state, jnp.int32(1), jax.random.key(4))
    np.testing.assert_array_equal(later.labels.scores, state.labels.scores)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": 0}, "reward.budget=0"),
        ({"heldout_every": 1}, "reward.heldout_every=1"),
        ({"learning_rate": 0.0}, "reward.learning_rate=0.0"),
    ],
)
def test_wrong_arguments_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        process(**changes)


@pytest.mark.parametrize("spec", [make("env", "text").spec, make_spec()])
def test_texts_without_steps_are_refused(spec):
    with pytest.raises(ConfigError, match="choose env=text_chains"):
        make("reward", "process", spec, begins_with="nothing", model=TINY)
