"""Reading, checking and casting of the user's plain numpy arrays; each error is one sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.npz import UnreadableArrays, npz_sizes, read_npz
from rl_rewards.core.types import Discrete, EnvSpec
from rl_rewards.data.hdf5 import SUFFIXES, hdf5_sizes, read_hdf5

REAL = "iuf"
"""The kinds of numpy types that are real numbers, unlike complex numbers and durations."""
TOKENIZED = "@"
"""Stands in a data file between the name of a text environment and the hash of its tokenizer."""


def read_arrays(
    path: Path, key: str, recorder: str, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` or HDF5 file, only those for whose name ``wanted`` returns True.

    Args:
        key: the config key that names the file, for the message.
        recorder: the command that writes such a file, for the message.

    Raises:
        ConfigError: if the file does not exist, or does not hold plain arrays only.
    """
    kind = _kind_of(path, key, recorder)
    try:
        return read_hdf5(path, wanted) if kind == "HDF5" else read_npz(path, wanted)
    except UnreadableArrays as error:
        raise ConfigError(f"{path} cannot be read as an {kind} file of plain arrays: {error}.") from error


def array_sizes(path: Path, key: str, recorder: str) -> dict[str, int]:
    """Return the bytes that each array of a file takes in memory, without reading the arrays; see read_arrays.

    Raises:
        ConfigError: if the file does not exist, or does not hold plain arrays only.
    """
    kind = _kind_of(path, key, recorder)
    try:
        return hdf5_sizes(path) if kind == "HDF5" else npz_sizes(path)
    except UnreadableArrays as error:
        raise ConfigError(f"{path} cannot be read as an {kind} file of plain arrays: {error}.") from error


def _kind_of(path: Path, key: str, recorder: str) -> str:
    """Return the kind of a file by its name, ``.npz`` or ``HDF5``.

    Raises:
        ConfigError: if it does not exist, or is not a file.
    """
    require(path.exists(), f"{key}={path} does not exist; record one with '{recorder}'.")
    require(path.is_file(), f"{key}={path} is not a file; name an .npz file.")
    return "HDF5" if path.suffix.lower() in SUFFIXES else ".npz"


def check_size(name: Path | str, sizes: dict[str, int], free: int | None) -> None:
    """Check that arrays of these ``sizes`` in bytes, by name, fit into memory before they are read.

    Args:
        free: the free bytes of memory; None if they are unknown.

    Raises:
        ConfigError: if they do not; the message has both numbers and the largest array.
    """
    need = sum(sizes.values())
    if free is None or need <= free:
        return
    largest = max(sizes, key=lambda one: sizes[one])
    raise ConfigError(
        f"The arrays of {name} take {need / 1e9:,.1f} GB of memory ({largest} alone {sizes[largest] / 1e9:,.1f} GB), "
        f"but {free / 1e9:,.1f} GB are free; use data with fewer episodes, or a machine with more memory."
    )


def check_env(path: Path | str, arrays: dict[str, np.ndarray], spec: EnvSpec | None) -> None:
    """Check that arrays with an entry ``env`` were recorded on ``spec``'s environment; None allows any.

    Raises:
        ConfigError: if they were recorded on another environment or written with another tokenizer, or ``env`` is not
            a text.
    """
    if "env" not in arrays:
        return
    require(
        arrays["env"].ndim == 0 and arrays["env"].dtype.kind == "U",
        f"{path}: env must be a single text, the environment's name.",
    )
    if spec is None:
        return
    name, _, tokenizer = str(arrays["env"]).partition(TOKENIZED)
    told = f"{path} was recorded on the environment '{name}', but this run uses '{spec.name}'."
    require(name == spec.name, told)
    told = f"{path} was written with another tokenizer than that of this run's {spec.name}; encode its texts again."
    require(tokenizer in ("", name_in_files(spec).partition(TOKENIZED)[2]), told)


def name_in_files(spec: EnvSpec) -> str:
    """Return the name of an environment in files, with the beginning of its tokenizer's hash if it is one of text."""
    return spec.name if spec.text is None else f"{spec.name}{TOKENIZED}{spec.text.tokenizer[:12]}"


def cast_array(
    path: Path | str, arrays: dict[str, np.ndarray], key: str, shape: tuple[int, ...], dtype: str, required: bool = True
) -> None:
    """Cast ``arrays[key]``, which must have the shape [rows, *shape], to ``dtype``, float32, uint8 or int32, in place.

    Raises:
        ConfigError: if the key is required and missing, the shape is another, the values are not real numbers, or some
            are not finite after the cast. Images must be uint8, because the scale of a float image is unknown, and
            tokens (int32) must be integers.
    """
    if key not in arrays:
        require(not required, f"{path} lacks the key '{key}'; it has {', '.join(sorted(arrays)) or 'none'}.")
        return
    array = arrays[key]
    told = f"{path}: {key} has the type {array.dtype}"
    require(array.dtype.kind in REAL, f"{told}; real numbers are needed.")
    require(dtype != "uint8" or array.dtype == np.uint8, f"{told}; this environment's images are uint8.")
    if array.shape[1:] != tuple(shape) or array.ndim == 0:
        wanted = ", ".join(["rows", *map(str, shape)])
        raise ConfigError(f"{path}: {key} has the shape {array.shape}; this environment needs [{wanted}].")
    if dtype == "int32":
        _check_whole(path, key, array)
    with np.errstate(over="ignore"):
        arrays[key] = array.astype(dtype, copy=False)
    for found, told in ((array, "a NaN or infinite value"), (arrays[key], f"a value too large for {dtype}")):
        if not np.all(np.isfinite(found)):
            row = int(np.argwhere(~np.isfinite(found))[0][0])
            raise ConfigError(f"{path}: {key} has {told} in row {row}; all values must be finite.")


def _check_whole(path: Path | str, key: str, array: np.ndarray) -> None:
    told = f"{path}: {key} has the type {array.dtype}; this environment has whole numbers, so save it as integers."
    require(array.dtype.kind in "iu", told)
    fits = array.size == 0 or (int(array.min()) >= -(2**31) and int(array.max()) < 2**31)
    require(fits, f"{path}: {key} has a value too large for int32.")


def cast_choices(path: Path | str, arrays: dict[str, np.ndarray], key: str, spec: EnvSpec) -> None:
    """Cast ``arrays[key]``, discrete actions [rows] of ``spec``'s environment, to int32 in place.

    Raises:
        ConfigError: if an action is not one of 0 .. n-1; files count from 0 even if the environment does not.
    """
    assert isinstance(spec.action, Discrete)
    as_given, last = arrays.get(key), spec.action.n - 1
    cast_array(path, arrays, key, (), "float32")
    action = np.asarray(as_given)
    wrong = np.flatnonzero((action < 0) | (action > last) | (action != np.round(action)))
    if len(wrong):
        told = f"{path}: the action in row {wrong[0]} is {action[wrong[0]]}"
        raise ConfigError(f"{told}; {spec.name} has the actions 0 to {last} (in files they count from 0).")
    arrays[key] = action.astype(np.int32)
