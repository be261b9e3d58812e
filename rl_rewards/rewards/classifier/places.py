"""Places: cells of a grid over features of states. Negatives can be drawn by where a policy was, not by how often.

A classifier's optimum is D(s) = p+(s) / (p+(s) + k p-(s)), where p+ is the density of the goal examples, p- is that of
the negatives, and there are k negatives per goal. If negatives are drawn by *visits*, p- is the occupancy of all that
was visited: a policy that has mastered the task stays at a few goal states, p- grows there without bound, and D falls
far below 1/2 exactly where the task is done. If they are drawn by *places*, all |V| cells that were ever visited have
the same probability, so that p- = 1 / |V| in each of them. With goal examples spread evenly over |G| cells, D(goal) =
|V| / (|V| + k |G|) where a goal was visited, and more where it was not. For k = 1 this is at least 1/2 as soon as |V|
is at least |G|, wherever the policy stays.

A cell is a hash of standardised and rounded features (counting by hashes: Tang et al. 2017, arXiv:1611.04717).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import Array
from jaxtyping import Bool, Float, Int, UInt32

from rl_rewards.core.checks import require
from rl_rewards.core.types import Key

BUCKETS_PER_STATE = 4
"""Size of the hash table. Two places share a bucket, and count as one, with probability places / buckets."""
SMALLEST_DEVIATION = 1e-6
MOSTLY_ALONE, ENOUGH_STATES = 0.5, 5000


def warning(row: Mapping[str, Any]) -> str | None:
    """Return a warning if a row of metrics shows that most states are alone in their place, so that places are visits.

    With few stored states this is always so; there is no warning before ``ENOUGH_STATES`` are stored.
    """
    for key in (key for key in row if key.endswith("places_alone")):
        alone = float(np.mean(row[key] if row[key] is not None else np.nan))
        stored = float(np.mean(row[key.replace("places_alone", "negatives")]))
        if stored >= ENOUGH_STATES and alone > MOSTLY_ALONE:
            return (
                f"{alone:.0%} of the {stored:,.0f} states that negatives are drawn from are alone in their place, so "
                "that drawing by places is drawing by visits. Make places coarser (a larger reward.places.side), or "
                "use fewer features (reward.places.dimensions, or reward.places.features=[NAMES])."
            )
    return None


class ByPlaces(struct.PyTreeNode):
    """N states to draw from, each with its weight."""

    cumulative: Float[Array, " N"]  # sums of the weights, 1 / (number of counted states in the same place)
    places: Float[Array, ""]  # number of places
    alone: Float[Array, ""]  # share of the counted states that are alone in their place

    def index(self, key: Key, shape: tuple[int, ...]) -> Int[Array, "*shape"]:
        """Return indices of states: first a place is drawn uniformly, then one of its states.

        Due to rounding, an index can be that of a state that is not counted, or N: the caller clips it.
        """
        total = self.cumulative[-1]
        return jnp.searchsorted(self.cumulative, total * jax.random.uniform(key, shape), side="right")


def by_places(cells: UInt32[Array, " N"], counted: Bool[Array, " N"]) -> ByPlaces:
    """Return the weights of states in these ``cells``; only ``counted`` states are drawn."""
    bits = int(np.ceil(np.log2(BUCKETS_PER_STATE * len(cells))))
    bucket = (cells >> (32 - bits)).astype(jnp.int32)
    visits = jnp.zeros(1 << bits, jnp.int32).at[bucket].add(counted.astype(jnp.int32), mode="promise_in_bounds")
    sharing = visits[bucket]
    weights = jnp.where(counted, 1.0 / jnp.maximum(sharing, 1), 0.0)
    return ByPlaces(
        # A tree of sums is precise in f32, and on a CPU three times as fast as jnp.cumsum.
        cumulative=jax.lax.associative_scan(jnp.add, weights),
        places=jnp.sum(visits > 0).astype(jnp.float32),
        alone=jnp.sum(counted & (sharing == 1)) / jnp.maximum(jnp.sum(counted), 1),
    )


@dataclass(frozen=True, kw_only=True)
class Places:
    """The definition of a place; keys and units: ``places`` in configs/reward/adversarial_classifier.yaml."""

    features: Literal["inputs", "hidden"] | Sequence[str | int]
    dimensions: int
    side: float

    def __post_init__(self) -> None:
        require(self.side > 0, f"reward.places.side={self.side} must be positive.")
        require(self.dimensions > 0, f"reward.places.dimensions={self.dimensions} must be at least 1.")
        named = not isinstance(self.features, str)
        require(
            named or self.features in ("inputs", "hidden"),
            f"reward.places.features={self.features} must be inputs, hidden, or a list of names or indices of inputs.",
        )
        require(not named or len(self.features) > 0, "reward.places.features=[] is empty; name at least one feature.")

    def columns(self, names: Sequence[str], size: int) -> list[int] | None:
        """Return the indices, among the classifier's ``size`` inputs, that define a place; None for all of them.

        Args:
            names: the names of the observation's entries, which come first; they may be empty.

        Raises:
            ConfigError: for an unknown name or an index out of range.
        """
        if isinstance(self.features, str):
            return None
        found = []
        for one in self.features:
            if isinstance(one, int):
                known, number = 0 <= one < size, one
            else:
                known, number = one in names, list(names).index(one) if one in names else -1
            choice = f"0 to {size - 1}" + (f", or from {', '.join(names)}" if names else "")
            require(known, f"reward.places.features: {one} is not an input of the classifier; choose from {choice}.")
            found.append(number)
        return found

    def projected(self, features: Float[Array, "N d"]) -> Float[Array, "N k"]:
        """Return features projected to ``dimensions`` by a fixed random matrix, or unchanged if there are not more."""
        size = features.shape[1]
        if size <= self.dimensions:
            return features
        directions = np.random.default_rng(0).normal(size=(size, self.dimensions)) / np.sqrt(size)
        return features @ jnp.asarray(directions, jnp.float32)

    def cells(self, features: Float[Array, "N d"], counted: Bool[Array, " N"]) -> UInt32[Array, " N"]:
        """Return a hash of each state's cell: features standardised over the counted states and rounded to ``side``."""
        standard = _standardised(features, counted)
        if features.shape[1] > self.dimensions:
            standard = _standardised(self.projected(standard), counted)
        corner = jnp.floor(standard / self.side).astype(jnp.int32).astype(jnp.uint32)
        odd = np.random.default_rng(1).integers(0, 2**31, corner.shape[1], np.uint32) * 2 + 1
        mixed = jnp.sum(corner * odd, axis=1, dtype=jnp.uint32)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):  # mixes low bits into high ones
            mixed = (mixed ^ (mixed >> shift)) * jnp.uint32(factor)
        return mixed ^ (mixed >> 16)


def _standardised(values: Float[Array, "N d"], counted: Bool[Array, " N"]) -> Float[Array, "N d"]:
    """Return ``values`` minus the mean of the counted ones, divided by their standard deviation."""
    n = jnp.maximum(jnp.sum(counted), 1)
    mean = jnp.sum(values, axis=0, where=counted[:, None]) / n
    variance = jnp.sum(jnp.square(values - mean), axis=0, where=counted[:, None]) / n
    return (values - mean) / jnp.maximum(jnp.sqrt(variance), SMALLEST_DEVIATION)
