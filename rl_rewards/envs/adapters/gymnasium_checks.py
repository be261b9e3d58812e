"""Checks that an id and its spaces are supported, and the errors for those that are not."""

import difflib
import importlib
import os
import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as Registered

from rl_rewards.core.errors import ConfigError, one_line
from rl_rewards.core.types import Box, Discrete


def registered(env_id: str) -> Registered:
    """Return Gymnasium's registry entry for ``Id`` or ``module:Id``, or a new entry for ``module:Class``.

    The module may be in the current folder. A class need not be registered.

    Raises:
        ConfigError: if the module cannot be imported or the id is not registered.
    """
    module, _, name = env_id.rpartition(":")
    found: Any = None
    if module:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())  # python -m adds it, a console script does not
        try:
            found = getattr(importlib.import_module(module), name, None)
        except Exception as error:  # whatever the user's module raises
            raise ConfigError(
                f"env.id={env_id}: the module '{module}' cannot be imported: {one_line(error)}; it must be installed "
                "or be in the current folder."
            ) from error
    entry = gymnasium.registry.get(name)
    if entry is None and isinstance(found, type) and issubclass(found, gymnasium.Env):
        return Registered(id=name, entry_point=found)
    if entry is None:
        close = difflib.get_close_matches(name, list(gymnasium.registry), n=3)
        meant = f"did you mean {' or '.join(close)}?" if close else "nothing registered has a similar name."
        raise ConfigError(
            f"Gymnasium has no environment '{name}'; {meant} Give one of your own as env.id=module:Class, or as "
            "env.id=module:Id if importing the module registers it."
        )
    return entry


FLATTENED = (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)


def obs_box(env_id: str, space: spaces.Space, flatten: bool = False) -> Box:
    """Return the observation space for ``EnvSpec``: uint8 stays, other numbers become f32, Discrete becomes one-hot.

    Pictures have their channels last.

    Args:
        flatten: flatten any space into one f32 vector, as ``gymnasium.spaces.flatten`` does.

    Raises:
        ConfigError: if the space is not supported.
    """
    if flatten:
        return _flat_box(env_id, space)
    if isinstance(space, spaces.Discrete):
        return Box(shape=(int(space.n),), low=(0.0,) * int(space.n), high=(1.0,) * int(space.n))
    if not isinstance(space, spaces.Box):
        raise ConfigError(
            f"{env_id} observes a {type(space).__name__}, but only Box and Discrete observations are supported; "
            "env.flatten_observations=true flattens it into one vector."
        )
    if space.dtype == np.uint8:
        first_axis_is_channels = len(space.shape) == 3 and space.shape[0] <= 4 < space.shape[2]
        if first_axis_is_channels:
            raise ConfigError(
                f"{env_id} observes pictures of the shape {list(space.shape)}, channels first, but the networks need "
                "[height, width, channels]; register it with a wrapper that transposes them."
            )
        return Box(shape=tuple(space.shape), dtype="uint8")
    return _float_box(space)


def action_space(env_id: str, space: spaces.Space) -> Box | Discrete:
    """Return the action space for ``EnvSpec``; discrete actions count from 0, wherever Gymnasium's start.

    Raises:
        ConfigError: if the space is not supported.
    """
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n))
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return _float_box(space)
    raise ConfigError(
        f"{env_id} has the action space {space}, but only Discrete and real Box actions are supported; register it "
        "with a gymnasium.ActionWrapper that converts it."
    )


def _flat_box(env_id: str, space: spaces.Space) -> Box:
    for part in _parts(space):
        if not isinstance(part, FLATTENED):
            raise ConfigError(
                f"{env_id} observes a {type(part).__name__}, which env.flatten_observations=true cannot flatten; "
                "register it with a wrapper that converts it to a Box."
            )
    flat = spaces.flatten_space(space)
    assert isinstance(flat, spaces.Box)
    return _float_box(flat)


def _parts(space: spaces.Space) -> list[spaces.Space]:
    """Return the spaces inside a Dict or a Tuple, however deeply they are nested."""
    if isinstance(space, spaces.Dict):
        return [part for inner in space.spaces.values() for part in _parts(inner)]
    if isinstance(space, spaces.Tuple):
        return [part for inner in space.spaces for part in _parts(inner)]
    return [space]


def numbers(info: dict[str, Any]) -> list[str]:
    """Return the sorted keys of ``info`` whose value is one number or bool."""
    single = [name for name, value in info.items() if np.size(value) == 1]
    return sorted(name for name in single if np.asarray(info[name]).dtype.kind in "biuf")


def _float_box(space: spaces.Box) -> Box:
    """Return ``space`` as a Box: without bounds if no side is bounded, else with infinity for an open side."""
    low, high = (tuple(float(x) for x in np.ravel(side)) for side in (space.low, space.high))
    if not np.isfinite([*low, *high]).any():
        low = high = None
    return Box(shape=tuple(space.shape), low=low, high=high)
