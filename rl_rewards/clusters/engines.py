"""The engines by name, and the resources of jobs from words such as ``minutes=60``."""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from rl_rewards.clusters.jobs import Engine, Resources
from rl_rewards.core.checks import require

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
        near = get_close_matches(str(name), known, 1, 0.6)
        told = f"did you mean {near[0]}?" if near else f"choose among {', '.join(known)}."
        require(name in known, f"resources: {name} does not exist; {told}")
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
