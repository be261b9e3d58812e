"""The verdicts of the study of a real model, on invented prompts."""

import re
from dataclasses import asdict

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.language.real_model import RealModel, gold_of
from rl_rewards.reporting.run_files import read_run
from rl_rewards.reporting.stored_claims import judged_in_words
from rl_rewards.studies.claims import conclude
from tests.finished import finished_run
from tests.studies.outcomes import outcomes


def prompts(mean: float, spread: float = 0.1) -> list[float]:
    return (mean + spread * np.linspace(-1.0, 1.0, 48)).tolist()


@pytest.mark.parametrize(
    ("dpo", "best", "expected"),
    [
        (prompts(1.0), prompts(2.0), "SS"),
        (prompts(0.1), prompts(2.0), "RS"),
        (prompts(1.0), prompts(1.1), "SR"),
        (prompts(0.3, spread=3.0)[::-1], prompts(0.6, spread=4.0), "UU"),
    ],
)
def test_policies_are_compared_prompt_by_prompt(dpo, best, expected):
    claims = RealModel(responses=8).claims({"base": prompts(0.0), "dpo": dpo, "best_of_8": best})
    verdicts = conclude(claims)
    assert outcomes(verdicts) == expected
    if expected == "UU":
        assert re.search(r"; [\w ,]+ prompts would decide\.$", judged_in_words(asdict(verdicts[0])))


def test_evaluations_of_a_fixed_policy_are_several_responses_to_the_same_prompts(tmp_path):
    overrides = ["env=text", "algorithm=sampler", "reward=environment", "evaluation.every=1", "evaluation.episodes=4"]
    overrides += [f"algorithm.model.{size}" for size in ("width=16", "layers=1", "heads=2", "kv_heads=2")]
    run = read_run(finished_run(tmp_path, *overrides, "algorithm.num_envs=4", "total_env_steps=12"))
    found = gold_of(run, 3)
    assert found.shape == (3, 4) and np.all(np.abs(found) < 4) and np.ptp(found, axis=0).max() > 0
    told = [row["eval/true_return"] for row in run.evaluation_rows]
    np.testing.assert_allclose(found.mean(axis=1), told, rtol=1e-4)
    with pytest.raises(ConfigError, match=r"has 3 evaluations, but the study needs 4 of them"):
        gold_of(run, 4)
