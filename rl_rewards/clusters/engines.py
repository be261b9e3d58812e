"""The engines by name, and the resources of jobs from words such as ``minutes=60``."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from rl_rewards.clusters.jobs import Engine, Resources
from rl_rewards.core.checks import require, require_known

Where = Literal["processes", "slurm", "ray"]
WHERE: tuple[Where, ...] = get_args(Where)


def engine(where: Where, resources: Resources, folder: Path) -> Engine:
    """Return the engine called ``where``.

    Args:
        folder: for the engine's own files and logs.

    Raises:
        ConfigError: where its package, or the cluster, is missing.
    """
    if where == "slurm":
        from rl_rewards.clusters.slurm import Slurm

        return Slurm(resources, folder)
    if where == "ray":
        from rl_rewards.clusters.ray import Ray

        return Ray(resources)
    from rl_rewards.clusters.processes import Processes

    return Processes(resources)


def as_resources(given: Mapping[str, Any]) -> Resources:
    """Return the resources with these values.

    Raises:
        ConfigError: for an unknown name, or a value that is not valid.
    """
    known = [one.name for one in fields(Resources)]
    for name in given:
        require_known(name, known, f"resources: {name} does not exist")
    return Resources(**given)


def resources_of(words: list[str]) -> Resources:
    """Return the resources that NAME=VALUE say.

    Raises:
        ConfigError: for anything else.
    """
    given = {}
    for word in words:
        name, equals, value = word.partition("=")
        require(bool(equals), f"resources: {word} must be NAME=VALUE, such as minutes=60.")
        given[name] = yaml.safe_load(value)
    return as_resources(given)
