"""Plain numpy arrays that a person supplies: read, checked in one sentence each, and cast."""

from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.npz import UnreadableArrays, read_npz
from rl_rewards.core.types import Discrete, EnvSpec

REAL = "iuf"
"""Kinds of types that are real numbers; complex ones and durations are not."""


def read_arrays(path: Path, key: str, recorder: str) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file, which ``key`` of the configuration names and ``recorder`` writes.

    Raises:
        ConfigError: when it is not there, or not a file of plain arrays.
    """
    require(path.exists(), f"{key}={path} does not exist; record one with '{recorder}'.")
    require(path.is_file(), f"{key}={path} is no file; name an .npz file.")
    try:
        return read_npz(path)
    except UnreadableArrays as error:
        raise ConfigError(f"{path} cannot be read as an .npz file of plain arrays: {error}.") from error


def check_env(path: Path | str, arrays: dict[str, np.ndarray], spec: EnvSpec | None) -> None:
    """Refuse what was recorded on another environment than ``spec``'s, as its ``env`` says; None allows any."""
    if "env" not in arrays:
        return
    require(arrays["env"].ndim == 0 and arrays["env"].dtype.kind == "U", f"{path}: env must be one name, a text.")
    name = str(arrays["env"])
    if spec is not None and name != spec.name:
        raise ConfigError(f"{path} was recorded on the environment '{name}', but this run uses '{spec.name}'.")


def cast_array(
    path: Path | str, arrays: dict[str, np.ndarray], key: str, shape: tuple[int, ...], dtype: str, required: bool = True
) -> None:
    """Replace ``arrays[key]`` by the same numbers [rows, *shape] as ``dtype``, float32 or uint8.

    Raises:
        ConfigError: unless they are real numbers of that shape, and finite as ``dtype`` too. A picture must be uint8:
            the scale of a picture of floats is anybody's guess.
    """
    if key not in arrays:
        require(not required, f"{path} lacks the key '{key}'; it has {', '.join(sorted(arrays)) or 'none'}.")
        return
    array = arrays[key]
    told = f"{path}: {key} has the type {array.dtype}"
    require(array.dtype.kind in REAL, f"{told}; real numbers are needed.")
    require(dtype != "uint8" or array.dtype == np.uint8, f"{told}; this environment's pictures are uint8.")
    if array.shape[1:] != tuple(shape) or array.ndim == 0:
        wanted = ", ".join(["rows", *map(str, shape)])
        raise ConfigError(f"{path}: {key} has the shape {array.shape}; this environment needs [{wanted}].")
    with np.errstate(over="ignore"):
        arrays[key] = array.astype(dtype)
    for found, told in ((array, "a NaN or infinite value"), (arrays[key], f"a value too large for {dtype}")):
        if not np.all(np.isfinite(found)):
            row = int(np.argwhere(~np.isfinite(found))[0][0])
            raise ConfigError(f"{path}: {key} has {told} in row {row}; all values must be finite.")


def cast_choices(path: Path | str, arrays: dict[str, np.ndarray], key: str, spec: EnvSpec) -> None:
    """Replace ``arrays[key]``, discrete actions [rows] of ``spec``'s environment, by the same as int32.

    Raises:
        ConfigError: unless each is one of 0 .. n-1, whatever number the environment itself begins with.
    """
    assert isinstance(spec.action, Discrete)
    as_given, last = arrays.get(key), spec.action.n - 1
    cast_array(path, arrays, key, (), "float32")
    action = np.asarray(as_given)
    wrong = np.flatnonzero((action < 0) | (action > last) | (action != np.round(action)))
    if len(wrong):
        told = f"{path}: the action in row {wrong[0]} is {action[wrong[0]]}"
        raise ConfigError(f"{told}; {spec.name} has the actions 0 to {last}, as files count them.")
    arrays[key] = action.astype(np.int32)
