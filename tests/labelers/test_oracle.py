"""Synthetic teachers: the effect of each kind of mistake; an answer depends only on its query."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import NOBODY, Query
from rl_rewards.labelers.oracle import Teacher
from tests.labelers.assignments import assignment
from tests.probes import make_rollout, make_spec

PLAIN = {
    "rationality": None, "myopia": 1.0, "mistake": 0.0, "skip": 0.0, "equal": 0.0, "raters": 1, "rater_offset": 0.0,
    "rating_noise": 0.0, "bias": 0.0, "bias_towards": "path_length", "store": False,
}  # fmt: skip
SPEC = make_spec(obs=1, action=1)


def asked(rewards, ids=None, seed=0, **changes):
    """Return the labels of queries whose segments have ``rewards`` [Q, K, L]."""
    rewards = np.asarray(rewards, np.float32)
    q, k, length = rewards.shape
    segments = make_rollout(SPEC, length, q * k).replace(env_reward=rewards)  # the teacher reads nothing else
    oracle = Teacher(**PLAIN | changes).make(assignment(q + 2, k, seed=seed))
    oracle.submit(Query(id=np.arange(q) if ids is None else np.asarray(ids), segments=segments), 0)
    return oracle.collect(0)


def test_the_better_segment_is_preferred_and_padding_says_nothing():
    labels = asked([[[1, 1], [0, 1]], [[0, 0], [0, 3]], [[9, 9], [0, 0]]], ids=[4, 5, NOBODY])
    np.testing.assert_array_equal(labels.id, [4, 5, -1, -1, -1])
    np.testing.assert_array_equal(labels.scores[:2], [[1, 0], [0, 1]])
    assert np.isnan(labels.scores[2:]).all()


def test_a_teacher_of_one_objective_compares_by_it_and_says_how_often_the_true_return_agrees():
    spec = make_spec(obs=1, action=1, info={"gentle": (), "scene": (2,)})
    true = np.array([[[1.0], [0.0]], [[3.0], [2.0]]], np.float32)
    gentle = np.array([[[0.0], [5.0]], [[2.0], [1.0]]], np.float32)
    segments = make_rollout(spec, 1, 4).replace(env_reward=true, info={"gentle": gentle})
    teacher = Teacher(**PLAIN | {"objective": "gentle"})
    assert teacher.requirements.reads == ("env_reward", "info.gentle")
    oracle = teacher.make(replace(assignment(2, 2), spec=spec))
    oracle.submit(Query(id=np.arange(2), segments=segments), 0)
    np.testing.assert_array_equal(oracle.collect(0).scores[:2], [[0, 1], [1, 0]])
    assert oracle.metrics()["labeler/agreement_with_true_return"] == 0.5
    for name in ("scene", "kind"):
        with pytest.raises(ConfigError, match=rf"labeler\.objective={name} is not a number in the info of test"):
            Teacher(**PLAIN | {"objective": name}).make(replace(assignment(2, 2), spec=spec))


def test_a_ranking_orders_all_and_ties_share_a_rank():
    labels = asked([[[3], [1], [2], [1]]])
    np.testing.assert_array_equal(labels.scores[0], [2, 0, 1, 0])


def test_a_short_sighted_teacher_judges_by_the_end():
    rewards = [[[5, 0, 0], [0, 0, 2]]]
    assert asked(rewards).scores[0, 0] == 1
    assert asked(rewards, myopia=0.5).scores[0, 0] == 0


@pytest.mark.parametrize(
    ("changes", "share"),
    [({"mistake": 0.1}, 0.1), ({"rationality": 1.1}, 1.0 - 1.0 / (1.0 + np.exp(-1.1)))],
)
def test_how_often_it_is_wrong(changes, share):
    labels = asked(np.tile([[[1.0], [0.0]]], (4000, 1, 1)), **changes)
    wrong = (labels.scores[:4000, 0] < labels.scores[:4000, 1]).mean()
    assert wrong == pytest.approx(share, abs=0.02)


def test_it_skips_what_is_bad_and_ties_what_is_alike():
    rewards = [[[1.0], [0.95]], [[1.0], [0.2]], [[0.01], [0.0]]]
    labels = asked(rewards, equal=0.2, skip=0.1)
    assert labels.scores[0, 0] == labels.scores[0, 1]
    assert labels.scores[1, 0] > labels.scores[1, 1]
    assert np.isnan(labels.scores[2]).all()


TIES = {"myopic": {"myopia": 0.5}, "random": {"rationality": 0.5}, "both": {"myopia": 0.5, "rationality": 0.5}}


@pytest.mark.parametrize("changes", TIES.values(), ids=list(TIES))
def test_ties_are_judged_by_true_returns_however_they_are_valued(changes):
    rewards = np.random.default_rng(0).normal(1.0, 1.0, size=(300, 2, 10))
    returns = rewards.astype(np.float32).astype(np.float64).sum(axis=-1)
    alike = np.abs(returns[:, 0] - returns[:, 1]) < 0.1 * np.abs(returns).mean()
    scores = asked(rewards, equal=0.1, **changes).scores[:300]
    np.testing.assert_array_equal(scores[:, 0] == scores[:, 1], alike)
    assert 0.05 < alike.mean() < 0.4


def test_a_bias_makes_no_ties():
    """Paths 1 and 3 are two standard deviations apart: returns differ, but the teacher's values are nearly equal."""
    scores = answers(*walking([[1.0, 2.0]], [[3.0, 1.0]], bias=0.333, equal=0.1))
    assert scores[0, 0] != scores[0, 1]
    scores = answers(*walking([[1.0, 1.01]], [[3.0, 1.0]], bias=1.0, equal=0.1))
    assert scores[0, 0] == scores[0, 1], "the returns are equal, whatever the values are"


def test_a_ranking_ties_neighbours_alone():
    np.testing.assert_array_equal(asked([[[1.0], [1.05], [3.0]]], equal=0.1, rationality=1e3).scores[0], [0, 0, 1])


def test_skipping_refuses_as_many_where_all_rewards_are_lower():
    """Returns from 0 to 9, and the same returns minus 20: a pair is refused if both are near the lowest."""
    rewards = np.random.default_rng(0).uniform(0.0, 9.0, size=(200, 2, 1))
    rewards[0] = 0.0
    high, low = (np.isnan(asked(rewards - below, skip=0.4).scores[:200, 0]) for below in (0.0, 20.0))
    np.testing.assert_array_equal(high, low)
    assert 0.02 < high.mean() < 0.2


def test_a_teacher_of_an_earlier_checkpoint_goes_on():
    oracle = Teacher(**PLAIN | {"skip": 0.1}).make(assignment(3))
    oracle.load(b"[10.0, 4.0, 0.0, 0.0]")
    assert json.loads(oracle.save()) == [10.0, 4.0, 0.0, 0.0, 10.0, 0.0, 0, 0]


def test_its_agreement_with_true_returns_is_the_ceiling_of_a_rewards_accuracy():
    """sigmoid(1.1) of the answers about a difference of 1; ties, refusals and other segments do not count."""
    oracle = Teacher(**PLAIN | {"rationality": 1.1, "equal": 0.1, "skip": 0.1}).make(assignment(4002, 2))
    (agreement,) = oracle.metrics()
    assert np.isnan(oracle.metrics()[agreement])
    rewards = np.tile([[[1.0], [0.0]], [[1.0], [0.99]], [[0.0], [0.001]], [[0.5], [0.5]]], (1000, 1, 1))
    segments = make_rollout(SPEC, 1, 8000).replace(env_reward=rewards.astype(np.float32))
    oracle.submit(Query(id=np.arange(4000), segments=segments), 0)
    found = oracle.metrics()[agreement]
    assert found == pytest.approx(1.0 / (1.0 + np.exp(-1.1)), abs=0.04)
    again = Teacher(**PLAIN).make(assignment(3))
    again.load(oracle.save())
    assert again.metrics()[agreement] == found


def test_rankings_count_pair_by_pair():
    oracle = Teacher(**PLAIN | {"mistake": 1.0}).make(assignment(1, 3))
    rewards = np.array([[[3.0], [1.0], [1.0]]], np.float32)
    oracle.submit(Query(id=np.arange(1), segments=make_rollout(SPEC, 1, 3).replace(env_reward=rewards)), 0)
    assert list(oracle.metrics().values()) == [0.0], "both of the pairs that differ are reversed"


def test_ratings_have_each_raters_offset():
    labels = asked(np.ones((600, 1, 4)), raters=3, rater_offset=1.0, rating_noise=0.01)
    means = [labels.scores[:600, 0][labels.rater[:600] == r].mean() for r in range(3)]
    assert np.ptp(means) > 0.2
    assert labels.scores[:600, 0][labels.rater[:600] == 0].std() < 0.02


def test_an_answer_depends_on_seed_and_id_alone():
    rewards = np.random.default_rng(0).normal(size=(30, 2, 5))
    whole = asked(rewards, rationality=1.0)
    late = asked(rewards[20:], ids=np.arange(20, 30), rationality=1.0)
    np.testing.assert_array_equal(whole.scores[20:30], late.scores[:10])
    assert (asked(rewards, rationality=1.0, seed=1).scores[:30] != whole.scores[:30]).any()


def said(success, ids=None, seed=0, spec=None, **changes):
    """Return the labels of questions whether the task is done in states with ``success`` [Q]."""
    success = np.asarray(success, bool)[:, None, None]
    steps = make_rollout(SPEC, 1, len(success)).replace(
        env_reward=np.zeros(success.shape, np.float32), info={"success": success}
    )
    spec = spec or make_spec(obs=1, action=1, info={"success": ()}, has_success=True)
    oracle = Teacher(**PLAIN | changes).make(assignment(len(success) + 1, 1, seed=seed, question="success", spec=spec))
    oracle.submit(Query(id=np.arange(len(success)) if ids is None else np.asarray(ids), segments=steps), 0)
    return oracle.collect(0)


def test_whether_the_task_is_done_is_read_from_true_success():
    labels = said([True, False, True], ids=[4, NOBODY, 7])
    np.testing.assert_array_equal(labels.id, [4, 7, NOBODY, NOBODY])
    np.testing.assert_array_equal(labels.scores[:, 0], [1.0, 1.0, np.nan, np.nan])
    np.testing.assert_array_equal(said([False, True]).scores[:2, 0], [0.0, 1.0])


def test_yes_and_no_are_turned_round_with_the_share_of_mistakes():
    success = np.arange(3000) % 2 == 0
    wrong = said(success, mistake=0.1).scores[:3000, 0] != success
    assert wrong[success].mean() == pytest.approx(0.1, abs=0.02) == pytest.approx(wrong[~success].mean(), abs=0.03)
    late = said(success[500:], ids=np.arange(500, 3000), mistake=0.1).scores[:2500, 0]
    np.testing.assert_array_equal(late != success[500:], wrong[500:])
    assert (said(success, mistake=0.1, seed=1).scores[:3000, 0] != success).tolist() != wrong.tolist()


@pytest.mark.parametrize(
    "changes",
    [{"rationality": 2.0}, {"myopia": 0.9}, {"skip": 0.1}, {"equal": 0.1}, {"raters": 2, "rater_offset": 1.0},
     {"rating_noise": 0.5}, {"bias": 1.0}],
)  # fmt: skip
def test_what_is_about_returns_is_refused_where_the_answer_is_yes_or_no(changes):
    with pytest.raises(ConfigError, match=f"labeler.{list(changes)[-1]}=.* applies to returns"):
        said([True], **changes)


def test_a_teacher_that_knows_no_success_cannot_say_whether_the_task_is_done():
    with pytest.raises(ConfigError, match="test does not record true success"):
        said([True], spec=SPEC)


def walking(rewards, paths, **changes):
    """Return a teacher, and queries of segments with ``rewards`` [Q, K] per step and path lengths ``paths`` [Q, K]."""
    rewards, paths = np.asarray(rewards, np.float32), np.asarray(paths, np.float32)
    steps = np.linspace(0.0, 1.0, 5, dtype=np.float32)
    obs = (paths[..., None] * steps)[..., None]
    segments = make_rollout(SPEC, 1, 1).replace(
        env_reward=np.repeat(rewards[..., None], 5, axis=-1), obs=obs, action=np.zeros_like(obs)
    )
    oracle = Teacher(**PLAIN | {"bias_towards": "path_length"} | changes).make(assignment(len(rewards)))
    return oracle, Query(id=np.arange(len(rewards)), segments=segments)


def answers(oracle, query):
    oracle.submit(query, 0)
    return oracle.collect(0).scores


def test_a_bias_pays_for_a_feature_in_deviations_and_typical_returns():
    # Returns 5 and 10 (mean 7.5); paths 1 and 3 (standard deviation 1), so that one deviation is worth bias * 7.5.
    pair = ([[1.0, 2.0]], [[3.0, 1.0]])
    for bias, first in ((0.0, 0), (0.3, 0), (0.34, 1), (1.0, 1), (-1.0, 0)):
        assert answers(*walking(*pair, bias=bias))[0, 0] == first, bias
    assert Teacher(**PLAIN | {"bias": 1.0}).requirements.reads == ("env_reward", "obs", "action")
    alike = ([[1.0, 1.0]], [[1.0, 2.0]])
    np.testing.assert_array_equal(answers(*walking(*alike, bias=0.0)), [[0, 0]])
    np.testing.assert_array_equal(answers(*walking(*alike, bias=0.1)), [[0, 1]])
    np.testing.assert_array_equal(answers(*walking(*alike, bias=0.1, bias_towards="jerkiness")), [[0, 0]])


def test_a_bias_towards_the_position_pays_the_first_segment():
    # Returns 5 and 10, mean 7.5: the first is one deviation above the mean, the second one below, 15 * bias apart.
    better_second, better_first = [[1.0, 2.0]], [[2.0, 1.0]]
    for bias, first in ((0.0, 0), (0.3, 0), (0.34, 1), (-0.3, 0)):
        found = answers(*walking(better_second, [[3.0, 1.0]], bias=bias, bias_towards="position"))
        assert found[0, 0] == first, bias
    assert answers(*walking(better_first, [[1.0, 3.0]], bias=0.34, bias_towards="position"))[0, 0] == 1
    assert Teacher(**PLAIN | {"bias": 1.0, "bias_towards": "position"}).requirements.reads == (
        "env_reward",
        "obs",
        "action",
    )


def test_a_biased_rating_is_higher_for_longer_paths():
    found = answers(*walking([[1.0], [1.0]], [[1.0], [3.0]], bias=0.5))[:, 0]
    np.testing.assert_allclose(found, [0.5, 1.5], rtol=1e-6)


def test_a_biased_teacher_that_is_resumed_says_the_same():
    rng = np.random.default_rng(0)
    one, first = walking(rng.normal(size=(40, 2)), rng.uniform(size=(40, 2)), bias=0.5)
    late = rng.normal(size=(40, 2)), 9.0 + rng.uniform(size=(40, 2))
    (other, second), (fresh, _) = walking(*late, bias=0.5), walking(*late, bias=0.5)
    answers(one, first)
    other.load(one.save())
    expected = answers(one, second)
    np.testing.assert_array_equal(answers(other, second), expected)
    assert (answers(fresh, second) != expected).any(), "earlier segments count"


def test_a_bias_needs_a_feature_that_is_there():
    pictures = make_spec(obs=(8, 8, 3), action=1)
    with pytest.raises(ConfigError, match="is not a feature of test's segments; choose from action_size, jerkiness"):
        Teacher(**PLAIN | {"bias": 1.0}).make(assignment(1, spec=pictures))
    Teacher(**PLAIN | {"bias": 1.0, "bias_towards": "action_size"}).make(assignment(1, spec=pictures))
    with pytest.raises(ConfigError, match="bias_towards=colour is not a feature"):
        Teacher(**PLAIN | {"bias_towards": "colour"}).make(assignment(1))


def test_a_bias_towards_a_number_in_info():
    spec = make_spec(obs=2, action=1, info={"flattery": ()})
    teacher = Teacher(**PLAIN | {"bias": 1.0, "bias_towards": "flattery"})
    assert teacher.requirements.reads == ("env_reward", "obs", "action", "info.flattery")
    _, query = walking([[2.0, 2.0]], [[1.0, 1.0]])
    told = np.repeat([[[0.0], [3.0]]], 5, axis=-1)
    query = Query(id=query.id, segments=query.segments.replace(info={"flattery": told}))
    np.testing.assert_array_equal(answers(teacher.make(assignment(1, spec=spec)), query), [[0, 1]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mistake": 2.0}, r"labeler\.mistake=2\.0"),
        ({"myopia": 0.0}, "myopia"),
        ({"rationality": -1.0}, "rationality"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ConfigError, match=message):
        Teacher(**PLAIN | changes)
