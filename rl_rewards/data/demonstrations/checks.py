"""Checks of the layout of demonstrations, and casts of their arrays to the types that a run uses."""

from collections.abc import Callable

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Box, Discrete, EnvSpec, box_bounds, is_whole
from rl_rewards.data.arrays import cast_array, cast_choices, check_env
from rl_rewards.data.demonstrations.fit import (
    INFO,
    Demonstrations,
    check_continuity,
    check_ends,
    fit_warnings,
    holds_tokens,
    info_keys,
    last_rows,
    row_of,
)

PER_STEP = ("obs", "action", "next_obs", "terminated", "truncated", "env_reward")
PER_EPISODE = ("episode_start", "episode_return")
OPTIONAL = ("env_reward", "episode_return", "step", "env")
KNOWN = (*PER_STEP, "step", *PER_EPISODE, "env")
AT_THE_BOUND = 1e-5
"""The fraction of the range by which rounding may take an action beyond a bound; such an action is clipped."""
AFTER = " T steps have T + 1 observations: obs is the observation before each action, and next_obs the one after it."


def check_layout(name: str, arrays: Demonstrations, spec: EnvSpec | None) -> None:
    """Check that no array is missing or unknown, and that rows and episodes match."""
    infos = [f"{INFO}{key}" for key in info_keys(arrays)]
    unknown = [*sorted(set(arrays) - {*KNOWN, *infos}), ""][0]
    require(not unknown, f"{name} has the unknown key '{unknown}'; known are {', '.join(KNOWN)} and info_KEY.")
    for key in (*KNOWN, *infos):
        if key not in OPTIONAL or key in arrays:
            there = ", ".join(sorted(arrays)) or "none"
            require(key in arrays, f"{name} lacks the key '{key}'; it has {there}.{AFTER if key == 'next_obs' else ''}")
            require(arrays[key].ndim > 0 or key == "env", f"{name}: {key} is a single value; an array is needed.")
    rows, episodes = len(arrays["obs"]), len(arrays["episode_start"])
    require(rows > 0 and episodes > 0, f"{name} holds no episode; at least one is needed.")
    for key in (*PER_STEP, "step", *infos):
        if key in arrays:
            found = len(arrays[key])
            why = AFTER if key in ("action", "next_obs") and abs(found - rows) == episodes else ""
            require(found == rows, f"{name} has {rows} rows in obs but {found} in {key}; they must match.{why}")
    for key in ("terminated", "truncated"):
        right = arrays[key].shape == (rows,) and arrays[key].dtype == bool
        require(right, f"{name}: {key} must be an array of booleans, one for every step.")
    _check_episodes(name, arrays)


def _check_episodes(name: str, arrays: Demonstrations) -> None:
    """Check that episodes begin and end where their flags say so, and cast ``episode_start`` to int64."""
    rows, starts = len(arrays["obs"]), arrays["episode_start"]
    whole = starts.ndim == 1 and starts.dtype.kind in "iu"
    require(whole, f"{name}: episode_start must hold whole numbers, the first row of each episode.")
    require(int(starts.max()) < rows, f"{name}: an episode starts at row {starts.max()}, but there are {rows} rows.")
    starts = arrays["episode_start"] = starts.astype(np.int64)
    ascending = starts[0] == 0 and np.all(np.diff(starts) > 0)
    require(bool(ascending), f"{name}: episode_start must hold rows in ascending order, beginning with 0.")
    found = len(arrays.get("episode_return", starts))
    told = f"{name} has {len(starts)} rows in episode_start but {found} in episode_return; they must match."
    require(found == len(starts), told)
    require(
        bool((arrays["terminated"] | arrays["truncated"]).any()),
        f"{name}: no step is terminated or truncated, so that its episodes have no ends; mark the last step of each as "
        "terminated if the task ended there, and as truncated if the episode was cut.",
    )
    last = np.isin(np.arange(rows), last_rows(arrays))
    wrong = np.flatnonzero((arrays["terminated"] | arrays["truncated"]) != last)
    if len(wrong):
        should = "ends there" if last[wrong[0]] else "continues"
        told = "neither terminated nor truncated" if last[wrong[0]] else "terminated or truncated"
        raise ConfigError(
            f"{name}: the step in row {wrong[0]} is {told}, but according to episode_start its episode {should}."
        )
    if "step" in arrays:
        _check_step(name, arrays, last)


def _check_step(name: str, arrays: Demonstrations, last: np.ndarray) -> None:
    """Check that ``step`` ascends within each episode, and cast it to int64."""
    step, rows = arrays["step"], len(arrays["obs"])
    right = step.shape == (rows,) and step.dtype.kind in "iu" and step.min() >= 0 and step.max() < 2**31
    require(bool(right), f"{name}: step must hold whole numbers of at least 0, the number of each row in its episode.")
    step = arrays["step"] = step.astype(np.int64)
    back = np.flatnonzero((np.diff(step) <= 0) & ~last[:-1]) + 1
    if len(back):
        raise ConfigError(
            f"{name}: step in {row_of(arrays, back[0])} is {step[back[0]]}; it must ascend within an episode."
        )


def check_numbers(name: str, arrays: Demonstrations, spec: EnvSpec | None) -> None:
    """Cast all numbers to the types that a run uses; refuse wrong shapes, NaN, infinity and actions out of bounds.

    If ``spec`` is None, any shape and any action are allowed.
    """
    for key in ("obs", "next_obs"):
        shape = spec.obs.shape if spec else arrays["obs"].shape[1:]
        cast_array(name, arrays, key, shape, _kept_type(arrays, spec))
    if spec is not None and is_whole(spec.obs):
        for key in ("obs", "next_obs"):
            _check_range(name, arrays, key, spec.obs, spec)
    for key in ("env_reward", "episode_return"):
        cast_array(name, arrays, key, (), "float32", required=key not in OPTIONAL)
    for key in info_keys(arrays):
        _cast_info(name, arrays, key, spec)
    if spec is not None:
        _check_kind_of_action(name, arrays["action"], spec)
    if spec is None:
        kept = "int32" if holds_tokens(arrays) else "float32"
        cast_array(name, arrays, "action", arrays["action"].shape[1:], kept)
    elif isinstance(spec.action, Discrete):
        cast_choices(name, arrays, "action", spec)
    else:
        _cast_within_bounds(name, arrays, spec)


def _kept_type(arrays: Demonstrations, spec: EnvSpec | None) -> str:
    """Return the type of observations: uint8 for images, int32 for tokens, float32 for all others."""
    if spec is None:
        tokens = "int32" if holds_tokens(arrays) else "float32"
        return "uint8" if arrays["obs"].dtype == np.uint8 else tokens
    return spec.obs.dtype if spec.obs.dtype == "uint8" or is_whole(spec.obs) else "float32"


def _check_range(name: str, arrays: Demonstrations, key: str, box: Box, spec: EnvSpec) -> None:
    """Check that whole numbers lie within their bounds."""
    low, high = box_bounds(box)
    outside = np.argwhere((arrays[key] < low) | (arrays[key] > high))
    if len(outside):
        entry = tuple(outside[0])
        bounds = f"{low[entry[1:]]:.0f} to {high[entry[1:]]:.0f}"
        told = f"{name}: {key} in row {entry[0]} has {arrays[key][entry]} at place {entry[1]}"
        raise ConfigError(f"{told}; {spec.name} has {bounds} there.")


def _cast_info(name: str, arrays: Demonstrations, key: str, spec: EnvSpec | None) -> None:
    """Cast the values of a key of info to float32, unless they are booleans."""
    array = arrays[INFO + key]
    shape = array.shape[1:] if spec is None else tuple(spec.info.get(key, array.shape[1:]))
    if array.dtype == bool:
        wanted = ", ".join(["rows", *map(str, shape)])
        told = f"{name}: {INFO}{key} has the shape {array.shape}; this environment needs [{wanted}]."
        require(array.shape[1:] == shape, told)
    else:
        cast_array(name, arrays, INFO + key, shape, "float32")


def _check_kind_of_action(name: str, action: np.ndarray, spec: EnvSpec) -> None:
    """Check that actions are not discrete where the environment's are real, nor the other way round."""
    if is_whole(spec.action) and not isinstance(spec.action, Discrete):
        return  # cast_array checks it
    if isinstance(spec.action, Discrete):
        require(
            action.ndim == 1,
            f"{name}: action has the type {action.dtype} and shape {action.shape}, but {spec.name} has discrete "
            f"actions; each row needs one of 0 to {spec.action.n - 1}.",
        )
    else:
        wanted = ", ".join(["rows", *map(str, spec.action.shape)])
        require(
            action.dtype.kind not in "iub",
            f"{name}: action has the type {action.dtype}, as discrete actions have, but {spec.name} has real actions "
            f"[{wanted}]; save them as floats.",
        )


def _cast_within_bounds(name: str, arrays: Demonstrations, spec: EnvSpec) -> None:
    """Cast actions to float32 and clip those that exceed a bound by rounding; refuse those further outside.

    Whole numbers (tokens) stay integers, and none may be outside.
    """
    assert not isinstance(spec.action, Discrete)
    as_given = arrays["action"]
    if is_whole(spec.action):
        cast_array(name, arrays, "action", spec.action.shape, "int32")
        _check_range(name, arrays, "action", spec.action, spec)
        return
    cast_array(name, arrays, "action", spec.action.shape, "float32")
    low, high = box_bounds(spec.action)
    with np.errstate(over="ignore"):
        spare = AT_THE_BOUND * np.where(np.isfinite(high - low), high - low, 0.0)
    outside = np.argwhere((as_given < low - spare) | (as_given > high + spare))
    if len(outside):
        row, entry = outside[0][0], tuple(outside[0][1:])
        raise ConfigError(
            f"{name}: an action in row {row} is {as_given[row][entry]:.6g}, outside the bounds {low[entry]:.6g} to "
            f"{high[entry]:.6g} of {spec.name}."
        )
    arrays["action"] = np.clip(as_given, low, high).astype(np.float32)


Check = Callable[[str, Demonstrations, EnvSpec | None], None]
CHECKS: tuple[Check, ...] = (check_env, check_layout, check_numbers, check_continuity, check_ends)
"""All checks in their order; each raises ConfigError. The last two need arrays that passed the earlier ones."""


def faults(name: str, arrays: Demonstrations, spec: EnvSpec | None) -> tuple[list[str], list[str]]:
    """Return sentences about everything that is wrong: the errors for which the arrays are refused, and warnings.

    If the layout or the numbers are wrong, the later checks are skipped.
    """
    refused = []
    for check in CHECKS:
        try:
            check(name, arrays, spec)
        except ConfigError as error:
            refused.append(str(error))
            if check in (check_layout, check_numbers):
                return refused, []
    return refused, fit_warnings(name, arrays, spec)
