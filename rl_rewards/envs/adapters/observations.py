"""Observations of a Gymnasium space: checked against the space and written into arrays in the spec's layout."""

from typing import Any

import numpy as np
from gymnasium import spaces

from rl_rewards.core.errors import warn
from rl_rewards.envs.adapters.gymnasium_checks import obs_box

FLOAT32_MAX = float(np.finfo(np.float32).max)
EXACT_IN_FLOAT32 = 2.0**24
"""Float32 holds every whole number up to this one exactly."""


class Unfit(Exception):
    """A value that does not fit what was declared; the text says what was returned and what would be right.

    Attributes:
        row: the value's row in the batch, if a whole batch was checked.
    """

    def __init__(self, message: str, row: int = 0) -> None:
        super().__init__(message)
        self.row = row


class Observations:
    """Checks and encodes observations of ``space``.

    Real observations outside the declared bounds are reported once and then accepted: nothing reads those bounds, and
    many environments exceed them a little. Everything else that does not fit is refused.

    Args:
        flatten: flatten any space into one vector, in the order of ``gymnasium.spaces.flatten``.

    Raises:
        ConfigError: if the space is not supported.
    """

    def __init__(self, env_id: str, space: spaces.Space, flatten: bool) -> None:
        self.env_id, self.space, self.flatten = env_id, space, flatten
        self.box = obs_box(env_id, space, flatten)
        self._whole = not flatten and isinstance(space, spaces.Box) and space.dtype.kind in "biu"
        as_it_is = isinstance(space, spaces.Box) and not flatten
        self._shape = self.box.shape if as_it_is else None
        self._dtype = space.dtype if as_it_is else np.dtype(np.float64)
        self._buffer_dtype = self._dtype if self._dtype in (np.uint8, np.float32) else np.dtype(np.float64)
        low, high = _declared(space, flatten)
        self._declared = low, high
        most = EXACT_IN_FLOAT32 if self._whole else FLOAT32_MAX
        self._low, self._high = np.maximum(low, -most), np.minimum(high, most)
        self._cannot_be_outside = self._buffer_dtype == np.uint8 and np.all(low <= 0) and np.all(high >= 255)

    def buffer(self, copies: int) -> np.ndarray:
        """Return zeros [copies, ...] for :meth:`write`."""
        return np.zeros((copies, *self.box.shape), self._buffer_dtype)

    def encoded(self, rows: np.ndarray) -> np.ndarray:
        """Return a copy of checked rows in the spec's dtype."""
        return rows.astype(self.box.dtype)

    def write(self, obs: Any, into: np.ndarray, row: int) -> None:
        """Write ``obs`` into ``into[row]``.

        Raises:
            Unfit: for a shape, a dtype or a discrete value that was not declared.
        """
        if type(obs) is np.ndarray and obs.shape == self._shape and obs.dtype == self._dtype:
            into[row] = obs
        elif self.flatten:
            into[row] = spaces.flatten(self.space, _checked(self.space, obs, "an observation"))
        else:
            checked = _checked(self.space, obs, "an observation")
            into[row] = spaces.flatten(self.space, checked) if isinstance(self.space, spaces.Discrete) else checked

    def check(self, rows: np.ndarray) -> None:
        """Check written rows [n, ...].

        Raises:
            Unfit: if an entry is not finite, or if a whole number is out of range.
        """
        if self._cannot_be_outside:
            return
        inside = (rows >= self._low) & (rows <= self._high)
        if np.count_nonzero(inside) == inside.size:  # faster than all()
            return
        row, *entry = np.argwhere(~inside)[0].tolist()
        value = rows[(row, *entry)]
        low, high = (np.broadcast_to(side, rows.shape[1:])[tuple(entry)] for side in self._declared)
        found = f"an observation with {_of_an_entry(value, entry)}"
        if not abs(value) <= FLOAT32_MAX:
            raise Unfit(f"{found}; all must be finite as float32", row)
        if self._whole and not low <= value <= high:
            raise Unfit(f"{found}, outside the declared {low:.15g} to {high:.15g}", row)
        if self._whole:
            warn(f"{self.env_id} returned {found}; beyond {EXACT_IN_FLOAT32:,.0f} float32 rounds whole numbers.")
            self._low, self._high = self._declared
        else:
            told = f"outside the declared {low:g} to {high:g}"
            warn(f"{self.env_id} returned {found}, {told}; such observations are used as they are.")
            self._low, self._high = np.float64(-FLOAT32_MAX), np.float64(FLOAT32_MAX)
        self.check(rows)


def shortly(value: Any) -> str:
    """Return ``value`` as text of at most 60 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _declared(space: spaces.Space, flatten: bool) -> tuple[Any, Any]:
    """Return bounds in the shape of a written row, or two numbers if all entries have the same bounds."""
    if flatten:
        flat = spaces.flatten_space(space)
        assert isinstance(flat, spaces.Box)
        space = flat
    if not isinstance(space, spaces.Box):
        return np.float64(0.0), np.float64(1.0)
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    if low.size and (low == low.flat[0]).all() and (high == high.flat[0]).all():
        return np.float64(low.flat[0]), np.float64(high.flat[0])
    return low, high


def _checked(space: spaces.Space, obs: Any, name: str) -> Any:
    """Return ``obs`` with arrays as leaves; raise Unfit, with ``name`` in its text, if a shape or dtype is wrong."""
    if isinstance(space, spaces.Dict):
        if not isinstance(obs, dict):
            raise Unfit(f"{name} of type {type(obs).__name__}, where a dict is declared")
        missing = [key for key in space.spaces if key not in obs]
        if missing:
            raise Unfit(f"{name} without the declared key '{missing[0]}'")
        return {key: _checked(part, obs[key], f"{name}['{key}']") for key, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        if not isinstance(obs, tuple | list) or len(obs) != len(space.spaces):
            raise Unfit(f"{name} {shortly(obs)}, where {len(space.spaces)} parts are declared")
        return tuple(_checked(part, obs[i], f"{name}[{i}]") for i, part in enumerate(space.spaces))
    return _checked_array(space, obs, name)


def _checked_array(space: spaces.Space, obs: Any, name: str) -> Any:
    try:
        array = np.asarray(obs)
    except ValueError:  # a list of lists of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise Unfit(f"{name} that is not an array of numbers but {shortly(obs)}")
    shape = tuple(space.shape or ())
    if array.shape != shape and not (isinstance(space, spaces.Discrete) and array.size == 1):
        raise Unfit(f"{name} of the shape {list(array.shape)}, where {list(shape)} is declared")
    if space.dtype is not None and space.dtype.kind in "biu" and array.dtype.kind not in "biu":
        raise Unfit(f"{name} of {array.dtype} ({shortly(obs)}), where whole numbers ({space.dtype}) are declared")
    lowest, highest = _range(space)
    if lowest is not None:
        outside = np.argwhere((array < lowest) | (array > highest))
        if len(outside):
            entry = outside[0].tolist() if array.ndim else []
            low, high = (np.broadcast_to(side, array.shape)[tuple(entry)] for side in (lowest, highest))
            value = array[tuple(entry)]
            raise Unfit(f"{name} with {_of_an_entry(value, entry)}, outside the declared {int(low)} to {int(high)}")
    return int(array.item()) if isinstance(space, spaces.Discrete) else array


def _of_an_entry(value: Any, entry: list[int]) -> str:
    return f"{value.item()!r}" + (f" in entry {entry}" if entry else "")


def _range(space: spaces.Space) -> tuple[Any, Any]:
    """Return the smallest and the largest whole number of ``space``, as the environment counts; None for reals."""
    if isinstance(space, spaces.Discrete):
        return int(space.start), int(space.start + space.n - 1)
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return 0, 1
    if isinstance(space, spaces.Box) and space.dtype.kind in "biu":
        return space.low, space.high
    return None, None
