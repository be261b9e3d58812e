"""From a composed configuration to live objects and settings; what cannot work is refused. Hydra ends here.

These functions alone are given a configuration, composed or read from a run's folder. What they return, and everything
that works with it, knows plain values: :class:`Settings`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.base import Environment
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.compatibility import check
from rl_rewards.loop.instantiate import instantiate_part, place_of
from rl_rewards.loop.own_parts import check_algorithm, check_env, check_labeling
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.settings import Settings, StudySettings
from rl_rewards.loop.sources import build_source
from rl_rewards.loop.train import Parts
from rl_rewards.loop.trust import trusted_packages
from rl_rewards.rewards.base import RewardSource, asks

Config = DictConfig | Mapping[str, Any]


class Experiment(NamedTuple):
    """Everything that a run is made of, besides its folder and the data that people give."""

    parts: Parts
    settings: Settings


def build(config: Config, run_dir: Path | None = None) -> Experiment:
    """Environment, reward source and algorithm of ``config``, and the settings of their run.

    Args:
        run_dir: the run's folder, where a resumed run finds its copy of a frozen reward.

    Raises:
        ConfigError: for a value or a combination that cannot work.
    """
    plain, settings = plain_values(config), build_settings(config)
    env = build_env(plain)
    source = build_source(plain["reward"], env.spec, run_dir, settings.seeds, settings.trust)
    env = source.wrap_env(env)
    algorithm = build_algorithm(plain, env.spec, source, settings.total_env_steps)
    labeling = build_labeling(plain) if asks(source) else None
    parts = Parts(env, source, algorithm, Seeds(settings.num_seeds), labeling)
    check(parts, settings)
    return Experiment(parts, settings)


def build_settings(config: Config) -> Settings:
    """The settings of ``config``: what it says besides the parts."""
    return Settings.of(plain_values(config))


def build_env(config: Config) -> Environment:
    """The environment of ``config``, in the engine that it asks for."""
    node = plain_values(config)["env"]
    env = instantiate_part("env", node)
    check_env(env, place_of("env", node))
    return env.in_engine()


def build_algorithm(config: Config, spec: EnvSpec, source: RewardSource | None, budget: int | None = None) -> Algorithm:
    """The algorithm of ``config``, for environments of ``spec``, as ``source`` would have it.

    Args:
        source: the reward of the run; None where it has no say in the algorithm.
        budget: env steps of the run in which it learns; None where it only acts.
    """
    node = plain_values(config)["algorithm"]

    def make(spec: EnvSpec) -> Algorithm:
        algorithm: Any = instantiate_part("algorithm", node, spec=spec)
        check_algorithm(algorithm, spec, place_of("algorithm", node))
        return algorithm if budget is None else algorithm.with_budget(budget)

    return make(spec) if source is None else source.make_algorithm(spec, make)


def build_labeling(config: Config) -> Labeling:
    """Returns the labeling that ``config`` describes."""
    node = plain_values(config)["labeler"]
    labeling = instantiate_part("labeler", node)
    check_labeling(labeling, place_of("labeler", node))
    return labeling


def build_study(config: Config) -> tuple[Any, StudySettings]:
    """The study of ``config``, and the runs that it compares."""
    plain = plain_values(config)
    trust = trusted_packages(plain.get("trust"))
    return instantiate_part("study", plain["study"], trust=trust), StudySettings.of(plain)
