"""Terms of a hand-designed reward: a quantity of the transition, a map to one number, and a weight.

``{weight: 10.0, of: "next_obs[0]", map: above, threshold: 0.8}`` is 10 where the first entry of s' exceeds 0.8.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.types import Discrete, EnvSpec, Transition, clip_action
from rl_rewards.rewards.base import Switch, side_of_clip


@dataclass(frozen=True)
class Map:
    """A map from a quantity to one number."""

    function: Callable[..., Array]  # (quantity, **parameters)
    parameters: tuple[str, ...] = ()
    takes_vectors: bool = False  # function: [*batch, n] -> [*batch] rather than elementwise


MAPS = {
    "identity": Map(lambda x: x),
    "abs": Map(jnp.abs),
    "square": Map(jnp.square),
    "cos": Map(jnp.cos),  # of an angle in radians: 1 upright, 0 lying
    "above": Map(lambda x, threshold: x > threshold, ("threshold",)),  # 1 or 0
    "below": Map(lambda x, threshold: x < threshold, ("threshold",)),  # 1 or 0
    "within": Map(lambda x, low, high: (x >= low) & (x <= high), ("low", "high")),  # 1 or 0, bounds included
    "clip": Map(lambda x, low, high: jnp.clip(x, low, high), ("low", "high")),
    "norm": Map(lambda x: jnp.linalg.norm(x, axis=-1), takes_vectors=True),
    "squared_norm": Map(lambda x: jnp.sum(jnp.square(x), axis=-1), takes_vectors=True),
}
"""The values of ``map``; a term has the map's parameters next to it."""

_OF = re.compile(r"(?P<base>obs|next_obs|action|info\.(?P<key>\w+))(\[(?P<index>\d+(\s*,\s*\d+)*)\])?")


@dataclass(frozen=True)
class Quantity:
    """A part of every transition: an observation, the action, an entry of info, or one number of these."""

    spec: EnvSpec
    base: str  # obs | next_obs | action | info
    key: str | None  # of info
    index: tuple[int, ...] | None  # None is the whole array

    @property
    def reads(self) -> str:
        """Return the name that reward sources declare: the transition's field, or ``info.KEY``."""
        return f"info.{self.key}" if self.base == "info" else self.base

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """Return the shape of the array that is indexed; a discrete action is one-hot."""
        if self.base == "info":
            assert self.key is not None, "base and key are parsed together"
            return tuple(self.spec.info[self.key])
        if self.base == "action":
            action = self.spec.action
            return (action.n,) if isinstance(action, Discrete) else tuple(action.shape)
        return tuple(self.spec.obs.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.whole_shape if self.index is None else ()

    def of(self, transitions: Transition) -> Float[Array, "..."]:
        """Return values [*batch, *shape]; real actions are clipped to their bounds, as the environment does."""
        value = self._whole(transitions).astype(jnp.float32)
        return value if self.index is None else value[(..., *self.index)]

    def _whole(self, transitions: Transition) -> Array:
        if self.base == "info":
            return jnp.asarray(transitions.info[self.key])
        if self.base != "action":
            return jnp.asarray(getattr(transitions, self.base))
        if isinstance(self.spec.action, Discrete):
            return jax.nn.one_hot(transitions.action, self.spec.action.n)
        return clip_action(self.spec.action, transitions.action)


@dataclass(frozen=True)
class Term:
    """One named term."""

    name: str
    weight: float
    quantity: Quantity
    map: Map
    parameters: dict[str, float]

    def value(self, transitions: Transition) -> Float[Array, "*batch"]:
        """Return map(quantity), not weighted."""
        value = self.quantity.of(transitions)
        if self.map.takes_vectors:
            batch = value.shape[: value.ndim - len(self.quantity.shape)]
            value = value.reshape(*batch, -1)
        return self.map.function(value, **self.parameters).astype(jnp.float32)

    def switches(self, transitions: Transition) -> tuple[Switch, ...]:
        """Return where a clip is at its bounds; a term with another map has no switch."""
        if self.map is not MAPS["clip"]:
            return ()
        value, low, high = self.quantity.of(transitions), self.parameters["low"], self.parameters["high"]
        index = "" if self.quantity.index is None else f"[{', '.join(map(str, self.quantity.index))}]"
        text = f"clip of {self.quantity.reads}{index} to [{low:g}, {high:g}]"
        return (Switch(text, side_of_clip(value, low, high)),)


def parse_term(name: Any, raw: Any, spec: EnvSpec, where: str = "reward.terms") -> Term:
    """Return the term ``where.NAME`` for environments of ``spec``.

    Raises:
        ConfigError: if a key is wrong; the message names the key and the possible values.
    """
    key = f"{where}.{name}"
    require(isinstance(raw, dict), f"{key}={raw} is not valid; it must have the keys weight, of and map.")
    for part in ("weight", "of", "map"):
        require(part in raw, f"{key} lacks the key '{part}'; a term has weight, of, map and the map's parameters.")
    _require_number(f"{key}.weight", raw["weight"])
    quantity = _parse_quantity(f"{key}.of", raw["of"], spec)
    chosen = raw["map"]
    require(
        isinstance(chosen, str) and chosen in MAPS,
        f"{key}.map={chosen} is not known; choose from {', '.join(MAPS)}.",
    )
    parameters = _parse_parameters(key, {k: v for k, v in raw.items() if k not in ("weight", "of", "map")}, chosen)
    require(
        MAPS[chosen].takes_vectors or quantity.shape == (),
        f"{key}.map={chosen} maps one number, but {raw['of']} has the shape {list(quantity.shape)}; name one entry, "
        f"such as {raw['of']}[{', '.join('0' for _ in quantity.shape)}], or choose norm or squared_norm.",
    )
    return Term(str(name), float(raw["weight"]), quantity, MAPS[chosen], parameters)


def _parse_quantity(key: str, of: Any, spec: EnvSpec) -> Quantity:
    match = _OF.fullmatch(of) if isinstance(of, str) else None
    if match is None:
        require(
            False,
            f"{key}={of} is not a quantity; write obs, next_obs, action or info.KEY, or one entry of these, such as "
            "obs[0].",
        )
    assert match is not None
    info_key, index = match["key"], match["index"]
    if info_key is not None:
        there = ", ".join(spec.info) or "no keys"
        require(info_key in spec.info, f"{key}={of}: {spec.name} has no '{info_key}' in info; it has {there}.")
    base = "info" if info_key is not None else match["base"]
    quantity = Quantity(spec, base, info_key, tuple(map(int, index.split(","))) if index else None)
    if quantity.index is not None:
        shape = quantity.whole_shape
        fits = len(quantity.index) == len(shape) and all(i < n for i, n in zip(quantity.index, shape, strict=True))
        require(fits, f"{key}={of} is out of range; {quantity.reads} of {spec.name} has the shape {list(shape)}.")
    return quantity


def _parse_parameters(key: str, given: dict, chosen: str) -> dict[str, float]:
    wanted = MAPS[chosen].parameters
    for name in wanted:
        require(name in given, f"{key} lacks '{name}', which map={chosen} needs.")
        _require_number(f"{key}.{name}", given[name])
    unknown = sorted(str(name) for name in given if name not in wanted)
    known = f"its parameters are {', '.join(wanted)}" if wanted else "it has no parameters"
    require(not unknown, f"{key} has the key '{', '.join(unknown)}', which map={chosen} does not know; {known}.")
    if wanted == ("low", "high"):
        require(given["low"] <= given["high"], f"{key}.low={given['low']} must be at most high={given['high']}.")
    return {name: float(given[name]) for name in wanted}


def _require_number(key: str, value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    require(number and math.isfinite(value), f"{key}={value} is not valid; it must be a number.")
