"""Studies of answers: counts by arithmetic, identities, learning from padded answers, verdicts on invented data."""

import copy
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.preferences import answers
from rl_rewards.lecture.preferences.bradley_terry import outcome as bradley_terry_outcome
from rl_rewards.lecture.preferences.merge_sort import least_comparisons, sort_all
from rl_rewards.lecture.preferences.ranking_efficiency import outcome as ranking_efficiency_outcome
from rl_rewards.lecture.preferences.ratings_vs_pairs import outcome as ratings_vs_pairs_outcome
from rl_rewards.lecture.preferences.ratings_vs_pairs.study import _without_means
from rl_rewards.loop.build import build_study
from tests.runs import composed
from tests.studies.outcomes import outcomes

SEEDS = np.array([-0.002, 0.0, 0.002])
SMALL = ("study.reward.reward_model.model.hidden=[8]", "study.heldout=10")


def study(name, *changes):
    return build_study(composed(f"experiment=lecture/preferences/{name}", *SMALL, *changes))[0]


@pytest.fixture(scope="module")
def bradley_terry():
    changes = (
        "comparisons=[8,40]",
        "identity_pairs=8",
        "reward.updates_per_round=40",
        "reward.reward_model.learning_rate=0.02",
    )
    return study("bradley_terry", *(f"study.{change}" for change in changes))


@pytest.fixture(scope="module")
def drawn(bradley_terry):
    return answers.draw(bradley_terry.segments, [0, 1], 80, 10)


# Sorting.


@pytest.mark.parametrize("k", [1, 2, 7, 15])
def test_a_merge_sort_ranks_and_counts(k):
    values = np.random.default_rng(k).normal(size=200)
    items = np.array([np.random.default_rng(i).permutation(200)[:k] for i in range(20)])
    asked = []

    def better(pairs):
        asked.append(len(pairs))
        return values[pairs[:, 0]] > values[pairs[:, 1]]

    ranks, compared = sort_all(items, better)
    np.testing.assert_array_equal(ranks, values[items].argsort(axis=1).argsort(axis=1))
    assert sum(asked) == compared.sum()
    worst = sum(math.ceil(math.log2(i)) for i in range(1, k + 1))
    assert compared.max() <= worst and compared.min() >= k - 1
    if k == 15:
        assert compared.mean() > 40, "not the lecture's 14"


def test_no_sort_does_with_less():
    assert [least_comparisons(k) for k in (2, 3, 10, 15, 20)] == [1, 3, 22, 41, 62]


# Learning from stored answers.


def test_answers_that_are_padding_are_not_learned_from(bradley_terry, drawn):
    index = np.broadcast_to(np.arange(80).reshape(40, 2), (2, 3, 40, 2)).copy()
    scores = drawn.returns[:, index[0]][[0, 1], :].astype(float)
    scores[:, :2, 8:] = np.nan
    index[:, 1, 8:] = 0  # other segments, which are padding
    source = answers.source_for(bradley_terry.reward, bradley_terry.segments, 40, 2, 20)
    inputs = partial(bradley_terry.segments.inputs, source.judges)
    learned = answers.learn_returns(source, inputs, drawn, [0, 1], index, scores, 3)
    assert learned.shape == (2, 3, 3, 10)
    np.testing.assert_allclose(learned[:, 0], learned[:, 1], rtol=1e-5)
    assert np.abs(learned[:, 0] - learned[:, 2]).max() > 1e-2
    assert np.abs(learned[0] - learned[1]).max() > 1e-2
    assert answers.accuracy(learned[:, 2, -1], drawn.judged_returns).mean() > 0.75


def test_no_two_answers_share_their_randomness(bradley_terry, drawn):
    noisy = replace(bradley_terry.teacher, rationality=0.01)
    asked = answers.Asked(noisy, 0, bradley_terry.segments, drawn.seed(0))
    pairs = np.tile([[0, 1]], (200, 1))
    one, other = asked.first_is_better(pairs), asked.first_is_better(pairs)
    assert 0.3 < one.mean() < 0.7 and (one != other).any() and asked.queries == 400
    right = answers.Asked(bradley_terry.teacher, 0, bradley_terry.segments, drawn.seed(0)).first_is_better(pairs)
    assert (right == (drawn.returns[0, 0] > drawn.returns[0, 1])).all()


# Bradley-Terry.


def test_identities_of_bradley_terry(bradley_terry, drawn):
    assert bradley_terry.hand()["probability"] == pytest.approx(1.0 / (1.0 + math.exp(-1.1)), abs=1e-12)
    error = bradley_terry.gradient_error(drawn, [0, 1])
    shifted = bradley_terry.shifted(drawn)
    assert len(error) == 2 and 0.0 < max(error) < 1e-12
    assert np.max([shifted["return"], shifted["step"]]) < 1e-10
    assert np.min(shifted["unequal_lengths"]) > 0.01, "a constant per step rewards length"


def made_up_bradley_terry():
    learned = {
        name: {"correlation": [[0.8, 0.99]] * 3, "scale": [[scale, scale]] * 3, "calibration": [[0.1, 0.02]] * 3}
        | {"first_seed": {"true": [-1.0, 1.0], "learned": [-scale, scale]}}
        for name, scale in (("0.5", 0.5), ("1", 1.0), (bradley_terry_outcome.NEVER_WRONG, 4.0))
    }
    shift = {"return": [[1e-15]] * 3, "step": [[1e-14]] * 3, "unequal_lengths": [[0.05]] * 3}
    return {
        "hand": dict(bradley_terry_outcome.HAND),
        "shift": shift,
        "gradient_error": [1e-15] * 3,
        "rationalities": [0.5, 1.0],
        "comparisons": [10, 100],
        "constants": [0.1],
        "tolerance_identity": 1e-6,
        "tolerance_calibration": 0.05,
        "correlation_above": 0.95,
        "learned": learned,
    }


def test_verdicts_of_bradley_terry(tmp_path):
    found = made_up_bradley_terry()
    assert outcomes(bradley_terry_outcome.claims(found)) == "SSSRSSR"
    other = copy.deepcopy(found)
    other["hand"]["probability"] = 0.7512
    other["gradient_error"][1] = 1e-5
    other["shift"] |= {"step": [[1e-14], [1e-5], [0.0]], "unequal_lengths": [[0.0]] * 3}
    other["learned"]["1"] |= {"correlation": [[0.8, 0.9]] * 3, "calibration": [[0.1, 0.06]] * 3}
    other["learned"]["1"]["scale"] = other["learned"]["0.5"]["scale"]
    assert outcomes(bradley_terry_outcome.claims(other)) == "RRRSRRS"
    bradley_terry_outcome.draw(found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


# Rankings.


def test_what_a_ranking_has_and_takes():
    ranking = study("ranking_efficiency", "study.sorts=20")
    assert ranking.ranked.shape == (8, 15) and ranking.paired.shape == (840, 2)
    assert len(np.unique(np.concatenate([ranking.ranked.ravel(), ranking.paired.ravel()]))) == 120 + 1680

    class Returns:
        returns = np.random.default_rng(0).normal(size=(2, 100))

    counts = {k: ranking.counts(k, Returns(), [0, 1]) for k in (10, 20, 15)}
    assert [one["pairs"] for one in counts.values()] == [45, 190, 105]
    assert all(
        0.95 * one["least"] < mean < 1.1 * one["least"] for one in counts.values() for mean in one["comparisons"]
    )


def made_up_rankings(of_rankings, made=0.9):
    """Return findings in which separate pairs have the error 2 / sqrt(answers), and rankings the given errors."""

    def accuracy(answers):
        return (1.0 - 2.0 / np.sqrt(answers) + 0.1 * SEEDS[:, None]).tolist()

    found = {
        "rankings": (np.array(of_rankings) + 0.1 * SEEDS[:, None]).tolist(),
        "pairs_as_operations": accuracy(14 * np.array([2.0, 4.0])),
        "pairs_as_comparisons": accuracy(41 * np.array([2.0, 4.0])),
        "pairs_as_pairs": accuracy(105 * np.array([2.0, 4.0])),
        "comparisons_made": [[made, made]] * 3,
    }
    teacher = {"accuracy": found, "comparisons": [[82, 164]] * 3, "wrong_in_rankings": [0.1] * 3}
    counts = {"15": {"pairs": 105, "least": 41, "comparisons": [41.5, 41.6, 41.7]}}
    return {
        "k": 15,
        "rankings": [2, 4],
        "judged_at": 4,
        "noisy_rationality": 0.5,
        "counts": counts,
        "teachers": {
            "never wrong": teacher | {"wrong_answers": [0.0] * 3},
            "noisy": teacher | {"wrong_answers": [0.2] * 3},
        },
    }


def judge_rankings(found):
    return outcomes(ranking_efficiency_outcome.claims(found, 0.01))


def test_verdicts_of_rankings(tmp_path):
    as_pairs, as_comparisons, worse = (1.0 - 2.0 / math.sqrt(4 * each) for each in (105, 41, 20))
    of_each = {
        as_pairs + 0.001: "SSRR",
        as_comparisons: "RRRR",
        worse: "RRRR",
        1.0 - 2.0 / math.sqrt(4 * 41 * 8): "SSSS",
    }
    for accuracy, wanted in of_each.items():
        assert judge_rankings(made_up_rankings([0.7, accuracy])) == f"SRR{wanted}{wanted}"
    found = made_up_rankings([0.7, as_comparisons])
    worth = ranking_efficiency_outcome.worth(found, "noisy")[:, 1]
    assert worth == pytest.approx(4 * 41, rel=0.1)
    claims = ranking_efficiency_outcome.claims(found, 0.01)
    assert "20% of separate answers" in claims[-1].measured and "separate answers." not in claims[3].measured
    found["counts"]["15"] |= {"pairs": 100, "comparisons": [14.0, 14.0, 14.0]}
    assert judge_rankings(found)[:2] == "RS"
    ranking_efficiency_outcome.draw(found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


# Ratings.


def test_ratings_are_whole_levels_and_offsets_are_raters_own(drawn):
    rating = study("ratings_vs_pairs")
    index = np.arange(80)
    alike, apart = (rating.rate(rating.asked(drawn, 0, 0, offset), index, drawn, 0) for offset in (0.0, 2.0))
    assert set(alike.levels) <= set(range(1, 11)) and len(set(alike.levels)) > 4
    np.testing.assert_array_equal(alike.rater, apart.rater)
    moved = apart.levels - alike.levels
    inside = (apart.levels > 1) & (apart.levels < 10) & (alike.levels > 1) & (alike.levels < 10)
    assert all(np.ptp(moved[inside & (apart.rater == one)]) <= 1 for one in set(apart.rater[inside])), (
        "the only noise is rounding"
    )
    assert np.ptp([moved[apart.rater == one].mean() for one in range(5)]) > 1
    exact = replace(rating, noise=0.0)
    order = exact.compare(exact.asked(drawn, 0, 0, 0.0), index.reshape(-1, 2))
    np.testing.assert_array_equal(order[:, 0] > order[:, 1], drawn.returns[0, ::2] > drawn.returns[0, 1::2])


def test_a_raters_mean_is_taken_off():
    values = np.array([1.0, 3.0, 10.0, np.nan, np.nan])
    np.testing.assert_array_equal(_without_means(values, np.array([0, 0, 1, 1, 2])), [-1, 1, 0, np.nan, np.nan])


def made_up_ratings(ratings, centred):
    """Return findings for both offsets, in which pairs have 0.9 and half as many pairs 0.85."""

    def seeds(value):
        return (value + SEEDS).tolist()

    return {
        "offsets": [0.0, 1.0],
        "judged_offset": 1.0,
        "judgments": [10, 100],
        "judged_at": 100,
        "raters": 5,
        "noise": 0.5,
        "levels": 10,
        "consistency": {
            "pairs_disagree": seeds(0.2),
            "pairs_wrong": seeds(0.15),
            "ratings_differ": [seeds(0.4), seeds(0.7)],
            "ratings_wrong": [seeds(0.1), seeds(0.3)],
        },
        "accuracy": {
            "ratings": [[seeds(0.6), seeds(each)] for each in ratings],
            "ratings_centred": [[seeds(0.6), seeds(centred)]] * 2,
            "pairs": [seeds(0.7), (0.9 - SEEDS).tolist()],
            "pairs_of_the_segments": [seeds(0.6), seeds(0.85)],
        },
    }


def test_verdicts_of_ratings(tmp_path):
    found = made_up_ratings([0.95, 0.8], 0.92)
    assert outcomes(ratings_vs_pairs_outcome.claims(found)) == "SSRSRSSR"
    found = made_up_ratings([0.8, 0.88], 0.85)
    found["consistency"] |= {"ratings_differ": [[0.1] * 3, [0.15] * 3], "ratings_wrong": [[0.2] * 3, [0.1] * 3]}
    claims = ratings_vs_pairs_outcome.claims(found)
    assert outcomes(claims) == "RRSRSSRS"
    assert claims[5].measured.startswith("accuracy on held-out pairs 0.900 against 0.880 (ratings, each rater's mean")
    assert list(claims[5].per_seed) == ["as many pairs", "ratings"]
    ratings_vs_pairs_outcome.draw(found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("bradley_terry", "rationalities=[1.0]", r"study\.rationalities=\[1\.0\] must be two or more, ascending"),
        ("bradley_terry", "identity_pairs=2000", r"study\.identity_pairs=2000 must be at most the largest"),
        ("ranking_efficiency", "judged_at=3", r"study\.judged_at=3 must be one of study\.rankings=\[1, 2, 4, 8\]"),
        ("ranking_efficiency", "counted=[10]", r"study\.counted=\[10\] must have study\.k=15 among them"),
        ("ranking_efficiency", "segments.steps=50", r"study\.segments\.steps=50 must lie in 1 to 40"),
        ("ratings_vs_pairs", "offsets=[1.0]", r"study\.offsets=\[1\.0\] must have 0 and study\.judged_offset=1\.0"),
        ("ratings_vs_pairs", "teacher.raters=1", r"study\.teacher\.raters=1 must be at least 2, to differ"),
    ],
)
def test_what_cannot_be_is_refused(name, change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        study(name, f"study.{change}")
