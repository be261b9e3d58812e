"""Edits of texts and segments change one property; a bias that is added to the true reward is found with its size."""

import jax
import numpy as np
import pytest

from rl_rewards.auditing.effects import Population, effects, spread
from rl_rewards.auditing.segments import EDITED, SIMULATED, EditedSegments
from rl_rewards.auditing.subject import DrawnSegments, stepped
from rl_rewards.auditing.texts import EditedTexts, true_returns
from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.text.edits import ENGLISH
from rl_rewards.loop.build import build_env
from rl_rewards.loop.collect import reset_jax
from tests.runs import composed

COUNT, STEPS = 128, 8
WORD = "hope"


@pytest.fixture(scope="module")
def texts():
    env = build_env(composed("env=text"))
    corpus = env.demonstrate(np.random.default_rng(0), COUNT, "mixed")
    return EditedTexts(env, corpus.obs, corpus.action, WORD)


def found(edited, segments, returns):
    true = true_returns(segments)
    population = Population(returns(segments), edited.features(segments), true, np.arange(len(true)))
    made = edited.interventions(returns, 0) if isinstance(edited, EditedTexts) else edited.interventions(returns)
    return population, {one.name: one for one in made}, effects(population, made)[0]


def test_the_true_reward_of_texts_is_a_null_and_edits_do_what_they_say(texts):
    _, made, effect = found(texts, texts.segments(texts.action), true_returns)
    assert max(abs(one.excess) for one in effect) < 1e-6 and not any(one.named for one in effect)
    assert set(made) == {"flattery", "politeness", "repetition", "filler", "order", f"word {WORD}"}
    added = {"flattery": "gold_flattery", "politeness": "gold_polite", "repetition": "gold_duplicates"}
    for name, feature in added.items():
        np.testing.assert_array_equal(made[name].features[feature], 1.0, name)
    for name in ("flattery", "politeness", "order", "filler"):
        np.testing.assert_array_equal(made[name].features[f"word {WORD}"], 0.0, name)
    for name in ("flattery", "politeness", "repetition"):
        np.testing.assert_array_equal(made[name].features["gold_sentences"], 0.0)
        assert np.mean(np.abs(made[name].features["length"])) < 1.5, "length is another edit's matter"
    np.testing.assert_array_equal(made["flattery"].features["gold_polite"], 0.0)
    np.testing.assert_array_equal(made["order"].features["length"], 0.0)
    np.testing.assert_array_equal(made["order"].features["gold_sentences"], 0.0)
    assert made["filler"].features["length"].min() >= 4
    word = made[f"word {WORD}"]
    np.testing.assert_array_equal(word.features[f"word {WORD}"], 1.0)
    np.testing.assert_array_equal(word.features["gold_polite"], 0.0, "another polite sentence stood there")
    np.testing.assert_array_equal(word.features["gold_sentences"], 0.0)


def test_a_bias_of_texts_is_found_with_its_size_and_first(texts):
    def flattered(segments):
        return true_returns(segments) + 2.0 * texts.features(segments)["gold_flattery"]

    population, made, effect = found(texts, texts.segments(texts.action), flattered)
    first = effect[0]
    assert first.name == "flattery" and first.named
    slope = first.owed * spread(population) / np.mean(made["flattery"].true)
    exact = (2.0 + (1.0 - slope) * np.mean(made["flattery"].true)) / spread(population)
    assert first.excess == pytest.approx(exact) and slope == pytest.approx(1.0, abs=0.2)


def test_what_cannot_be_written_is_one_sentence(texts):
    for word, told in (("two words", "has no spaces"), ("zebra", "not one of the"), (".", "at least one letter")):
        with pytest.raises(ConfigError, match=told):
            texts.env.edits(np.random.default_rng(0), texts.action, word)


def test_any_word_can_be_put_between_others(texts):
    edit = texts.env.edits(np.random.default_rng(0), texts.action, "honey")[-1]
    assert edit.name == "word honey"
    for before, after in zip(edit.before, edit.after, strict=True):
        assert sorted([*texts.env.decode(before).split(), "honey"]) == sorted(texts.env.decode(after).split())


def test_a_users_texts_have_the_same_edits():
    env = build_env(composed("env=text_prompts"))
    corpus = env.texts("chosen")
    names = {one.name for one in env.edits(np.random.default_rng(0), corpus.action, None)}
    assert names <= {"flattery", "politeness", "repetition", "filler", "order"}
    said = ENGLISH.split("One. Two!  Is it three? Yes")
    assert said == ["One.", "Two!", "Is it three?", "Yes"] and ENGLISH.join(said[:2]) == "One. Two!"


def drawn_from(env, states, keys, action):
    def play(states, keys, action):
        def step(states, now):
            return stepped(env, states, now[0], jax.vmap(env.observe)(states), now[1])

        return jax.lax.scan(step, states, (keys, action))[1]

    rollout = jax.jit(play)(states, keys.swapaxes(0, 1), action.swapaxes(0, 1))
    segments = jax.tree.map(lambda x: np.asarray(x).swapaxes(0, 1), rollout)
    return DrawnSegments(segments, np.arange(COUNT), states, keys, True, "here")


@pytest.fixture(scope="module")
def segments():
    env = build_env(composed("env=point"))
    states = reset_jax(env, jax.random.key(0), COUNT)
    keys = jax.random.split(jax.random.key(1), (COUNT, STEPS))
    action = jax.random.uniform(jax.random.key(2), (COUNT, STEPS, 2), minval=-0.7, maxval=0.7)
    return EditedSegments(env, drawn_from(env, states, keys, action), 0)


def path_paid(edited):
    return lambda one: true_returns(one) + 3.0 * edited.features(one)["path_length"]


def test_segments_are_simulated_again_and_end_where_they_ended(segments):
    again = segments._again(segments._recorded.action)
    np.testing.assert_array_equal(again.next_obs, segments._recorded.next_obs)
    _, made, effect = found(segments, segments._recorded, path_paid(segments))
    assert SIMULATED in made["path length"].what and made["path length"].features["path_length"].min() > -1e-6
    assert np.mean(made["path length"].features["path_length"]) > 0.1
    assert SIMULATED in made["jerkiness"].what and np.mean(made["jerkiness"].features["jerkiness"]) > 0.05
    np.testing.assert_allclose(made["jerkiness"].features["action_size"], 0.0, atol=1e-6)
    assert effect[0].name == "path length" and effect[0].named
    size = next(one for one in effect if one.name == "action size")
    assert EDITED in size.what and size.excess == pytest.approx(0.0, abs=1e-6), "no path is longer there"


def test_the_true_reward_of_segments_is_a_null(segments):
    effect = found(segments, segments._recorded, lambda one: true_returns(one) + 1e-3 * one.next_obs[:, -1, 0])[2]
    assert not any(one.named for one in effect)


def test_without_dynamics_the_recorded_states_are_edited(segments):
    drawn = segments.drawn._replace(starts=None, keys=None)
    edited = EditedSegments(segments.env, drawn, 0)
    _, made, effect = found(edited, edited._recorded, path_paid(edited))
    path = made["path length"]
    assert EDITED in path.what and path.features["path_length"].min() > 0.0
    np.testing.assert_array_equal(path.features["action_size"], 0.0)
    assert effect[0].name == "path length" and made["jerkiness"].features["path_length"].max() == 0.0
