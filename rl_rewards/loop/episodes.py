"""Measures of evaluation episodes, as functions of numpy arrays: returns, success, and what a report shows of them."""

import numpy as np

from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.envs.adapters.faults import check_ends

SCENES_KEPT = 8
"""The number of episodes whose scenes are stored."""


def first_episodes(spec: EnvSpec, rollout: Transition) -> Transition:
    """Return a rollout [*, T, B] in which only the first episode of each environment is ``valid``.

    Raises:
        EnvironmentFault: when an episode terminated early although spec.ends_early is False. (A host environment checks
            this itself.)
    """
    done = rollout.terminated | rollout.truncated
    earlier_ends = np.cumsum(done, axis=-2) - done
    valid = earlier_ends == 0
    if not spec.ends_early:
        terminated, steps = np.any(rollout.terminated & valid, axis=-2), np.sum(valid, axis=-2)
        check_ends(spec.name, terminated.reshape(-1), steps.reshape(-1), spec.max_episode_steps)
    return rollout.replace(valid=valid)


def last_steps(rollout: Transition) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the last transition of each episode."""
    return np.asarray(rollout.valid).sum(axis=0) - 1, np.arange(rollout.valid.shape[1])


def outcome_of(spec: EnvSpec, rollout: Transition, learned: np.ndarray) -> dict[str, float]:
    """Return the mean returns, and the share of successes, of episodes with the learned rewards ``learned`` [T, N].

    The true return is missing if the environment has no true reward, as success is if it does not record success.
    """
    returns = {"true_return": rollout.env_reward} if spec.has_true_reward else {}
    returns |= {"learned_return": learned}
    outcome = {name: float(np.mean(np.sum(each * rollout.valid, axis=0))) for name, each in returns.items()}
    if "success" in rollout.info:
        outcome["success"] = float(np.mean(rollout.info["success"][last_steps(rollout)]))
    return outcome


def stochastic_only(rollout: Transition, learned: np.ndarray, inspected: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the metrics that only the stochastic policy has, by their full names."""
    from scipy import stats  # slow to import

    learned_return = np.sum(learned * rollout.valid, axis=0)
    true_return = np.sum(rollout.env_reward * rollout.valid, axis=0)
    constant = np.ptp(learned_return) == 0.0 or np.ptp(true_return) == 0.0
    correlation = np.nan if constant else stats.spearmanr(learned_return, true_return)[0]
    metrics = {
        "eval/learned_reward_final": float(np.mean(learned[last_steps(rollout)])),
        "eval/return_correlation": float(correlation),
    }
    for name, values in inspected.items():
        values = values[rollout.valid] if name == "prob_visited" else values
        metrics[f"eval/{name}"] = float(np.mean(values))
    return metrics


def mean_on_successes(arrays: dict[str, np.ndarray]) -> float:
    """Return the classifier's mean output on visited states that are true successes; NaN if there is none."""
    outputs = arrays["prob_visited"][arrays["visited_is_goal"] == 1]
    return float(np.mean(outputs)) if outputs.size else np.nan


def visited_is_goal(rollout: Transition, judges_next: bool) -> np.ndarray:
    """Return whether the state that the source scored at each step is a goal, [T, N] int8: 1, 0, or -1 if unknown.

    Success is recorded for the state that a step leads to. A source that scores the state before the step sees it one
    step later, and the success of an episode's first state is unknown.
    """
    success, valid = np.asarray(rollout.info["success"], np.int8), np.asarray(rollout.valid)
    if not judges_next:
        success = np.concatenate([np.full_like(success[:1], -1), success[:-1]])
    return np.where(valid, success, np.int8(-1))


def scenes_of(rollout: Transition, learned: np.ndarray) -> dict[str, np.ndarray]:
    """Return scenes for videos: the first episodes, and the failed episode with the highest learned return.

    ``failure_episode`` [] is the index of that episode, or -1 if all succeed. Both are missing if success is unknown.
    """
    scene = np.asarray(rollout.info["scene"])
    scenes = {"scene": scene[:, :SCENES_KEPT]}
    if "success" in rollout.info:
        failed = ~np.asarray(rollout.info["success"][last_steps(rollout)], bool)
        returns = np.sum(learned * rollout.valid, axis=0)
        episode = int(np.argmax(np.where(failed, returns, -np.inf))) if failed.any() else -1
        scenes |= {"failure_episode": np.array(episode), "scene_failure": scene[:, episode]}
    return scenes
