"""Runs with env=weighted: one policy for all weights, paid by a mixture; and what is refused."""

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import build, compatibility
from rl_rewards.reporting.run_files import read_run
from tests.finished import cut_back, finished_run, resumed_run
from tests.rewards.test_mixture import Fake
from tests.runs import SMALL_SAC, composed, digest_of, rows

ROBOT = (
    "env=weighted", "env@env.of=driver", "env.objectives=[task,gentle]", "reward=mixture", "~reward@reward.parts.bonus",
    "~reward.weights.bonus", "+reward@reward.parts.gentle=hand_designed", "+reward.weights.gentle=1",
    "+reward.parts.gentle.terms.it={weight: 1, of: info.gentleness, map: identity}",
)  # fmt: skip


@pytest.mark.parametrize(
    "algorithm", [("algorithm=ppo",), pytest.param(SMALL_SAC, marks=pytest.mark.long)], ids=["ppo", "sac"]
)
def test_a_run_of_a_robot_resumes_to_the_bit_and_keeps_weights(tmp_path, algorithm):
    run = finished_run(tmp_path / "run", *ROBOT, *algorithm, "env.weight_steps=2", "total_env_steps=960")
    bits, last = digest_of(run), rows(run)[-1]
    assert {"eval/task_part_return", "eval/gentle_part_return", "reward/gentle/mean"} <= last.keys()
    stored = read_run(run).evaluations[-1].arrays
    assert set(np.unique(stored["info_weights"])) <= {0.0, 0.5, 1.0}
    assert stored["gentle_part_return"].shape == stored["info_weights"].shape[:1]
    cut_back(run)
    resumed_run(run, 960, evaluated=False)
    assert digest_of(run) == bits


def test_a_language_model_begins_without_weights(tmp_path):
    """Its first policy was never told weights: the same tokens, and shorter prompts."""
    text = (
        "algorithm.model.width=16",
        "algorithm.model.layers=1",
        "algorithm.model.heads=2",
        "algorithm.model.kv_heads=2",
    )
    sampler = ("env=text", "algorithm=sampler", "reward=environment")
    plain = finished_run(tmp_path / "plain", *sampler, *text, evaluated=False)
    finished_run(
        tmp_path / "run", "env=weighted", "algorithm=rloo", "reward=mixture", f"pretrain.run={plain}", *text,
        "reward@reward.parts.bonus=hand_designed", "env.objectives=[task,bonus]", "reward.weights.bonus=1",
        "+reward.parts.bonus.terms.it={weight: 1, of: info.gold_harmless, map: identity}",
    )  # fmt: skip
    assert "info_gold_obliging" in read_run(tmp_path / "run").evaluations[-1].arrays


def test_a_reward_pays_only_where_a_weight_is_told():
    parts, settings = build.build(composed("debug=smoke", *ROBOT))
    forever = Fake(spec=parts.env.spec, value=1.0, absorbing=1.0, says={"pays_after_the_end": True, "stationary": True})
    with pytest.raises(ConfigError, match=r"pays after the end of an episode, where env=weighted tells no weight"):
        compatibility.check(parts._replace(source=forever), settings)


def test_a_reward_that_learns_must_not_see_weights():
    with pytest.raises(ConfigError, match=r"tell weights, which a reward that learns must not see; let it learn in a"):
        build.build(composed("debug=smoke", "env=weighted", "env@env.of=point", "reward=preferences"))
