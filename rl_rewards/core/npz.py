"""Safe reading of ``.npz`` files from any source: plain arrays only, or one clear reason why a file is refused."""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from rl_rewards.core.errors import one_line

READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""The header's reader for each version of numpy's array format; version 3 is only for structured arrays."""

Read = TypeVar("Read")


class UnreadableArrays(Exception):
    """A file that cannot be read as plain arrays; the message is the reason, without file name and full stop."""


def read_npz(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """Return the arrays of a file by name, only those for whose name ``wanted`` returns True.

    Raises:
        UnreadableArrays: if the file is not an archive of plain arrays.
    """
    return _each(path, _read, wanted)


def npz_sizes(path: Path) -> dict[str, int]:
    """Return the size in bytes that each array of a file has in memory; only the arrays' headers are read.

    Raises:
        UnreadableArrays: if the file is not an archive of plain arrays.
    """
    return _each(path, _declared_size, lambda name: True)


def _each(
    path: Path, look: Callable[[zipfile.ZipFile, zipfile.ZipInfo, str], Read], wanted: Callable[[str], bool]
) -> dict[str, Read]:
    """Return ``look(archive, info, name)`` for every wanted array of a file, by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            return {name: look(archive, info, name) for name, info in members.items() if wanted(name)}
    except UnreadableArrays:
        raise
    except OSError as error:
        raise UnreadableArrays(error.strerror or one_line(error)) from error
    except Exception as error:  # zipfile and numpy raise many types of error for a damaged file
        raise UnreadableArrays(f"it is truncated, damaged or not an .npz file ({one_line(error)})") from error


def _declared_size(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> int:
    """Return the size that the header of an array declares, which must be the size that the archive states."""
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in READ_HEADER:
            raise UnreadableArrays(f"{name} is not a plain array")
        shape, _, dtype = READ_HEADER[version](member)
        if dtype.hasobject:
            raise UnreadableArrays(f"{name} holds pickled Python objects; save arrays of numbers")
        declared, found = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
        if declared != found:  # checked here because numpy would allocate the declared size first
            raise UnreadableArrays(f"the header of {name} declares {declared:,} bytes, but the file has {found:,}")
        return declared


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> np.ndarray:
    _declared_size(archive, info, name)
    with archive.open(info) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        member.read(1)  # zipfile compares the checksum when it reaches the end
        return array
