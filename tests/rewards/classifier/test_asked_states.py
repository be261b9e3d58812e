"""Yes/no queries of the adversarial classifier: the states it asks about, the use of answers, and whole runs."""

import shutil
import sqlite3
import uuid

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import NOBODY, Labels
from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.rewards.base import asks
from rl_rewards.rewards.classifier.asked_states import NO, YES, AskedStates, highest_rewards, judged_states
from rl_rewards.rewards.mixture import Mixture
from tests.finished import cut_back, finished_run, resumed_run
from tests.probes import experience_of, make_rollout, make_spec
from tests.rewards.examples import examples_of, gaussians, initial, numbered, same, source_of, tiny_source, updater
from tests.runs import digest_of, rows, unexplained

SPEC = make_spec(obs=1, action=1)
ASKS = ("env=point", "reward.queries=5", "reward.rounds_per_session=1", "total_env_steps=2560")


# Which states are asked about.


def chosen(reward, n=3, askable=None, done=None, seed=0):
    reward = jnp.asarray(reward, jnp.float32)
    askable = jnp.ones(reward.shape, bool) if askable is None else jnp.asarray(askable)
    done = jnp.zeros(reward.shape, bool) if done is None else jnp.asarray(done)
    index, found = highest_rewards(reward, askable, done, n, jax.random.key(seed))
    return np.asarray(index)[np.asarray(found)].tolist()


def test_the_states_that_earn_most_are_chosen_one_of_an_episode():
    reward = [[0.1, 0.9], [0.8, 0.95], [0.7, 0.2]]  # [T, B]: the left column is 0, 2, 4 of the flat one
    assert chosen(reward) == [3, 2], "the best state of each of the two episodes is chosen; there is no third"
    done = [[False, True], [False, False], [True, False]]
    assert chosen(reward, done=done) == [3, 1, 2], "an episode that ended and the next one are different episodes"
    askable = [[True, True], [True, False], [True, True]]
    assert chosen(reward, n=1, askable=askable) == [1]
    assert chosen(reward, askable=np.zeros((3, 2), bool)) == []


def test_ties_are_broken_at_random():
    reward = np.ones((4, 5))
    firsts = [chosen(reward, n=1, seed=seed)[0] for seed in range(30)]
    assert len(set(firsts)) > 10
    assert len({index % 5 for index in chosen(reward, n=5)}) == 5


@pytest.mark.parametrize("judges", ["obs", "obs_action", "next_obs"])
def test_what_is_asked_about_is_the_judged_state_with_its_own_record(judges):
    """Each state's record is its number; in the first environment an episode ends after the second step."""
    number = 1.0 + np.arange(8, dtype=np.float32).reshape(4, 2)
    done, valid = np.zeros((4, 2), bool), np.ones((4, 2), bool)
    done[1, 0], valid[2, 1] = True, False
    before = np.concatenate([np.zeros((1, 2), np.float32), number[:-1]])
    before[2, 0] = -7.0  # a new episode's first state
    rollout = make_rollout(
        SPEC, 4, 2, obs=before[..., None], next_obs=number[..., None], env_reward=number, truncated=done, valid=valid,
        info={"success": number},
    )  # fmt: skip
    states, askable = judged_states(rollout, judges)
    askable = np.asarray(askable)
    judged = np.asarray(rollout.next_obs if judges == "next_obs" else rollout.obs)
    np.testing.assert_array_equal(states.obs, judged)
    np.testing.assert_array_equal(states.next_obs, judged)
    for record in (states.env_reward, states.info["success"]):
        np.testing.assert_array_equal(np.asarray(record)[askable], judged[..., 0][askable])
    np.testing.assert_array_equal(states.action, rollout.action)
    known = valid if judges == "next_obs" else [[False, False], [True, True], [False, False], [True, False]]
    np.testing.assert_array_equal(askable, known)


# Stored queries and answers.


def labels(ids, scores, rows=4):
    found = Labels.none(rows, 1)
    found.id[: len(ids)], found.scores[: len(ids), 0] = ids, scores
    return jax.tree.map(jnp.asarray, found)


def asked_four():
    state = AskedStates.init(SPEC, 4)
    state, ids = state.ask(jnp.arange(3.0)[:, None], -jnp.arange(3.0)[:, None], jnp.int32(2))
    np.testing.assert_array_equal(ids, [0, 1, NOBODY])
    state, ids = state.ask(10.0 + jnp.arange(3.0)[:, None], jnp.zeros((3, 1)), jnp.int32(3))
    np.testing.assert_array_equal(ids, [2, 3, NOBODY])  # the budget is used up
    return state


def test_answers_find_their_states_however_late_they_come():
    state = asked_four()
    np.testing.assert_array_equal(state.obs[:, 0], [0.0, 1.0, 10.0, 11.0])
    np.testing.assert_array_equal(state.action[:, 0], [0.0, -1.0, 0.0, 0.0])
    assert int(state.count) == 4 and not state.answer.any()
    state = state.absorb(labels([3, 0], [1.0, 0.0]))
    state = state.absorb(labels([1, 2], [np.nan, 1.0]))
    np.testing.assert_array_equal(state.answer, [NO, 0, YES, YES])
    np.testing.assert_array_equal(state.absorb(labels([0], [1.0])).answer, [YES, 0, YES, YES])


def test_states_are_drawn_uniformly_by_their_answer():
    state = asked_four().absorb(labels([0, 2, 3], [0.0, 1.0, 1.0]))
    obs, _, known = state.draw(YES, (2, 500), jax.random.key(0))
    assert obs.shape == (2, 500, 1) and bool(known)
    values, counts = np.unique(obs, return_counts=True)
    np.testing.assert_array_equal(values, [10.0, 11.0])
    assert counts.min() > 430
    assert np.unique(state.draw(NO, (9,), jax.random.key(1))[0]).tolist() == [0.0]
    assert not bool(asked_four().draw(NO, (9,), jax.random.key(1))[2])


def test_answered_states_fill_their_share_of_a_batch():
    source = tiny_source(queries=4, query_share=0.25)
    state = initial(source)
    positives, negatives = jnp.full((2, 10, 1), 5.0), jnp.full((2, 8, 1), -5.0)

    def filled(state):
        return source.with_answered(state, positives, negatives, jax.random.key(0))

    assert same(filled(state), (positives, negatives)), "there is no answer yet"
    state = state.replace(asked=asked_four().absorb(labels([1, 2], [1.0, 1.0])))
    assert same(filled(state)[1], negatives), "there is no answer no yet"
    state = state.replace(asked=asked_four().absorb(labels([0, 1, 2], [0.0, 1.0, 1.0])))
    yes, no = (np.asarray(half)[..., 0] for half in filled(state))
    assert np.isin(yes[:, :2], [1.0, 10.0]).all() and (yes[:, 2:] == 5.0).all()
    assert (no[:, -2:] == 0.0).all() and (no[:, :-2] == -5.0).all()


# When it asks.


def proposed(source, rounds):
    """Return the query ids of each round, for rollouts of four episodes."""
    propose = jax.jit(lambda s, rollout, i, key: source.propose(s, experience_of(rollout), i, key))
    state, ids = initial(source), []
    for i in range(rounds):
        asked = []
        if source.may_ask(jnp.int32(i)):
            state, query = propose(state, numbered(i), jnp.int32(i), jax.random.key(i))
            assert query.segments.obs.shape == (source.queries_per_session, 1, 1, 1), "a clip of one state each"
            asked = [int(one) for one in query.id if one != NOBODY]
        ids.append(asked)
    return state, ids


def test_questions_are_spread_over_sessions_until_the_budget_is_used_up():
    _, ids = proposed(tiny_source(queries=3, rounds_per_session=2), 8)
    assert ids == [[0], [], [1], [], [2], [], [], []]
    _, ids = proposed(tiny_source(queries=5, queries_per_session=3, rounds_per_session=1), 3)
    assert [one for asked in ids for one in asked] == list(range(5)) and max(map(len, ids)) <= 3
    _, ids = proposed(tiny_source(queries=6, queries_per_session=6, rounds_per_session=1), 3)
    assert ids == [[0, 1, 2, 3], [4, 5], []], (
        "queries for which a rollout of four episodes has no states are asked later"
    )


def test_what_is_asked_earns_most_of_all_that_was_visited():
    source, rollout = tiny_source(queries=1), make_rollout(SPEC, 6, 4)
    state, query = source.propose(initial(source), experience_of(rollout), jnp.int32(0), jax.random.key(0))
    best = rollout.next_obs.reshape(-1)[jnp.argmax(source.reward(state, rollout))]
    assert float(query.segments.obs[0, 0, 0, 0]) == float(best) == float(state.asked.obs[0, 0])


def test_a_source_without_questions_is_no_asker():
    silent, asker = tiny_source(), tiny_source(queries=2)
    assert not asks(silent) and asks(asker)
    assert not hasattr(initial(silent), "asked") and initial(asker).asked.answer.shape == (2,)
    assert not asks(Mixture(parts={"a": silent}, weights={"a": 1.0}))
    assert asks(Mixture(parts={"a": asker, "b": silent}, weights={"a": 1.0, "b": 1.0}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"queries": -1}, r"reward\.queries=-1"),
        ({"queries": 2.5}, r"reward\.queries=2\.5"),
        ({"queries": 2, "query_share": 0.0}, r"reward\.query_share=0\.0 must lie between 0 and 1"),
        ({"queries": 2, "rounds_per_session": 0}, r"reward\.rounds_per_session=0 must be at least 1"),
        ({"queries": 2, "queries_per_session": 0}, r"reward\.queries_per_session=0 must be at least 1"),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(ConfigError, match=words):
        tiny_source(**changes)


# The effect of answers.


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_answers_overcome_what_every_example_has_in_common(share):
    """A lamp is lit in all goal examples and in no others. The policy visits states with the lamp lit far from the
    goal, and the goal with the lamp dark. Updates on visited states cannot show that the latter is a success, but one
    answer of each kind does.

    A third of the negatives are dark goals, so that D = a / (a + (1 - a) / 3) on them for a share a of answers.
    """
    goals, rest = gaussians(n=100, size=1, deviation=0.1)
    lit, dark = np.ones((100, 1), np.float32), -np.ones((100, 1), np.float32)
    data = examples_of(np.concatenate([goals, lit], axis=1), np.concatenate([rest, dark], axis=1))
    fooled, done = np.concatenate([rest, lit], axis=1), np.concatenate([goals, dark], axis=1)
    spec = make_spec(obs=2, action=1)
    rollout = make_rollout(spec, 100, 2, next_obs=np.stack([fooled, done], axis=1))

    def learned(answered):
        source = source_of(
            "adversarial_classifier", spec, queries=2, pretrain_steps=100, updates_per_round=400, query_share=share
        )
        state = initial(source)
        asked = state.asked.replace(obs=jnp.asarray([fooled[0], done[0]]), answer=jnp.asarray(answered))
        state, metrics = updater(source, data)(state.replace(asked=asked), rollout, 0)
        assert metrics["reward/answered_yes"] == metrics["reward/answered_no"] == abs(answered[0])
        return np.asarray(source.reward(state, rollout)).mean(axis=0)

    for_the_lamp, for_the_goal = learned([0, 0])
    assert for_the_goal < 0.1
    for_the_lamp, for_the_goal = learned([NO, YES])
    assert for_the_goal == pytest.approx(share / (share + (1.0 - share) / 3.0), abs=0.05)
    assert for_the_lamp < 0.1


# Whole runs.


def kept(run, seed=None):
    """Return the states of queries in a run's newest checkpoint."""
    with jax.debug_key_reuse(False):  # see conftest
        return restore_from_run(run, seed).state.asked


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Return the folder of a run in which an oracle answers; its classifier has a gradient penalty."""
    more = ("reward.queries=20", "reward.queries_per_session=4", "env.goal_radius=0.35", "labeler.store=true")
    folder = tmp_path_factory.mktemp("answered") / "run"
    return finished_run(folder, *ASKS, *more, "reward.classifier.gradient_penalty=1.0", evaluated=False)


def test_an_oracles_answers_land_in_the_state(answered):
    state = kept(answered)
    truly = np.hypot(*np.asarray(state.obs).T) < 0.35
    np.testing.assert_array_equal(state.answer, np.where(truly, YES, NO))
    assert truly.any() and not truly.all(), "the states with the highest reward are of both kinds here"
    with sqlite3.connect(answered / STORE_NAME) as store:
        stored = store.execute(
            "SELECT query_id, scores FROM queries q JOIN answers a ON a.number = q.answer"
        ).fetchall()
    assert dict(stored) == {i: "[1.0]" if done else "[0.0]" for i, done in enumerate(truly)}
    last = rows(answered)[-1]
    assert last["reward/queries"] == last["reward/labels"] == 20.0
    assert last["reward/answered_yes"] == truly.sum() and last["reward/answered_no"] == (~truly).sum()
    assert unexplained(answered) == set(), "the glossary lacks a metric"


@pytest.mark.long
def test_every_seed_asks_questions_of_its_own(tmp_path):
    run = finished_run(tmp_path / "run", *ASKS, "num_seeds=2", "labeler.mistake=1.0", evaluated=False)
    np.testing.assert_array_equal(rows(run)[-1]["reward/labels"], [5.0, 5.0])
    first, second = (kept(run, seed) for seed in (0, 1))
    assert not same(first.obs, second.obs)
    wrong = np.hypot(*np.asarray(first.obs).T) >= 0.15  # env.goal_radius
    np.testing.assert_array_equal(first.answer, np.where(wrong, YES, NO))


@pytest.mark.long
def test_a_run_cut_back_to_an_earlier_checkpoint_ends_in_the_same_bits(answered, tmp_path):
    run = shutil.copytree(answered, tmp_path / answered.name)
    told, bits = rows(run), digest_of(run)
    cut_back(run)
    resumed_run(run, 2560, evaluated=False)
    assert digest_of(run) == bits and rows(run) == told


def test_questions_that_are_open_when_a_run_stops_are_answered_later_and_replay(tmp_path):
    run, again = tmp_path / "run", tmp_path / "again"
    people = ("labeler=human", "labeler.page=false", "labeler.wait=false")
    finished_run(run, *ASKS, *people, "total_env_steps=1280", evaluated=False)
    state = kept(run)
    assert int(state.count) == 4 and not state.answer.any()
    store = LabelStore(run / STORE_NAME)
    desk = Desk(store.database)
    said = [[1.0], [0.0], None, [1.0]]
    for scores in said:
        leased = desk.lease("ann")
        assert leased.kind == "yes_no"
        desk.answer("ann", leased.number, scores, token=uuid.uuid4().hex)
    store.close()
    resumed_run(run, 2560, evaluated=False)
    state = kept(run)
    np.testing.assert_array_equal(state.answer, [YES, NO, 0, YES, 0])
    last = rows(run)[-1]
    assert (last["reward/queries"], last["reward/labels"]) == (5.0, 2.0), (
        "there is one answer per round, and the last answers came after the end"
    )
    finished_run(again, *ASKS, "labeler=recorded", f"labeler.path={run}", evaluated=False)
    assert rows(again) == rows(run)
    assert same(kept(again), state)
