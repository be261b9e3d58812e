"""The lecture's story on ``point``: the policy exploits a frozen classifier, but not an adversarial one."""

import pytest

from rl_rewards.reporting.alarm import first_alarm
from tests.runs import command, raw_rows, run_here

LENGTH = ("env=point", "algorithm.num_envs=64", "algorithm.minibatches=4", "total_env_steps=150_000")
LEARNED = ("reward.pretrain_steps=1_000",)  # gradient steps of the classifier; debug=smoke has too few
EVALUATED = ("evaluation.every=6", "evaluation.episodes=32", "examples.goals=400", "examples.non_goals=400")


@pytest.mark.slow
@pytest.mark.optimised
def test_a_hacked_run_raises_the_alarm(tmp_path):
    last = run_here(tmp_path, "reward=goal_classifier", *LEARNED, *LENGTH, *EVALUATED)
    assert last["eval/success"] < 0.05
    assert last["eval/learned_reward_final"] > 0.9
    assert first_alarm(raw_rows(tmp_path)) is not None


@pytest.mark.slow
@pytest.mark.optimised
def test_the_quickstart_learns_its_task_raises_no_alarm_and_says_so(tmp_path):
    """A newcomer's first command, in a new process, ends with a verdict and a report, and needs no account."""
    done = command("experiment=quickstart", "video=false", f"hydra.run.dir={tmp_path}", timeout=600.0)
    assert done.returncode == 0, done.stderr
    assert raw_rows(tmp_path)[-1]["eval/success"] >= 0.9
    assert first_alarm(raw_rows(tmp_path)) is None
    assert "true success" in done.stdout and str(tmp_path / "report.html") in done.stdout
    assert (tmp_path / "report.html").is_file() and not (tmp_path / "wandb").exists()
