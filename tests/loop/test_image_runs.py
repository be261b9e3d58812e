"""Whole runs on pictures: they resume bit for bit, and users' own pictures work with every algorithm."""

import numpy as np
import pytest

from rl_rewards.loop import build
from tests.finished import cut_back, finished_run, resumed_run
from tests.runs import composed, digest_of, rows, run_here

SMALL = (
    "algorithm.model.hidden=[16]",
    "algorithm.num_envs=4",
    "algorithm.rollout_length=10",
    "evaluation.every=100",
    "evaluation.episodes=2",
)
CLASSIFIER = (
    "reward.keep_visited=400",
    "reward.visited_per_round=50",
    "reward.pretrain_steps=2",
    "reward.batch_goals=8",
    "reward.updates_per_round=1",
    "reward.classifier.model.hidden=[8]",
    "reward.classifier.ensemble=2",
    "reward.classifier.mixup=0",
    "examples.goals=12",
    "examples.non_goals=12",
)
ALGORITHMS = {
    "ppo": ("algorithm=ppo", "algorithm.epochs=1", "algorithm.minibatches=2"),
    "sac": (
        "algorithm=sac",
        "algorithm.replay_capacity=120",
        "algorithm.learning_starts=40",
        "algorithm.batch_size=8",
        "algorithm.update_ratio=0.1",
    ),
}


@pytest.mark.slow
def test_resumes_to_the_bit(tmp_path):
    """Replay, visited states and physics are restored: the run goes on from its checkpoint."""
    env = ("env=pencil_case", "env.observation=image", "env.image_size=16", "env.max_episode_steps=15")
    arguments = (*ALGORITHMS["sac"], *env, *SMALL, *CLASSIFIER)
    run = finished_run(tmp_path, *arguments, "total_env_steps=240", "checkpoint.every=3", evaluated=False)
    told, bits = rows(run), digest_of(run)
    cut_back(run)
    resumed_run(run, 240, evaluated=False)
    assert digest_of(run) == bits and rows(run) == told


def test_a_pure_jax_environment_in_pictures(tmp_path):
    env = ("env=point", "env.observation=image", "env.image_size=12", "env.max_episode_steps=15")
    last = run_here(tmp_path, *ALGORITHMS["ppo"], *env, *SMALL, "reward=environment", "total_env_steps=120")
    assert np.isfinite(last["eval/success"]) and last["agent/entropy"] > 0.0


@pytest.mark.long
@pytest.mark.slow
def test_other_peoples_pictures(tmp_path):
    """SAC with an adversarial classifier on a registered environment, with a file of examples that it has drawn."""
    choice = ["env=gymnasium", "env.id=tests.envs.adapters.own_gymnasium:OwnBall-v0", "env.ends_early=false"]
    choice.append("env.success=is_success")
    spec = build.build(composed(*choice, "reward=environment")).parts.env.spec
    assert spec.obs.shape == (12, 12, 3) and spec.obs.dtype == "uint8"
    examples = np.zeros((2, 12, *spec.obs.shape), np.uint8)
    examples[0, :, 4:7, 8:11] = examples[1, :, 4:7, 2:5] = 255
    np.savez(tmp_path / "examples.npz", goal_obs=examples[0], non_goal_obs=examples[1])
    settings = (*ALGORITHMS["sac"], *choice, *SMALL, *CLASSIFIER, f"examples.path={tmp_path / 'examples.npz'}")
    last = run_here(tmp_path / "run", *settings, "total_env_steps=120")
    assert last["env_steps"] == 120 and np.isfinite(last["agent/critic_loss"])
    assert np.isfinite(last["eval/learned_return"]) and np.isfinite(last["eval/success"])
