"""From a composed config to live objects, and the refusal of what cannot work. No config object goes beyond here."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.base import Environment
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.compatibility import check, check_whole
from rl_rewards.loop.own_parts import check_algorithm, check_env, check_labeling
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.sources import build_source, instantiate_part, place_of
from rl_rewards.loop.train import Parts
from rl_rewards.loop.trust import trusted_packages
from rl_rewards.rewards.base import RewardSource, asks


def build(cfg: DictConfig, run_dir: Path | None = None) -> Parts:
    """Environment, reward source and algorithm of ``cfg``.

    Args:
        run_dir: the run's folder, where a resumed run finds its copy of a frozen reward.

    Raises:
        ConfigError: for a value or a combination that cannot work.
    """
    env = build_env(cfg)
    for key in ("num_seeds", "total_env_steps"):
        check_whole(cfg, key)
    seeds = range(cfg.seed, cfg.seed + cfg.num_seeds)
    source = build_source(cfg.reward, env.spec, run_dir, seeds, trusted_packages(cfg.get("trust")))
    env = source.wrap_env(env)
    algorithm = build_algorithm(cfg.algorithm, env.spec, source, cfg.total_env_steps)
    labeling = build_labeling(cfg.labeler) if asks(source) else None
    parts = Parts(env, source, algorithm, Seeds(cfg.num_seeds), labeling)
    check(parts, cfg)
    return parts


def build_env(cfg: DictConfig) -> Environment:
    """The environment of ``cfg``, in the engine that it asks for."""
    env = instantiate_part(cfg.env)
    check_env(env, place_of(cfg.env))
    return env.in_engine()


def build_algorithm(
    node: DictConfig, spec: EnvSpec, source: RewardSource | None, budget: int | None = None
) -> Algorithm:
    """The algorithm of a config node, for environments of ``spec``, as ``source`` would have it.

    Args:
        source: the reward of the run; None where it has no say in the algorithm.
        budget: env steps of the run in which it learns; None where it only acts.
    """

    def make(spec: EnvSpec) -> Algorithm:
        algorithm: Any = instantiate_part(node, spec=spec)
        check_algorithm(algorithm, spec, place_of(node))
        return algorithm if budget is None else algorithm.with_budget(budget)

    return make(spec) if source is None else source.make_algorithm(spec, make)


def build_labeling(node: DictConfig) -> Labeling:
    """Who answers, as a config node describes it."""
    labeling = instantiate_part(node)
    check_labeling(labeling, place_of(node))
    return labeling
