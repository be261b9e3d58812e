"""Writes run folders like the trainer's, with invented but plausible numbers."""

import json
from pathlib import Path

import numpy as np

STEPS_PER_ROUND = 8192
EPISODE = 80
EPISODES = 64


def write_fake_run(
    path: Path,
    *,
    rounds: int = 60,
    evaluate_every: int = 5,
    exploited: bool = False,
    has_success: bool = True,
    classifier: bool = True,
    video: bool = True,
    status: str = "DONE",
    seed: int = 7,
    env: str = "pencil_case",
    learning_rate: float = 0.0003,
) -> Path:
    """Write a run of a classifier on ``env``; if it is ``exploited``, the learned reward rises and success does not."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    _write_descriptions(path, classifier, has_success, seed, env, learning_rate)
    rows = []
    for i in range(rounds):
        skill = 1 / (1 + np.exp(-(i - 0.4 * rounds) / (0.08 * rounds)))
        row = _training_row(rng, i, skill, 0.0 if exploited else skill, classifier, has_success)
        if evaluate_every and (i == 0 or (i + 1) % evaluate_every == 0 or i + 1 == rounds):
            row |= _evaluate(path, rng, row, skill, 0.0 if exploited else skill, classifier, has_success)
        rows.append(row)
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if video:
        (path / "videos").mkdir()
        for name in ("final", "most_rewarded_failure"):
            (path / "videos" / f"{name}.mp4").write_bytes(b"not really a video" * 50)
    if status == "DONE":
        done = {"rounds": rounds, "env_steps": rounds * STEPS_PER_ROUND, "digest": "0123456789abcdef", "seconds": 431.5}
        (path / "DONE").write_text(json.dumps(done))
    if status == "FAILED":
        (path / "FAILED.json").write_text(json.dumps({"error": "agent/loss became NaN.", "round": rounds}))
    return path


def _write_descriptions(
    path: Path, classifier: bool, has_success: bool, seed: int, env: str, learning_rate: float
) -> None:
    reward = "adversarial_classifier" if classifier else "environment"
    target = "adversarial_classifier.AdversarialClassifier" if classifier else "environment.EnvironmentReward"
    (path / "config.yaml").write_text(
        f"env:\n  _target_: rl_rewards.envs.{env}.Env\nreward:\n  _target_: rl_rewards.rewards.{target}\n"
        f"algorithm:\n  _target_: rl_rewards.algorithms.ppo.PPO\n  learning_rate: {learning_rate}\nseed: {seed}\n"
        "total_env_steps: 491520\n"
    )
    run = {
        "command": f"python -m rl_rewards.run env={env} reward={reward} seed={seed} '<b>'",
        "git_sha": "0f3c2a1b9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a",
        "git_dirty": True,
        "started": "2025-01-01T12:00:00+00:00",
        "versions": {"jax": "0.10.0", "numpy": "2.4.6"},
        "env_choice": env,
        "reward_choice": reward,
        "algorithm_choice": "ppo",
    }
    (path / "run.json").write_text(json.dumps(run))
    spec = {"name": env, "has_success": has_success, "max_episode_steps": EPISODE, "step_seconds": 0.04}
    (path / "spec.json").write_text(json.dumps(spec))


def _training_row(rng, i: int, skill: float, true: float, classifier: bool, has_success: bool) -> dict:
    noise = float(rng.normal(0, 0.02))
    row = {
        "round": i,
        "env_steps": (i + 1) * STEPS_PER_ROUND,
        "train/true_reward": 0.4 * true + abs(noise),
        "agent/reward_mean": 0.1 + 0.7 * skill + noise,
        "agent/entropy": 2.8 - 2.0 * skill + noise,
        "agent/kl": 0.01 + abs(noise) / 4,
        "agent/value_loss": 0.3 * (1 - skill) + 0.05 + abs(noise),
        "agent/a_metric_of_tomorrow": 1.0 + noise,
        "time/env_steps_per_second": 9000.0 + 900 * noise,
        "time/collect_seconds": 0.6,
        "time/round_seconds": 0.9,
    }
    if has_success:
        row["train/success"] = true * 0.9 if i else None
    if i == 0:
        row["time/compile_seconds"] = 12.3
    if classifier:
        row |= {
            "reward/loss": 0.3 + 0.2 * skill + noise if i % 2 == 0 else None,
            "reward/accuracy_goal": 0.97 - abs(noise),
            "reward/accuracy_negative": 0.95 - 0.2 * skill,
            "reward/prob_goal": 0.92 - abs(noise),
            "reward/prob_negative": 0.08 + 0.2 * skill,
            "reward/negatives": 400 + 512 * min(i, 20),
        }
    return row


def _evaluate(path: Path, rng, row: dict, skill: float, true: float, classifier: bool, has_success: bool) -> dict:
    """Store the arrays of one evaluation, and return its metrics."""
    succeeds = rng.uniform(size=EPISODES) < 0.95 * true
    arrives = rng.integers(20, EPISODE, EPISODES)
    there = np.arange(EPISODE)[:, None] >= arrives
    success = there & succeeds
    pleases = rng.uniform(size=EPISODES) < 0.97 * skill
    learned = np.clip(np.where(there & (pleases | succeeds), 0.96, 0.05) + rng.normal(0, 0.03, there.shape), 0, 1)
    if not classifier:
        learned = success.astype(np.float32)
    arrays = {
        "round": row["round"],
        "env_steps": row["env_steps"],
        "learned_reward": learned.astype(np.float32),
        "env_reward": success.astype(np.float32),
        "valid": np.ones_like(there),
        "scene": np.zeros((EPISODE, 8, 5), np.float32),
    }
    metrics = {
        "eval/true_return": float(success.sum(0).mean()),
        "eval/learned_return": float(learned.sum(0).mean()),
        "eval/true_return_deterministic": float(success.sum(0).mean()) * 1.05,
        "eval/learned_return_deterministic": float(learned.sum(0).mean()) * 1.02,
        "eval/learned_reward_final": float(learned[-1].mean()),
        "eval/return_correlation": (0.8 * true if classifier else 1.0) if true > 0.02 else None,
        "time/evaluate_seconds": 1.1,
    }
    if has_success:
        arrays["success"] = success
        returns = np.where(success[-1], -np.inf, learned.sum(0))
        arrays["failure_episode"] = -1 if success[-1].all() else np.argmax(returns)
        arrays["scene_failure"] = np.zeros((EPISODE, 5), np.float32)
        metrics["eval/success"] = float(success[-1].mean())
        metrics["eval/success_deterministic"] = min(float(success[-1].mean()) * 1.04, 1.0)
    if classifier:
        arrays |= _classifier_arrays(rng, learned, skill)
        if has_success:
            arrays["visited_is_goal"] = success.astype(np.int8)
        metrics["eval/reward_heldout_goals"] = 0.9 - 0.05 * skill
        for name in ("prob_heldout_goals", "prob_non_goals", "prob_visited"):
            metrics[f"eval/{name}"] = float(arrays[name].mean())
    (path / "evaluations").mkdir(exist_ok=True)
    np.savez_compressed(path / "evaluations" / f"{row['round']:06d}.npz", **arrays)
    return metrics


def _classifier_arrays(rng, learned: np.ndarray, skill: float) -> dict[str, np.ndarray]:
    x, y = np.linspace(-0.3, 0.3, 48), np.linspace(-0.2, 0.2, 40)
    distance = np.hypot(x[None, :] - 0.15, y[:, None] + 0.05)
    bump = np.exp(-((distance / (0.3 - 0.2 * skill)) ** 2))
    return {
        "prob_heldout_goals": rng.beta(9, 1, 100),
        "prob_non_goals": rng.beta(1, 12, 400),
        "prob_visited": learned,
        "plane_reward": bump,
        "plane_prob": bump,
        "plane_final": rng.normal(0, 0.1, (EPISODES, 2)),
        "plane_x": x,
        "plane_y": y,
        "plane_labels": np.array(["case x (m)", "case y (m)", "case upright, pusher parked"]),
    }
