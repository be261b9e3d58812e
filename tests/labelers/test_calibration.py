"""The results of a calibration, on answers whose truth is known."""

import dataclasses

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.labelers.calibration import calibrate, flip_rate
from rl_rewards.labelers.nuisance import NUISANCES, measure, nuisances_of
from tests.probes import make_spec

FIRST, SECOND, TIE = (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)


def scores(*answers):
    return np.array(answers, float)


def judged(truth, lean, wrong, n=600, seed=0):
    """Return trusted answers, those of a biased and noisy labeler, and a feature that correlates with the truth."""
    rng = np.random.default_rng(seed)
    value, feature = rng.normal(size=(2, n, 2))
    feature = feature + truth * value
    tested = value + lean * feature
    turned = rng.uniform(size=n) < wrong
    return np.where(turned[:, None], -tested, tested), value, {"feature": feature, "other": rng.normal(size=(n, 2))}


def test_cohens_kappa_of_the_textbook():
    pairs = [(FIRST, FIRST)] * 20 + [(FIRST, SECOND)] * 5 + [(SECOND, FIRST)] * 10 + [(SECOND, SECOND)] * 15
    tested, trusted = (np.array(side) for side in zip(*pairs, strict=True))
    found = calibrate(tested, trusted, {})
    assert found.agreement[0] == pytest.approx(0.7) and found.kappa == pytest.approx(0.4)
    assert 0.5 < found.agreement[1] < 0.7 < found.agreement[2] < 0.9
    assert calibrate(scores(FIRST, FIRST), scores(FIRST, FIRST), {}).kappa is None, "both give one answer only"


def test_ties_are_an_answer_and_refusals_are_none():
    tested = scores(FIRST, TIE, TIE, SECOND, (np.nan, np.nan))
    trusted = scores(FIRST, TIE, FIRST, FIRST, SECOND)
    found = calibrate(tested, trusted, {})
    assert (found.pairs, found.unanswered, found.agreement[0]) == (4, 1, 0.5)
    assert found.agreement_decided == 0.5 and found.flip_rate is None and found.calibration_error is None
    with pytest.raises(ConfigError, match="None of the 1 pairs was answered"):
        calibrate(tested[4:], trusted[4:], {})


def test_as_sure_as_it_is_right():
    trusted = scores(*[FIRST] * 80, *[SECOND] * 20)
    sure = np.full(100, 0.8)
    assert calibrate(trusted, trusted, {}, sure).calibration_error == pytest.approx(0.0, abs=1e-6)
    too_sure = np.append(np.full(99, 0.95), np.nan)  # the last pair has none; 80 of 99 are right
    assert calibrate(trusted, trusted, {}, too_sure).calibration_error == pytest.approx(0.95 - 80 / 99, abs=1e-5)


@pytest.mark.parametrize("wrong", [0.0, 0.22])
@pytest.mark.parametrize("truth", [0.0, 0.7])
def test_only_what_is_leaned_on_is_named(truth, wrong):
    plain = calibrate(*judged(truth, 0.0, wrong))
    assert plain.leans_on is None and plain.agreement[0] == pytest.approx(1.0 - wrong, abs=0.05)
    for lean, sign in ((0.6, 1.0), (-0.6, -1.0)):
        found = calibrate(*judged(truth, lean, wrong))
        assert found.leans_on == "feature" and sign * found.nuisances["feature"][0] > 0.05
        assert abs(found.nuisances["other"][0]) < 0.1


def test_a_feature_that_never_differs_or_a_truth_that_never_decides():
    ties = scores(*[TIE] * 40)
    found = calibrate(ties, ties, {"same": np.ones((40, 2))})
    assert found.nuisances["same"] == (0.0, 0.0, 0.0)
    feature = np.random.default_rng(0).normal(size=(40, 2))
    assert calibrate(feature, ties, {"feature": feature}).leans_on == "feature"


def test_flips_are_answers_that_go_by_the_place():
    forth = scores(FIRST, SECOND, TIE, FIRST, (np.nan, np.nan))
    back = scores(SECOND, SECOND, TIE, TIE, FIRST)
    assert flip_rate(forth, back) == 0.5
    assert flip_rate(forth[4:], back[4:]) is None


def test_features_of_a_segment():
    obs = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0], [0.0, 1.0]])
    action = np.array([[1.0], [-1.0], [-1.0], [0.5]])
    found = {name: float(measure(one, obs, action)) for name, one in NUISANCES.items()}
    expected = {"path_length": 11.0, "displacement": 1.0, "action_size": 3.5 / 4, "jerkiness": 3.5 / 3}
    assert found == pytest.approx(expected)
    assert set(nuisances_of(make_spec(obs=(8, 8, 3)))) == {"action_size", "jerkiness"}


def test_features_of_texts():
    """The prompt is 5 6, left-padded; the first response says 7 8 9 7 8 9 5 and ends, the second one says nothing."""
    text = TextSpec(vocabulary=10, prompt_tokens=4, response_tokens=9, tokenizer="t")
    spec = dataclasses.replace(make_spec(obs=13, action=9), text=text)
    obs = np.tile([0, 0, 5, 6, *[0] * 9], (2, 1, 1))
    action = np.array([[[7, 8, 9, 7, 8, 9, 5, 1, 6]], [[1, 0, 0, 0, 0, 0, 0, 0, 0]]])
    found = {name: measure(one, obs, action).tolist() for name, one in nuisances_of(spec).items()}
    # Of the five trigrams 789 897 978 789 895, one repeats; of the four words 7 8 9 5, one is in the prompt.
    assert found == {"length": [7.0, 0.0], "repetition": pytest.approx([0.2, 0.0]), "prompt_overlap": [0.25, 0.0]}
