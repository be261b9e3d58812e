"""Plain numpy arrays that a person supplies: read, checked in one sentence each, told apart by a hash."""

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Examples


def fingerprint(data: Examples) -> str:
    """A hash of all arrays; a resumed run refuses other data."""
    digest = hashlib.sha256()
    for name in sorted(data):
        array = np.asarray(data[name])
        digest.update(f"{name}{array.shape}{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def read_arrays(path: Path, key: str, recorder: str) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz`` file, which ``key`` of the configuration names and ``recorder`` writes.

    Raises:
        ConfigError: when it is not there, or not a file of plain arrays.
    """
    if not path.is_file():
        raise ConfigError(f"{key}={path} does not exist; record one with '{recorder}'.")
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):  # a single array's file
            raise ValueError
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise ConfigError(
            f"{path} cannot be read as an .npz file of plain arrays (truncated, pickled or of another kind?)."
        ) from error


def check_array(
    path: Path | str, arrays: dict[str, np.ndarray], key: str, shape: tuple[int, ...], required: bool
) -> None:
    """Refuse ``arrays[key]`` unless it holds finite numbers of the shape [rows, *shape]."""
    if key not in arrays:
        if required:
            raise ConfigError(f"{path} lacks the key '{key}'; it has {', '.join(sorted(arrays)) or 'none'}.")
        return
    array = arrays[key]
    if not np.issubdtype(array.dtype, np.number):
        raise ConfigError(f"{path}: {key} has the type {array.dtype}; numbers are needed.")
    if array.shape[1:] != tuple(shape) or array.ndim == 0:
        wanted = ", ".join(["rows", *map(str, shape)])
        raise ConfigError(f"{path}: {key} has the shape {array.shape}; this environment needs [{wanted}].")
    if not np.all(np.isfinite(array)):
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise ConfigError(f"{path}: {key} has a NaN or infinite value in row {row}; all values must be finite.")


def check_dtype(path: Path | str, array: np.ndarray, key: str, dtype: str) -> None:
    """Refuse anything but uint8 where that is wanted: a float picture's scale is anybody's guess."""
    if dtype == "uint8" and array.dtype != np.uint8:
        raise ConfigError(f"{path}: {key} has the type {array.dtype}; this environment's pictures are uint8.")
