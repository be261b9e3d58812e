"""The lecture's experiments in the lecture's own order, and what has to be recorded before they run."""

import re
from typing import NamedTuple

from rl_rewards.command_line.choices import CONFIGS, head_comments

_PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\bN\b|\(")
"""A word that a person replaces, as ROW in ``outputs/demos/ROW.npz``."""


class Chapter(NamedTuple):
    """One subject of the lecture, and the experiments about it, without ``lecture/``."""

    title: str
    experiments: tuple[str, ...]


def _of(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


CHAPTERS = (
    Chapter(
        "Rewards that are written down",
        (*_of("classifiers", "walker_hack"),
         *_of("preferences", *(f"written_rewards/{one}" for one in ("point", "pendulum", "walker2d")))),
    ),
    Chapter(
        "Rewards from examples of success: goal classifiers",
        _of("classifiers", "fixed_classifier", "order_statistics", "adversarial_classifier", "main_job", "diagnosis",
            "balanced_bound", "reward_collapse", "camera_exploits", "regularisers", "stability/point",
            "stability/pencil_case", "gan", "sac_adversarial", "robot_recipe", "robot_recipe_pictures"),
    ),
    Chapter(
        "Rewards from demonstrations",
        _of("demonstrations", *(f"gail_benchmark/{one}" for one in (
            "cartpole", "acrobot", "mountaincar", "reacher", "halfcheetah", "hopper", "walker2d")),
            "gail_off_policy/point", "gail_off_policy/pendulum", "reward_maps", "irl", "irl_transfer"),
    ),
    Chapter(
        "Rewards from human preferences",
        _of("preferences", "bradley_terry", "ratings_vs_pairs", "ranking_efficiency", "preference_loop/point",
            "preference_loop/pendulum", "feedback_kinds/point", "feedback_kinds/pencil_case", "backflip", "driver",
            "fast_gentle", "driving_design"),
    ),
    Chapter(
        "Language models from human preferences",
        _of("language", "sft_first", "rlhf", "comparisons", "reward_model_size", "overoptimisation", "kl_frontier",
            "best_of_n", "dpo", "real_model"),
    ),
    Chapter(
        "Rewards from AI feedback",
        (*_of("preferences", "ai_feedback", "looking_judge", "small_judge"),
         *_of("language", "judge_calibration", "rlaif", "judge_bias", "constitutional", "real_constitution", "pareto",
              "process_rewards", "critique", "oversight", "audit")),
    ),
    Chapter(
        "Rewards from self-play",
        _of("games", "self_play_hall", "curriculum", "degenerate_equilibria",
            *(f"self_play_transfer/{one}" for one in ("mountain_car", "light_switch", "key_door"))),
    ),
    Chapter("Rewards from curiosity", _of("curiosity", "noisy_tv")),
    Chapter(
        "Offline data",
        _of("offline", "overestimation", "methods/point_maze", "methods/pendulum", "iterated", "relabelled"),
    ),
)  # fmt: skip
"""Every study, once."""


def commands_before(experiment: str) -> tuple[list[str], list[str]]:
    """Return the commands that an experiment's YAML names, for a shell: those to run as they are, and others.

    The others have words that a person replaces, such as the number of a seed.
    """
    comments = head_comments(CONFIGS / "experiment" / "lecture" / f"{experiment}.yaml")
    commands = [one for one in comments if one.startswith(("python ", "make "))]
    open_ones = [one for one in commands if _PLACEHOLDER.search(one)]
    return [one for one in commands if one not in open_ones], open_ones
