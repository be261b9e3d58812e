"""Builds the parts and settings of a run from its configuration. Hydra ends here.

Only these functions take a configuration, composed or read from a run folder. All other code uses the plain values that
they return (:class:`Settings`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.base import Environment
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.compatibility import check, rounds_of
from rl_rewards.loop.instantiate import instantiate_part, place_of
from rl_rewards.loop.own_parts import check_algorithm, check_env, check_labeling
from rl_rewards.loop.placement import devices_for
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.settings import Settings, StudySettings
from rl_rewards.loop.sources import build_source
from rl_rewards.loop.state import Parts
from rl_rewards.loop.trust import trusted_packages
from rl_rewards.rewards.base import RewardSource, asks

Config = DictConfig | Mapping[str, Any]


class Experiment(NamedTuple):
    """The parts and settings of a run, which are everything except its folder and the users' data."""

    parts: Parts
    settings: Settings


def build(config: Config, run_dir: Path | None = None) -> Experiment:
    """Return the environment, reward source, algorithm, labeler and settings of ``config``.

    Args:
        run_dir: the run folder, which has a resumed run's copy of a frozen reward.

    Raises:
        ConfigError: when a value or a combination cannot work.
    """
    plain, settings = plain_values(config), build_settings(config)
    seeds = Seeds(settings.num_seeds, devices_for(settings.placement, settings.num_seeds))
    env = build_env(plain)
    source = build_source(plain["reward"], env.spec, run_dir, settings.seeds, settings.trust)
    env = source.wrap_env(env)
    algorithm = build_algorithm(plain, env.spec, source, settings.total_env_steps)
    labeling = build_labeling(plain) if asks(source) else None
    parts = Parts(env, source, algorithm, seeds, labeling)
    if settings.keep_replay and not parts.offline:
        parts = parts._replace(recorded_steps=rounds_of(parts, settings.total_env_steps) * parts.steps_per_round)
    check(parts, settings)
    return Experiment(parts, settings)


def build_settings(config: Config) -> Settings:
    """Return the settings of ``config``, which are everything besides the parts."""
    return Settings.of(plain_values(config))


def build_env(config: Config) -> Environment:
    """Return the environment of ``config``, in the engine that it names."""
    node = plain_values(config)["env"]
    env = instantiate_part("env", node)
    check_env(env, place_of("env", node))
    return env.in_engine()


def build_algorithm(config: Config, spec: EnvSpec, source: RewardSource | None, budget: int | None = None) -> Algorithm:
    """Return the algorithm of ``config`` for environments of ``spec``, which ``source`` may wrap.

    Args:
        source: the reward of the run; None if it does not change the algorithm.
        budget: the env steps of the run in which it learns; None if it only acts.
    """
    node = plain_values(config)["algorithm"]

    def make(spec: EnvSpec) -> Algorithm:
        algorithm: Any = instantiate_part("algorithm", node, spec=spec)
        check_algorithm(algorithm, spec, place_of("algorithm", node))
        return algorithm if budget is None else algorithm.with_budget(budget)

    return make(spec) if source is None else source.make_algorithm(spec, make)


def build_labeling(config: Config) -> Labeling:
    """Return the labeler settings that ``config`` describes."""
    node = plain_values(config)["labeler"]
    labeling = instantiate_part("labeler", node)
    check_labeling(labeling, place_of("labeler", node))
    return labeling


def build_study(config: Config) -> tuple[Any, StudySettings]:
    """Return the study of ``config``, and the runs that it compares."""
    plain = plain_values(config)
    trust = trusted_packages(plain.get("trust"))
    return instantiate_part("study", plain["study"], trust=trust), StudySettings.of(plain)
