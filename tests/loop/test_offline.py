"""Tests that complete offline runs learn from recorded steps, with several rewards and seeds, and resume to the bit."""

import json

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import build, supplied
from rl_rewards.reporting.glossary import meaning
from tests.demonstrations import point_demos, point_file
from tests.finished import cut_back, finished_run
from tests.runs import composed, digest_of, rows, run_here

ALGORITHMS = ("iql", "awr", "bc_top", "naive_sac", "cql", "td3_bc", "rebrac", "advantage_conditioned")
SMALL = ("model@algorithm.model=mlp", "checkpoint.every=1000")


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> str:
    """A file of recorded episodes of ``point``."""
    return point_file(tmp_path_factory.mktemp("recorded"))


@pytest.mark.parametrize(
    "algorithm", [pytest.param(one, marks=[pytest.mark.long] * (one in ("naive_sac", "td3_bc"))) for one in ALGORITHMS]
)
def test_every_offline_algorithm_runs(tmp_path, data, algorithm):
    last = run_here(tmp_path, "env=point", "reward=environment", f"algorithm={algorithm}", f"data={data}", *SMALL)
    assert (last["env_steps"], last["gradient_steps"]) == (0, 5 * 4)
    assert last["eval/recorded_return"] == pytest.approx(point_demos()["episode_return"].mean())
    unknown = {key for row in rows(tmp_path) for key in row if meaning(key) is None}
    assert unknown == set(), "the glossary lacks a metric"
    estimates = "eval/value_estimate" in last
    assert estimates == (algorithm != "bc_top")
    assert not (tmp_path / "checkpoints" / "best").exists(), "evaluations do not select"


OF_DATA = {
    "goal_classifier": [],
    "preferences": [
        "reward.segment_steps=10", "reward.budget=20", "reward.sessions=3", "reward.updates_per_round=2",
        "reward.candidates=2", "labeler=oracle",
    ],
    "gail": [],
}  # fmt: skip


@pytest.mark.parametrize("reward", [pytest.param("goal_classifier", marks=pytest.mark.long), "preferences", "gail"])
def test_rewards_are_learned_from_recorded_steps(tmp_path, data, reward):
    demos = [f"demos={data}"] if reward == "gail" else []
    parts = ("env=point", f"reward={reward}", "algorithm=iql", f"data={data}")
    last = run_here(tmp_path, *parts, *OF_DATA[reward], *demos, *SMALL, evaluated=False)
    assert np.isfinite(last["agent/critic_loss"])
    if reward == "preferences":
        assert last["reward/labels"] == 20
    if reward == "gail":
        assert "reward/accuracy_expert" in last


def test_seeds_share_the_data_and_equal_single_runs(tmp_path, data):
    common = ("env=point", "reward=environment", "algorithm=iql", f"data={data}", *SMALL)
    both = run_here(tmp_path / "both", *common, "num_seeds=2", "seed=3", evaluated=False)
    alone = run_here(tmp_path / "alone", *common, "seed=4", evaluated=False)
    for key in ("agent/critic_loss", "agent/v_mean", "agent/actor_loss"):
        assert both[key][1] == pytest.approx(alone[key], rel=1e-3)
    experiment = build.build(composed("debug=smoke", *common, "num_seeds=2"))
    dataset = supplied.build_data(*experiment)["recorded"]
    assert dataset.steps.obs.shape == (320, 2), "the steps exist once"
    assert dataset.rows is None
    assert not bool(dataset.steps.is_demo.any())


@pytest.mark.long
def test_a_resumed_run_ends_with_the_same_bits(tmp_path, data):
    common = ("env=point", "reward=environment", "algorithm=cql", f"data={data}", "model@algorithm.model=mlp")
    run = finished_run(tmp_path / "run", *common, evaluated=False)
    wanted = digest_of(run)
    cut_back(run)
    from rl_rewards.run import resume_run

    resume_run(run, [])
    assert digest_of(run) == wanted
    named = json.loads((run / "run.json").read_text(encoding="utf-8"))["data_sha256"]
    assert list(named) == [data]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["algorithm=iql"], r"IQL learns from recorded steps; name some: data=FILE\.npz"),
        (["algorithm=iql", "data=nowhere.npz"], r"data=nowhere\.npz does not exist"),
        (
            ["algorithm=iql", "data=DATA", "reward=adversarial_classifier"],
            "This reward learns from rollouts of the policy",
        ),
        (["algorithm=iql", "data=DATA", "demos=DATA", "reward=airl"], "This reward learns from rollouts of the policy"),
        (["algorithm=bc", "demos=DATA", "reward=gail"], "algorithm learns from demonstrations alone"),
        (["algorithm=iql", "data=DATA", "env=pencil_case"], "was recorded on the environment 'point'"),
        (["algorithm=td3_bc", "data=DATA", "algorithm.gradient_steps=1"], r"actor_every=2 must be from 1 to"),
        (
            ["algorithm=iql", "data=DATA", "evaluation.selects=best", "checkpoint.best=null"],
            "checkpoint.best=null keeps",
        ),
        (["algorithm=td3_bc", "data=DATA", "env=grid"], "needs real actions within bounds"),
        (
            ["algorithm=iql", "data=DATA", "evaluation.selects=none", "checkpoint.best=success"],
            "selects by evaluations",
        ),
    ],
)
def test_what_cannot_work_is_refused(data, overrides, told):
    given = [one.replace("DATA", data) for one in overrides]
    with pytest.raises(ConfigError, match=told):
        supplied.build_data(*build.build(composed("env=point", "reward=environment", *given)))


def test_rewards_must_be_recorded_for_a_reward_that_reads_them(tmp_path):
    without = point_file(tmp_path, env_reward=None)
    with pytest.raises(ConfigError, match="env_reward"):
        supplied.build_data(
            *build.build(composed("env=point", "reward=environment", "algorithm=iql", f"data={without}"))
        )
    parts = ("env=point", "reward=goal_classifier", "algorithm=iql", f"data={without}")
    last = run_here(tmp_path / "run", *parts, *SMALL, evaluated=False)
    assert np.isfinite(last["agent/critic_loss"])


def test_rewards_of_other_settings_and_a_single_episode_are_warned_of(tmp_path, data, capsys):
    common = ("reward=environment", "algorithm=iql", "env=point")
    supplied.build_data(*build.build(composed(*common, f"data={data}")))
    assert "Warning" not in capsys.readouterr().out
    supplied.build_data(*build.build(composed(*common, f"data={data}", "env.goal_radius=0.5")))
    assert "the recorded reward is not that of this run's point, first in row" in capsys.readouterr().out
    first = {key: array[: 1 if key.startswith("episode") else 40] for key, array in point_demos().items()}
    supplied.build_data(*build.build(composed(*common, f"data={point_file(tmp_path, **first)}")))
    assert "holds one episode only" in capsys.readouterr().out


def test_the_best_policy_is_kept_when_evaluations_may_select(tmp_path, data):
    parts = ("env=point", "reward=environment", "algorithm=bc_top", f"data={data}")
    run_here(tmp_path, *parts, "evaluation.selects=best", *SMALL)
    assert (tmp_path / "checkpoints" / "best").exists()
