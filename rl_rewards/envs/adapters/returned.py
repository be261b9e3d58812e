"""Reads what a Gymnasium environment returns, and checks it against what the environment declares.

This happens at every reset and step of every copy. A value that does not fit, or an exception of the environment's own
code, becomes an error of one sentence that names the environment, the copy, the step and the key.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

from rl_rewards.core.errors import warn
from rl_rewards.envs.adapters.faults import environment_fault, raised
from rl_rewards.envs.adapters.gymnasium_checks import numbers
from rl_rewards.envs.adapters.observations import FLOAT32_MAX, Observations, Unfit, shortly

SUCCESS_KEYS = ("is_success", "success", "goal_achieved")
"""Keys of a step's info with which other libraries' environments report success."""
AUTO = "auto"
"""The value of env.success that selects the first of ``SUCCESS_KEYS`` that the first step's info has."""

_NUMBERS = {float, int, np.float64, np.float32}
_NOT_THERE = object()


class Reader:
    """Reads resets and steps of the copies of one environment.

    Args:
        info: keys of a step's info whose numbers are read.
        success: the key of success, or None.
    """

    def __init__(self, env_id: str, observations: Observations, info: tuple[str, ...], success: str | None) -> None:
        self.env_id, self.observations, self.info, self.success = env_id, observations, info, success
        self._says_nothing_when_cut = False

    @property
    def wants_info(self) -> bool:
        return bool(self.info) or self.success is not None

    def reset(self, env: gymnasium.Env, number: int, seed: int | None, into: np.ndarray) -> None:
        """Reset copy ``number`` and write its observation into row ``number`` of ``into``."""
        try:
            returned = env.reset(seed=seed)
        except Exception as error:  # whatever the environment's own code raises
            raise raised(self.env_id, number, 0, error) from error
        if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping)):
            raise environment_fault(
                self.env_id, number, 0, f"returned {_kind(returned)} from reset(), which must be (observation, info)"
            )
        try:
            self.observations.write(returned[0], into, number)
        except Unfit as unfit:
            raise environment_fault(self.env_id, number, 0, f"returned {unfit}") from None

    def step(
        self, env: gymnasium.Env, number: int, step: int, action: Any, into: np.ndarray
    ) -> tuple[float, bool, bool, Mapping[str, Any]]:
        """Step copy ``number`` and write its observation into row ``number`` of ``into``.

        Args:
            step: the step of this copy's episode, counted from 1.

        Returns:
            Reward, terminated, truncated and info.
        """
        try:
            returned = env.step(action)
        except Exception as error:  # whatever the environment's own code raises
            raise raised(self.env_id, number, step, error) from error
        if not isinstance(returned, tuple) or len(returned) != 5:
            raise environment_fault(
                self.env_id,
                number,
                step,
                f"returned {_kind(returned)} from step(), which must be (observation, reward, terminated, truncated, "
                "info)",
            )
        obs, given, terminated, truncated, info = returned
        try:
            self.observations.write(obs, into, number)
            reward: Any = given if type(given) in _NUMBERS else _number("the reward", given)
            if not -FLOAT32_MAX <= reward <= FLOAT32_MAX:
                raise Unfit(f"the reward {reward}, which must be finite as float32")
            if terminated is not False and terminated is not True:
                terminated = _flag("terminated", terminated)
            if truncated is not False and truncated is not True:
                truncated = _flag("truncated", truncated)
            if not isinstance(info, Mapping):
                raise Unfit(f"{_kind(info)} as info, which must be a dict")
        except Unfit as unfit:
            raise environment_fault(self.env_id, number, step, f"returned {unfit}") from None
        return float(reward), terminated, truncated, info

    def check_values(self, rows: np.ndarray, copies: np.ndarray, steps: np.ndarray) -> None:
        """Check that observations are finite and, if whole numbers are declared, in range.

        Args:
            rows: [n, ...] observations as :meth:`step` wrote them.
            copies: [n] the copies that returned them.
            steps: [n] the steps of these copies' episodes, 0 after a reset.

        Raises:
            EnvironmentFault: if one is not.
        """
        try:
            self.observations.check(rows)
        except Unfit as unfit:
            raise environment_fault(
                self.env_id, int(copies[unfit.row]), int(steps[unfit.row]), f"returned {unfit}"
            ) from None

    def read_info(self, info: Mapping[str, Any], number: int, step: int, ended: bool, cut: bool) -> dict[str, Any]:
        """Return the numbers of one step's ``info`` that env.info asks for, and success as a bool.

        An environment may report success only at an episode's end; before that it is False.

        Args:
            ended: True if the environment itself terminated or truncated the episode here.
            cut: True if the episode is over, also if only the step limit ended it.
        """
        row: dict[str, Any] = {}
        for name in self.info:
            value = info.get(name, _NOT_THERE)
            if value is _NOT_THERE or np.size(value) != 1:
                raise environment_fault(self.env_id, number, step, self._lacks(name, "env.info", info))
            try:
                row[name] = _number(f"info['{name}']", value)
                if not -FLOAT32_MAX <= row[name] <= FLOAT32_MAX:
                    raise Unfit(f"info['{name}']={row[name]}, which must be finite as float32")
            except Unfit as unfit:
                raise environment_fault(self.env_id, number, step, f"returned {unfit}; env.info asks for it") from None
        if self.success is not None:
            value = info.get(self.success, _NOT_THERE)
            if value is not False and value is not True:
                value = self._success(value, info, number, step, ended, cut)
            row["success"] = value
        return row

    def _success(self, value: Any, info: Mapping[str, Any], number: int, step: int, ended: bool, cut: bool) -> bool:
        name = self.success
        if value is _NOT_THERE:
            if ended:
                raise environment_fault(self.env_id, number, step, self._lacks(str(name), "env.success", info))
            if cut and not self._says_nothing_when_cut:
                self._says_nothing_when_cut = True
                warn(
                    f"{self.env_id} gives no '{name}' where the step limit cuts an episode; such an episode counts as "
                    "a failure."
                )
            return False
        found = is_success(value)
        if found is None and np.size(value) != 1:
            raise environment_fault(self.env_id, number, step, self._lacks(str(name), "env.success", info))
        if found is None:
            raise environment_fault(self.env_id, number, step, _no_success(str(name), value))
        return found

    def _lacks(self, name: str, key: str, info: Mapping[str, Any]) -> str:
        given = ", ".join(numbers(info)) or "none"
        return f"gives no number '{name}' in a step's info, which {key} asks for; it gives {given}"


def is_success(value: Any) -> bool | None:
    """Return ``value`` as a bool if it is a bool or exactly 0 or 1, else None."""
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf" or array.item() not in (0, 1):
        return None
    return bool(array.item())


def are_successes(env_id: str, key: str, values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return the ``values`` [B] of info[key] as bools; raise EnvironmentFault if one is neither 0 nor 1."""
    wrong = np.flatnonzero((values != 0) & (values != 1))
    if len(wrong):
        number = int(wrong[0])
        raise environment_fault(env_id, number, int(steps[number]), _no_success(key, values[number]))
    return values.astype(bool)


def _no_success(key: str, value: Any) -> str:
    told = f"the value of env.success={key} must be true or false, or exactly 0 or 1"
    return f"returned info['{key}']={shortly(value)}; {told}"


def find_success(info: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Return the key of success in ``info`` (None if no usual key is there) and notes about it for the user."""
    for name in SUCCESS_KEYS:
        if name not in info:
            continue
        if is_success(info[name]) is None:
            told = f"{shortly(info[name])} is neither true nor false, so that success is unknown"
            return None, [f"info has '{name}', but {told}; name another key with env.success=KEY."]
        return name, [f"Success is read from info['{name}'], since env.success=auto; env.success=null turns this off."]
    return None, []


def _kind(value: Any) -> str:
    """Return the type of ``value`` in words."""
    if isinstance(value, tuple):
        return f"{len(value)} values"
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _number(name: str, value: Any) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise Unfit(f"{name} {shortly(value)}, which must be one number")
    return float(array.item())


def _flag(name: str, value: Any) -> bool:
    found = is_success(value)
    if found is None:
        raise Unfit(f"{name}={shortly(value)}, which must be true or false")
    return found
