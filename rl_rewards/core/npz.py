"""Reads ``.npz`` files that anybody may have written or damaged: plain arrays, or one clear reason why not."""

import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rl_rewards.core.errors import one_line

READ_HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""By version of the array's format; the third is for structured arrays alone."""


class UnreadableArrays(Exception):
    """A file that holds no plain arrays; its text is the reason, without the file's name and without a full stop."""


def read_npz(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, np.ndarray]:
    """The arrays of a file by name, those of them whose names are ``wanted``.

    Raises:
        UnreadableArrays: for anything else than an archive of plain arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            return {name: _read(archive, info, name) for name, info in members.items() if wanted(name)}
    except UnreadableArrays:
        raise
    except OSError as error:
        raise UnreadableArrays(error.strerror or one_line(error)) from error
    except Exception as error:  # a damaged file makes zipfile and numpy raise many kinds
        raise UnreadableArrays(f"it is truncated, damaged or of another kind ({one_line(error)})") from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> np.ndarray:
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in READ_HEADER:
            raise UnreadableArrays(f"{name} is no plain array")
        shape, _, dtype = READ_HEADER[version](member)
        if dtype.hasobject:
            raise UnreadableArrays(f"{name} holds pickled Python objects; save arrays of numbers")
        declared, found = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
        if declared != found:  # or numpy would ask for the memory first
            raise UnreadableArrays(f"{name} should have {declared:,} bytes by its header and has {found:,}")
    with archive.open(info) as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
        member.read(1)  # at the end the checksum is compared
        return array
