"""Lines that describe recorded data: the returns and successes of episodes, the spread of actions, and the states."""

from collections.abc import Callable

import numpy as np

from rl_rewards.core.types import Discrete, EnvSpec, box_bounds
from rl_rewards.core.words import digits
from rl_rewards.data.demonstrations.checks import AT_THE_BOUND
from rl_rewards.data.demonstrations.fit import INFO, Demonstrations, returns_of

SHOWN = 8
"""The most entries of an action, or the most discrete actions, that are listed one by one."""
SIDE, DIRECTIONS = 0.5, 4
"""States are counted by places: cells of this side in standard deviations, over at most so many features."""
MOST_STATES, MOST_NUMBERS = 100_000, 20_000_000
"""The most states, and the most numbers in them, that are counted."""


def returns_in_words(demos: Demonstrations) -> list[str]:
    """Return lines about the undiscounted true returns of the episodes."""
    source = demos.get("episode_return", demos.get("env_reward", np.zeros(0)))
    real = source.ndim == 1 and source.dtype.kind in "iuf"
    returns = returns_of(demos).astype(np.float64) if real else np.full(1, np.nan)
    if not np.isfinite(returns).all():
        return [_line("true return", "unknown, because values are not finite" if len(source) else "not recorded")]
    if returns.min() == returns.max():
        return [_line("true return", f"{_number(returns[0])} in every episode")]
    least, low, middle, high, most = map(_number, np.quantile(returns, (0.0, 0.25, 0.5, 0.75, 1.0)))
    spread = digits(float(returns.std()))
    return [
        _line("true return", f"{_number(returns.mean())} on average, undiscounted; {spread} standard deviation"),
        _line("", f"least {least}, quartiles {low}, {middle} and {high}, most {most}"),
    ]


def successes_in_words(demos: Demonstrations) -> list[str]:
    """Return a line about the episodes that succeed, if success is recorded."""
    success = demos.get(f"{INFO}success")
    if success is None or success.ndim != 1 or success.dtype.kind not in "biuf":
        return []
    reached = np.logical_or.reduceat(success.astype(bool), demos["episode_start"])
    share = f"{reached.sum():,} of {len(reached):,} episodes ({_percent(reached.mean())})"
    return [_line("success", f"{share} succeed at some step, {_percent(success.astype(bool).mean())} of all steps")]


def actions_in_words(demos: Demonstrations, spec: EnvSpec | None) -> list[str]:
    """Return lines about the spread of actions in checked arrays.

    Args:
        spec: for the bounds; with None, or without bounds, the least and the largest value take their place.
    """
    action = demos["action"]
    if action.ndim == 1 if spec is None else isinstance(spec.action, Discrete):
        chosen, counts = np.unique(action, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:SHOWN]
        shares = ", ".join(f"{chosen[one]:g}: {_percent(float(counts[one]) / len(action))}" for one in order)
        others = f", and {len(chosen) - SHOWN} others" if len(chosen) > SHOWN else ""
        return [_line("action shares", f"{shares}{others}")]
    action = action.reshape(len(action), -1).astype(np.float64)
    least, most = action.min(axis=0), action.max(axis=0)
    low, high, label, where = least, most, "extreme actions", "have the least or the largest value in the data"
    if spec is not None and not isinstance(spec.action, Discrete):
        bounds = [side.ravel().astype(np.float64) for side in box_bounds(spec.action)]
        bounded = np.isfinite(bounds[0]) & np.isfinite(bounds[1])
        low, high = (np.where(bounded, *pair) for pair in zip(bounds, (least, most), strict=True))
        if bounded.all():
            label, where = "action bounds", "are at a bound"
    spare = AT_THE_BOUND * (high - low)
    at_bound = ((action <= low + spare) | (action >= high - spare)).mean(axis=0)
    return [
        _line("action spread", f"{_each(action.std(axis=0), digits)}: standard deviation of each entry"),
        _line(label, f"{_each(at_bound, _percent)} of the steps {where}"),
    ]


def texts_in_words(demos: Demonstrations, spec: EnvSpec | None) -> list[str]:
    """Return lines about the prompts and responses of texts, instead of the spread of actions and states.

    Args:
        spec: for the token that ends a response; with None, lengths are not told.
    """
    response = demos["action"]
    prompts, responses = (len(np.unique(array, axis=0)) for array in (demos["obs"], response))
    rows = len(response)
    lines = [_line("texts", f"{prompts:,} different prompts and {responses:,} different responses in {rows:,} rows")]
    if spec is not None and spec.text is not None:
        is_end = response == spec.text.end
        tokens = np.where(is_end.any(axis=1), is_end.argmax(axis=1), response.shape[1])
        spread = f"{_number(tokens.mean())} tokens on average, {tokens.min()} to {tokens.max()} without the end token"
        lines.append(_line("responses", f"{spread}; {int(np.sum(~is_end.any(axis=1))):,} have no end"))
    return lines


def states_in_words(demos: Demonstrations, spec: EnvSpec | None) -> list[str]:
    """Return a line about how many different states checked arrays hold.

    They are the environment's cells if it has any and ``info_cell`` is recorded, and otherwise places: cells of a grid
    over the standardised entries of ``obs``, or over a few random directions if there are many entries.
    """
    cell = demos.get(f"{INFO}cell")
    if spec is not None and spec.cells > 0 and cell is not None:
        visited = len(np.unique(cell[(cell >= 0) & (cell < spec.cells)]))
        share = _percent(visited / spec.cells)
        return [_line("states", f"{visited:,} of the {spec.cells:,} cells of {spec.name} are visited ({share})")]
    obs = demos["obs"]
    size = int(np.prod(obs.shape[1:]))
    counted = max(1, min(len(obs), MOST_STATES, MOST_NUMBERS // max(size, 1)))
    rows = np.linspace(0, len(obs) - 1, counted).astype(np.int64)
    features = _standardised(obs[rows].reshape(counted, size))
    over = f"the {size} entries of obs" if size > 1 else "obs"
    if size > DIRECTIONS:
        directions = np.random.default_rng(0).normal(size=(size, DIRECTIONS))
        features, over = _standardised(features @ directions), f"{DIRECTIONS} random directions of obs"
    places = len(np.unique(np.floor(features / SIDE).astype(np.int64), axis=0))
    some = "" if counted == len(obs) else " that were looked at"
    return [
        _line("states", f"{places:,} places in {counted:,} steps{some} ({_percent(places / counted)})"),
        _line("", f"a place is a cell of side {SIDE:g} standard deviations over {over}"),
    ]


def _standardised(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)


def _line(label: str, text: str) -> str:
    return f"  {label:<16} {text}"


def _each(values: np.ndarray, form: Callable[[float], str]) -> str:
    """Return the values of an action's entries, or their range if there are many."""
    if len(values) > SHOWN:
        return f"{form(values.min())} to {form(values.max())} in {len(values)} entries"
    return ", ".join(map(form, values))


def _number(value: float) -> str:
    return f"{value:.6g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
