"""Study ai_feedback: verdicts on invented arms, and the measurements from a run's reward and label store."""

from dataclasses import asdict, replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from omegaconf import OmegaConf

from rl_rewards.labelers.calibration import calibrate
from rl_rewards.lecture.preferences.ai_feedback import outcome as ai_feedback_outcome
from rl_rewards.lecture.preferences.ai_feedback import study as judged
from rl_rewards.lecture.preferences.ai_feedback.study import AIFeedback, answers, check_teacher, spec_of
from rl_rewards.loop.build import build, build_study
from rl_rewards.loop.checkpoint.one_item import save_reward
from tests.runs import composed
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes
from tests.test_calibrate import answered_run

MODEL = ("reward.reward_model.model.hidden=[8]", "reward.reward_model.ensemble=1")
SMALL = ("reward.budget=4", "reward.sessions=2", *MODEL)


@pytest.fixture(scope="module")
def study():
    return build_study(composed("experiment=lecture/preferences/ai_feedback", "study.count=60"))[0]


def check(leans_on):
    """Return the check's findings for a teacher with a bias towards a feature, or towards none."""
    scores = np.array([[1.0, 0.0], [0.0, 1.0]] * 20)
    found = calibrate(scores, scores, {"path_length": np.random.default_rng(0).normal(size=scores.shape)})
    return asdict(replace(found, leans_on=leans_on))


def measured(correlation, success, leans_on):
    return {
        "correlation": [correlation + 0.001 * i for i in range(10)],
        "true_correlation": [0.5] * 10,
        "success": [success + 0.001 * i for i in range(10)],
        "checks": [check(name) for name in leans_on],
    }


def judge(**changes):
    found = {
        "unbiased": measured(0.1, 0.9, [None] * 10),
        "biased": measured(0.8, 0.4, ["path_length"] * 9 + ["jerkiness"]),
    }
    return outcomes(ai_feedback_outcome.claims(found | changes))


def test_what_each_claim_asks_for():
    named = ["path_length"] * 10
    assert judge() == "SSUU", "ten seeds do not show 90%"
    assert judge(biased=measured(0.19, 0.4, named))[0] == "R", "the bias is less than twice 0.1"
    assert judge(biased=measured(-0.5, 0.4, named))[0] == "S", "the size of the bias counts"
    assert judge(unbiased=measured(-0.5, 0.9, [None] * 10))[0] == "R", "the claim is about both arms"
    assert judge(unbiased=measured(0.1, 0.3, [None] * 10))[1] == "R", "the biased arm loses no success"
    assert judge(biased=measured(0.8, 0.4, [*named[:4], *[None] * 5, "jerkiness"])) == "SSRU"
    assert judge(unbiased=measured(0.1, 0.9, [None] * 4 + named[:6]))[3] == "R"
    both = {"mistaken": measured(0.1, 0.7, [None] * 10), "mistaken_biased": measured(0.1, 0.4, named)}
    assert judge(**both) == "SRSSUUUU"


def test_arms_are_judged_by_their_files(study, monkeypatch, tmp_path):
    paths = np.linalg.norm(np.diff(study._drawn.obs, axis=-2), axis=-1).sum(axis=-1)
    slope, offset = np.polyfit(paths, study._returns, 1)
    # The unbiased reward is the returns without their correlation with path length.
    learned = {"biased": paths, "unbiased": study._returns - slope * paths - offset}
    monkeypatch.setattr(AIFeedback, "learned_returns", lambda self, run_dir, seed: learned[run_dir.name])
    for name, teacher in {"unbiased": {}, "biased": {"bias": 0.6}}.items():
        for seed in (0, 1):
            answered_run(tmp_path / name, n=80, seed=seed, **teacher)
    arms = {
        name: arm(steady(success, seeds=2), tmp_path / name, config={"seed": 0})
        for name, success in (("unbiased", 0.9), ("biased", 0.4))
    }
    found = study.judge(arms, (0, 1))
    assert outcomes(found.verdicts) == "SSUU"
    assert found.details["arms"]["biased"]["correlation"] == pytest.approx([1.0] * 2)
    assert found.details["arms"]["unbiased"]["true_correlation"][0] > 0.5
    study.draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


def test_a_seeds_own_reward_is_read(study, tmp_path):
    cfg = composed("experiment=lecture/preferences/ai_feedback", "num_seeds=2", "seed=3", *SMALL)
    parts = build(cfg).parts
    OmegaConf.save(cfg, tmp_path / "config.yaml", resolve=True)
    parts.env.spec.save(tmp_path / "spec.json")
    state = parts.seeds.map(parts.source.init, 0)(parts.seeds.keys(3))
    save_reward(tmp_path / "checkpoints", state)
    found = study.learned_returns(tmp_path, 4)
    drawn = jax.tree.map(jnp.asarray, study._drawn)
    first, second = (parts.source.reward(one, drawn).sum(axis=-1) for one in parts.seeds.each(state))
    assert found.shape == (60,) and abs(first - second).max() > 1e-3
    np.testing.assert_allclose(found, second, rtol=1e-4, atol=1e-5)


def test_a_reward_of_a_package_that_the_study_trusts_is_read(study, monkeypatch):
    asked = []
    state = (SimpleNamespace(reward=lambda state, steps: steps.env_reward), {}, None)
    monkeypatch.setattr(judged, "restore_from_run", lambda run, seed, trust: asked.append(trust) or state)
    np.testing.assert_allclose(replace(study, trust=("mine",)).learned_returns("run", 4), study._returns, atol=1e-5)
    assert asked == [("mine",)]


def test_a_teachers_answers_are_checked_seed_by_seed(tmp_path):
    answered_run(tmp_path, n=80, seed=3, bias=0.6)
    answered_run(tmp_path, n=30, seed=4)
    spec = spec_of(tmp_path)
    biased, plain = (answers(tmp_path, seed) for seed in (3, 4))
    assert check_teacher(biased, spec).leans_on == "path_length"
    assert (check_teacher(plain, spec).leans_on, check_teacher(plain, spec).pairs) == (None, 30)


def test_the_segments_hold_the_environments_own_reward(study):
    drawn = study._drawn
    reached = np.linalg.norm(drawn.next_obs, axis=-1) <= study.segments.env.goal_radius
    np.testing.assert_array_equal(drawn.env_reward, reached)
