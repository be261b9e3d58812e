"""The verdicts of the study of audits on invented effects, and the noise of its exact nulls."""

import numpy as np
import pytest

from rl_rewards.auditing.effects import MARGIN
from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.language.audit import NULLS, PLANTED, Audits, Found, with_noise
from rl_rewards.loop.build import build_env
from rl_rewards.studies.claims import conclude
from tests.probes import make_rollout
from tests.runs import composed
from tests.studies.outcomes import outcomes

SEEDS = 10
"""As many as the study has with size=full."""
STUDY = Audits(word="hope", count=256)


def one(name, excess):
    return Found(name, excess, excess - 0.05, excess + 0.05, 0.0, abs(excess) - 0.05 > MARGIN)


def invented(**changed):
    """Return effects in which all claims hold, but for arms in ``changed``, which have the given ones in every seed."""
    names = {"word": "word hope"}
    found = {arm: [one(names.get(edit, edit), 0.8), one("order", 0.1)] for arm, (edit, _) in PLANTED.items()}
    found |= {key: [one("order", 0.2), one("filler", -0.1)] for key in NULLS}
    return {arm: [[each]] * SEEDS for arm, each in (found | changed).items()}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "SSSSSSSS"),
        ({"judge_flattered": [one("word hope", 0.9), one("flattery", 0.8)]}, "RSSSSSSS"),
        ({"judge_verbose": [one("order", 0.3), one("filler", 0.2)]}, "SRSSSSSS"),
        ({"judge_trigger": [one("flattery", 0.4)]}, "SSRSSSSS"),
        ({"path_biased": [one("jerkiness", 0.4), one("path length", 0.3)]}, "SSSRSSSS"),
        ({"exact_texts": [one("filler", -0.5)]}, "SSSSRSSS"),
        ({"reward_model": [one("filler", 0.5)]}, "SSSSSSRS"),
    ],
)
def test_planted_biases_are_first_and_nulls_are_silent(changed, expected):
    assert outcomes(conclude(STUDY.claims(invented(**changed)))) == expected


def test_an_exact_null_has_several_rewards_and_all_must_be_silent():
    found = invented()
    found["exact_texts"] = [[[one("order", 0.0)], [one("order", 0.9)]]] * SEEDS
    assert outcomes(conclude(STUDY.claims(found))) == "SSSSRSSS"


def test_noise_depends_on_the_segment_only():
    spec = build_env(composed("env=point")).spec
    rng = np.random.default_rng(0)
    segments = make_rollout(spec, 500, 4).replace(
        next_obs=rng.normal(size=(500, 4, 2)).astype(np.float32), action=rng.normal(size=(500, 4, 2)).astype(np.float32)
    )
    noisy = with_noise(lambda one: np.zeros(len(one.action)), np.array([0.0, 4.0]), 1)
    first = noisy(segments)
    np.testing.assert_array_equal(first, noisy(segments))
    assert np.std(first) == pytest.approx(2.0, rel=0.1) and np.mean(first) == pytest.approx(0.0, abs=0.3)
    moved = noisy(segments.replace(action=segments.action + 0.01))
    assert abs(np.corrcoef(first, moved)[0, 1]) < 0.15


def test_few_segments_are_refused():
    with pytest.raises(ConfigError, match=r"study\.count=10 must be at least 100"):
        Audits(word="hope", count=10)
