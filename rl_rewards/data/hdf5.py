"""Reading of plain arrays from HDF5 files, which h5py (of the extra ``minari``) must read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rl_rewards.core.errors import ConfigError, one_line
from rl_rewards.core.npz import UnreadableArrays

SUFFIXES = (".hdf5", ".h5")


def read_hdf5(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """Return the arrays at the top of a file by name, only those for whose name ``wanted`` returns True.

    Arrays inside groups, such as ``infos/qpos``, are not read.

    Raises:
        ConfigError: if h5py is not installed.
        UnreadableArrays: if the file is not an HDF5 file of plain arrays.
    """
    with _arrays(path) as found:
        return {name: _read(array) for name, array in found.items() if wanted(name)}


def hdf5_sizes(path: Path) -> dict[str, int]:
    """Return the size in bytes that each array at the top of a file has in memory; no array is read.

    Raises:
        ConfigError: if h5py is not installed.
        UnreadableArrays: if the file is not an HDF5 file of plain arrays.
    """
    with _arrays(path) as found:
        return {name: int(array.size) * array.dtype.itemsize for name, array in found.items()}


@contextmanager
def _arrays(path: Path) -> Iterator[dict[str, Any]]:
    """Open a file, and give its arrays at the top by name, unread."""
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(f'{path} needs h5py; install it with: pip install -e ".[minari]".') from error
    try:
        with h5py.File(path) as file:
            found = {name: array for name, array in file.items() if isinstance(array, h5py.Dataset)}
            yield {name: array for name, array in found.items() if array.shape is not None}
    except UnreadableArrays:
        raise
    except Exception as error:  # a damaged file can raise any error
        raise UnreadableArrays(f"it is truncated, damaged or not an HDF5 file ({one_line(error)})") from error


def _read(array: Any) -> np.ndarray:
    """Return an array; a text becomes numpy's type of text."""
    if array.dtype.kind in "OS" and array.ndim == 0:
        return np.array(array.asstr()[()])
    if array.dtype.hasobject:
        raise UnreadableArrays(f"{array.name.strip('/')} holds texts or objects; save arrays of numbers")
    return array[()]
