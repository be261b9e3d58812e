"""A segment's name (a hash of its content) and its picture (one sheet of frames).

All frames lie in a grid in one PNG, because a script in a browser cannot seek, pause or restart an animated WebP or
APNG, so that two of them drift apart. From a sheet the page draws frame i of every clip at the same moment from one
clock, pauses at the end of the loop and replays on request. Scenes of flat colours stay small as PNG.
"""

import hashlib
import io
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy

from rl_rewards.core.checks import require

MAX_SIDE = 16_384
"""The longest side of a sheet, in pixels. Browsers refuse to draw larger pictures."""


@dataclass(frozen=True)
class Sheet:
    """The layout of a sheet: frame i is at column ``i % columns``, row ``i // columns``."""

    frames: int
    columns: int
    width: int  # pixels of one frame
    height: int
    frames_per_second: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def encode_clip(frames: np.ndarray, frames_per_second: float) -> tuple[bytes, Sheet]:
    """Return frames uint8 [L, H, W, 3] as one PNG, and its layout. Equal frames give equal bytes.

    Raises:
        ConfigError: when the frames are anything else, or the sheet's side would exceed MAX_SIDE.
    """
    from PIL import Image

    shaped = isinstance(frames, np.ndarray) and frames.ndim == 4 and frames.shape[-1] == 3 and frames.size > 0
    right = shaped and frames.dtype == np.uint8
    require(right, f"the frames of a clip must be uint8 [L, H, W, 3], not {_described(frames)}.")
    playable = math.isfinite(frames_per_second) and frames_per_second > 0
    require(playable, f"frames_per_second={frames_per_second} must be a number above 0.")
    count, height, width, _ = frames.shape
    columns = min(count, max(1, round(math.sqrt(count * height / width))))
    rows = math.ceil(count / columns)
    fits = columns * width <= MAX_SIDE and rows * height <= MAX_SIDE
    message = f"{count} frames of {width} x {height} pixels make a sheet of {columns * width} x {rows * height} pixels"
    require(fits, f"{message}; a side may have {MAX_SIDE} pixels at most; show fewer or smaller frames.")
    grid = np.zeros((rows * columns, height, width, 3), np.uint8)
    grid[:count] = frames
    sheet = grid.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG", compress_level=6)
    return file.getvalue(), Sheet(count, columns, width, height, float(frames_per_second))


def segment_hash(obs: np.ndarray, action: np.ndarray) -> str:
    """Return 64 hex digits, a hash of obs [L, ...] and action [L, ...] with their types and shapes.

    A segment has the same hash in every run and on every machine, so that sets of labels are portable.
    """
    digest = hashlib.sha256()
    for array in (obs, action):
        array = np.ascontiguousarray(array)
        array = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{array.dtype.str}{list(array.shape)}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def pack_array(array: np.ndarray) -> bytes:
    """Return an array as the bytes of an .npy file.

    Raises:
        ValueError: for an array of Python objects.
    """
    file = io.BytesIO()
    npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def unpack_array(packed: bytes) -> np.ndarray:
    """Return the array that :func:`pack_array` packed, without unpickling.

    Raises:
        ValueError: for other bytes.
    """
    return npy.read_array(io.BytesIO(packed), allow_pickle=False)


def _described(frames: Any) -> str:
    return f"{frames.dtype} {list(frames.shape)}" if isinstance(frames, np.ndarray) else type(frames).__name__
