"""From a composed config to live objects, and the refusal of what cannot work. No config object goes beyond here."""

from pathlib import Path

from omegaconf import DictConfig

from rl_rewards.core.checks import require
from rl_rewards.core.types import Examples
from rl_rewards.loop import data
from rl_rewards.loop.sources import build_source, instantiate_part
from rl_rewards.loop.train import Parts


def build(cfg: DictConfig, run_dir: Path | None = None) -> Parts:
    """Environment, reward source and algorithm of ``cfg``.

    Args:
        run_dir: the run's folder, where a resumed run finds its copy of a frozen reward.

    Raises:
        ConfigError: for a value or a combination that cannot work.
    """
    env = instantiate_part(cfg.env)
    source = build_source(cfg.reward, env.spec, run_dir)
    algorithm = instantiate_part(cfg.algorithm, spec=env.spec)
    parts = Parts(env=env, source=source, algorithm=algorithm)
    check(parts, cfg)
    return parts


def check(parts: Parts, cfg: DictConfig) -> None:
    """Refuse what no single part can know to be impossible."""
    _, source, algorithm = parts
    per_round = algorithm.num_envs * algorithm.rollout_length
    require(
        cfg.total_env_steps >= per_round,
        f"total_env_steps={cfg.total_env_steps} is less than one round of {algorithm.num_envs} environments times "
        f"{algorithm.rollout_length} steps = {per_round}.",
    )
    require(
        source.scope == "transition" or algorithm.data == "rollout",
        "This reward judges whole trajectories, which an algorithm that learns from replayed transitions cannot use; "
        "choose algorithm=ppo.",
    )
    for group, key in (
        ("evaluation", "every"),
        ("evaluation", "episodes"),
        ("checkpoint", "every"),
        ("checkpoint", "keep"),
    ):
        value = cfg[group][key]
        require(isinstance(value, int) and value > 0, f"{group}.{key}={value} must be a whole number of at least 1.")


def build_data(parts: Parts, cfg: DictConfig) -> Examples:
    """The examples of ``cfg``: read from its file, or recorded in the environment the ordinary way."""
    settings = cfg.examples
    for key in ("goals", "non_goals"):
        require(settings[key] > 0, f"examples.{key}={settings[key]} must be at least 1.")
    if settings.path is None:
        arrays = data.collect_examples(parts.env, settings.goals, settings.non_goals, cfg.seed)
    else:
        needs_action = getattr(parts.source, "judges", None) == "obs_action"
        arrays = data.load_examples(Path(settings.path), parts.env.spec, needs_action)
    return data.hold_out(arrays, settings.heldout_share, cfg.seed)


def rounds_of(parts: Parts, cfg: DictConfig) -> int:
    """How many rounds make ``total_env_steps``, rounded down."""
    return cfg.total_env_steps // (parts.algorithm.num_envs * parts.algorithm.rollout_length)
