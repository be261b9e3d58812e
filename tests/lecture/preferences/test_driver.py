"""Study driver: equal queries for all methods, pools and true weights, and verdicts on invented alignments."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.driver.world import BIYIK, SADIGH, random_pairs
from rl_rewards.lecture.preferences.driver import outcome
from rl_rewards.loop.build import build_study
from rl_rewards.rewards.preferences.linear_posterior import METHODS
from tests.runs import composed
from tests.studies.outcomes import outcomes


@pytest.fixture(scope="module")
def study():
    changes = (
        "pool=30",
        "sampler.adaptations=2",
        "questions=3",
        "judged_at=2",
        "sampler.samples=4",
        "sampler.burn_in=10",
        "sampler.thin=2",
    )
    cfg = composed("experiment=lecture/preferences/driver", *(f"study.{change}" for change in changes))
    return build_study(cfg)[0]


def test_the_environments_weights_are_the_studys(study):
    assert tuple(composed("env=driver").env.weights) == tuple(study.sadigh_weights)


def test_pools_are_differences_and_no_longer_than_one_where_the_paper_has_it_so(study):
    pairs = np.asarray(random_pairs(BIYIK, jax.random.key(0), 30))
    np.testing.assert_allclose(study.draw_pool(BIYIK, jax.random.key(0)), pairs[:, 0] - pairs[:, 1], rtol=1e-5)
    pairs = np.asarray(random_pairs(SADIGH, jax.random.key(0), 30))
    raw, pool = pairs[:, 0] - pairs[:, 1], np.asarray(study.draw_pool(SADIGH, jax.random.key(0)))
    length = np.linalg.norm(raw, axis=1)
    assert length.max() > 1.0 > length.min(), "the test needs lengths above and below 1"
    np.testing.assert_allclose(pool, raw / np.maximum(length, 1.0)[:, None], rtol=1e-4)


def test_true_weights(study):
    drawn = np.array([study.draw_weights(BIYIK, jax.random.key(i)) for i in range(30)])
    np.testing.assert_allclose(np.linalg.norm(drawn, axis=1), 1.0, rtol=1e-5)
    assert np.abs(drawn.mean(axis=0)).max() < 0.3
    np.testing.assert_allclose(study.draw_weights(SADIGH, jax.random.key(0)), study.sadigh_weights, rtol=1e-6)


def test_a_seed_is_a_seed_and_all_methods_start_alike(study):
    one, two = (study.find("biyik2019", [3, 4]) for _ in range(2))
    assert one == two and list(one["alignment"]) == list(METHODS)
    lines = np.array(list(one["alignment"].values()))
    assert lines.shape == (4, 2, 4)
    assert (lines[:, :, 0] == lines[0, :, 0]).all(), "the value before the first query"
    assert (lines[:, 0] != lines[:, 1]).any() and len(one["true_weights"]) == 2


def made_up(gain, volume, chance, sadigh_volume=0.5):
    """Return alignments of ten seeds that differ by at most 0.01; claims are judged after one answer."""

    def lines(value):
        return [[0.0, value + 0.001 * (i - 4.5)] for i in range(10)]

    def world(volume):
        values = {"information_gain": gain, "volume_removal": volume, "volume_removal_logistic": 0.1, "random": chance}
        return {
            "alignment": {name: lines(value) for name, value in values.items()},
            "features": ["one", "two"],
            "true_weights": [[0.6, 0.8]] * 2,
            "belief_first_seed": {name: [[0.5, 0.7], [0.6, 0.8]] for name in values},
        }

    return {"judged_at": 1, "worlds": {"biyik2019": world(volume), "sadigh2017": world(sadigh_volume)}}


def judged(found):
    return outcomes(outcome.claims(found, 0.8, 0.7, 0.15, 0.03))


def test_verdicts():
    assert judged(made_up(0.86, 0.84, 0.4)) == "SSSSS"
    assert judged(made_up(0.86, 0.88, 0.4)) == "SSSSS", "alignment may be a little below volume removal's"
    assert judged(made_up(0.79, 0.9, 0.72)) == "RRRRR"
    assert judged(made_up(0.801, 0.9, 0.4))[0] == "U", "an interval decides, not a mean"
    told = outcome.claims(made_up(0.86, 0.84, 0.4), 0.8, 0.7, 0.15, 0.03)[2]
    assert told.measured.startswith("0.46 [0.46, 0.46]") and told.evidence[0].of == "difference of alignments"
    assert list(told.per_seed) == ["information gain", "random"]


def test_the_figure_is_drawn(tmp_path):
    outcome.draw(made_up(0.86, 0.84, 0.4), tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"judged_at": 4}, r"study\.judged_at=4 must lie in 1 to study\.questions=3"),
        ({"pool": 2}, r"study\.pool=2 must be at least study\.questions=3: none is asked twice"),
        ({"sadigh_weights": (1.0,)}, r"study\.sadigh_weights must be 5 numbers, for lanes, fences, heading"),
        ({"sadigh_correct": 0.3}, r"study\.sadigh_correct=0\.3 is a probability; it must lie in \[0\.5, 1\]"),
    ],
)
def test_what_cannot_be_is_refused(study, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        replace(study, **changes)
