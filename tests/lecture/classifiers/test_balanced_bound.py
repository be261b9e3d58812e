"""Study balanced_bound: the law and its counterexample by exact densities and short training, and its verdicts."""

from dataclasses import replace

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.classifiers.balanced_bound.outcome import TrainedOutputs, claims
from rl_rewards.loop.build import build_study
from rl_rewards.studies.claims import conclude
from rl_rewards.studies.densities import blend
from tests.runs import composed
from tests.studies.outcomes import outcomes

SEEDS = 10
SHARES, RATIOS, WIDTHS = [0.0, 0.25, 0.5, 1.0], [1, 2, 5, 10], [1.0, 0.25]
LAW = 1.0 / (1.0 + np.outer(SHARES, RATIOS))
SPREAD = np.linspace(-0.01, 0.01, SEEDS)


@pytest.fixture(scope="module")
def study():
    return build_study(composed("experiment=lecture/classifiers/balanced_bound"))[0]


def outputs(gathered=0.2, on_average=0.8, grid_error=0.0, mixup_error=0.0, by_places=0.6, lowest=0.2):
    def of_seeds(values):
        return np.asarray(values) + SPREAD.reshape(SEEDS, *[1] * np.ndim(values))

    return TrainedOutputs(
        shares=SHARES,
        ratios=RATIOS,
        widths=WIDTHS,
        grid=of_seeds(LAW + grid_error),
        mixup=of_seeds(LAW[:, 0] - mixup_error),
        gathered=of_seeds([gathered, 0.55]),
        on_average=of_seeds([on_average, 0.9]),
        gathered_by_places=of_seeds([by_places, 0.7]),
        lowest_by_places=of_seeds([lowest, 0.3]),
    )


def judged(found):
    return outcomes(claims(found, 0.03))


def test_the_lectures_one_in_eleven():
    assert LAW[3, 3] == pytest.approx(0.0909, abs=1e-4)
    assert LAW[0, 3] == 1.0, "and only if every negative is distributed like a success"


def test_exact_densities_obey_the_law(study):
    for share, row in zip(SHARES, LAW, strict=True):
        visited = blend(study.success, study.other, share)
        exact = [study.expected(visited, study.success, ratio) for ratio in RATIOS]
        np.testing.assert_allclose(exact, row, atol=5e-3)


def test_the_counterexample_is_below_one_half_and_the_average_is_not(study):
    for width in study.widths:
        visited = study.gathering(width)
        assert study.expected(visited, study.piece(width)) < 0.45
        assert study.expected(visited, study.success) > 0.5
    assert study.expected(study.gathering(1.0), study.piece(1.0)) == pytest.approx(0.2 / (0.2 + 0.5), abs=0.01)


def test_a_short_training_finds_the_law_and_the_counterexample(study):
    short = replace(study, gradient_steps=300, heldout=1000, batch_goals=64)
    short = replace(short, classifier=replace(study.classifier, ensemble=1, learning_rate=5e-3))
    blends = [blend(study.success, study.other, share) for share in SHARES]
    found = short._outputs(short.classifier, [0], blends, 1)
    gathered = short._outputs(short.classifier, [0], [study.gathering(1.0)], 1)
    np.testing.assert_allclose(found["on_success"][0], LAW[:, 0], atol=0.06)
    assert gathered["on_gathered"][0, 0] < 0.4 < 0.6 < gathered["on_success"][0, 0]
    placed = replace(short, gradient_steps=1000)._outputs(short.classifier, [0], [study.gathering(1.0)], 1, places=True)
    assert placed["on_gathered"][0, 0] > gathered["on_gathered"][0, 0] + 0.1


def test_what_holds_and_what_does_not():
    assert judged(outputs()) == "SSRRSSRS"


def test_each_verdict_follows_its_data():
    assert judged(outputs(grid_error=0.05))[:2] == "RR"
    assert judged(outputs(gathered=0.6))[3] == "S", "the lecture's claim holds if no output is below its bound"
    assert judged(outputs(gathered=0.497))[3] == "U", "an interval around the bound is no counterexample"
    assert judged(outputs(on_average=0.4))[4] == "R"
    assert judged(outputs(by_places=0.45))[5] == "R"
    assert judged(outputs(lowest=0.55))[6] == "R", "the other width is below the bound"
    assert judged(outputs(mixup_error=0.05))[7] == "R"


def test_an_interval_tells_how_sure_the_counterexample_is():
    verdict = conclude(claims(outputs(), 0.03))[3]
    low, high = verdict.interval
    assert low < 0.2 < high < 0.21
    assert "for any success state" in verdict.claim


def test_settings_that_would_not_judge_the_claims_are_refused(study):
    with pytest.raises(ConfigError, match="must include 1, balanced"):
        replace(study, ratios=(2, 10))
    with pytest.raises(ConfigError, match="include 1, where"):
        replace(study, shares=(0.0, 0.5))
    with pytest.raises(ConfigError, match=r"study\.heldout=many is not valid"):
        replace(study, heldout="many")
