"""Running statistics for observations and rewards. Pure: reading never moves them."""

import dataclasses
from typing import Self

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Shaped

from rl_rewards.core.returns import discounted_sum


class RunningMoments(struct.PyTreeNode):
    """Mean and variance of vectors, merged batch by batch (Chan et al. 1979)."""

    count: Float[Array, ""]
    mean: Float[Array, "*shape"]
    variance: Float[Array, "*shape"]

    @classmethod
    def init(cls, shape: tuple[int, ...]) -> Self:
        """Mean 0 and variance 1 until the first update."""
        return cls(count=jnp.zeros(()), mean=jnp.zeros(shape), variance=jnp.ones(shape))

    def update(self, values: Shaped[Array, "..."], valid: Bool[Array, "*batch"]) -> Self:
        """Merge the valid ones of ``values`` [*batch, *shape]; ``valid`` is [*batch]."""
        axes = tuple(range(valid.ndim))
        mask = valid.reshape(valid.shape + (1,) * self.mean.ndim).astype(jnp.float32)
        values = values.astype(jnp.float32)
        n = jnp.sum(valid).astype(jnp.float32)
        safe_n = jnp.maximum(n, 1.0)
        mean = jnp.sum(values * mask, axes) / safe_n
        variance = jnp.sum(jnp.square(values - mean) * mask, axes) / safe_n
        total = jnp.maximum(self.count + n, 1.0)
        delta = mean - self.mean
        squares = self.variance * self.count + variance * n + jnp.square(delta) * self.count * n / total
        return type(self)(
            count=self.count + n,
            mean=self.mean + delta * n / total,
            variance=jnp.where(n > 0, squares / total, self.variance),  # an empty batch keeps the initial variance 1
        )

    def normalize(self, values: Shaped[Array, "*batch"], clip: float) -> Float[Array, "*batch"]:
        """(values - mean) / std, clipped to [-clip, clip]."""
        scaled = (values.astype(jnp.float32) - self.mean) / jnp.sqrt(self.variance + 1e-6)
        return jnp.clip(scaled, -clip, clip)


class RewardScale(struct.PyTreeNode):
    """A decaying estimate of the standard deviation of discounted returns, by which rewards are divided.

    For RL only: logged rewards stay raw. The estimate decays since a learned reward moves. (Engstrom et al. 2020,
    arXiv:2005.12729, section 3, "reward scaling", with a decaying instead of an all-time average.)

    Here an episode's return begins anew with every rollout, as it did in runs of earlier versions; where episodes are
    longer than rollouts that is another deviation: see :class:`CarriedRewardScale`.
    """

    weight: Float[
        Array, ""
    ]  # how much of the average has been filled, 0 .. 1: corrects the start like Adam's bias term
    mean: Float[Array, ""]
    square: Float[Array, ""]

    def update(
        self,
        rewards: Float[Array, "T B"],
        done: Bool[Array, "T B"],
        valid: Bool[Array, "T B"],
        discount: float,
        decay: float,
    ) -> Self:
        """Fold in one rollout; ``decay`` is the weight that the past keeps, per rollout."""
        returns = self._returns(jnp.where(valid, rewards, 0.0), done, discount)
        n = jnp.maximum(jnp.sum(valid), 1.0)
        mean = jnp.sum(returns * valid) / n
        square = jnp.sum(jnp.square(returns) * valid) / n
        return dataclasses.replace(
            self._after(returns, done),
            weight=decay * self.weight + (1 - decay),
            mean=decay * self.mean + (1 - decay) * mean,
            square=decay * self.square + (1 - decay) * square,
        )

    def _returns(self, rewards: Array, done: Array, discount: float) -> Float[Array, "T B"]:
        """The return collected so far in the episode, at every step."""
        return discounted_sum(rewards, done, discount)

    def _after(self, returns: Array, done: Array) -> Self:
        """The scale with what the next rollout goes on from."""
        return self

    def std(self) -> Float[Array, ""]:
        """Standard deviation of the discounted return; at least 1e-4."""
        weight = jnp.maximum(self.weight, 1e-8)
        variance = self.square / weight - jnp.square(self.mean / weight)
        return jnp.maximum(jnp.sqrt(jnp.maximum(variance, 0.0)), 1e-4)


class FlooredRewardScale(RewardScale):
    """The same estimate, which never falls below a share of the largest value that it has had.

    A learned reward's spread shrinks as the policy masters the task, and dividing by it makes ever smaller differences
    as large as the first ones were. Rewards of round t are divided by

        scale_t = max(std_t, floor * max(std_0, ..., std_t))

    so that a difference is never enlarged by more than 1 / floor times what it would be by the widest spread so far.
    The largest deviation is the measure, not that of the first rounds: an untrained reward's is small by chance. One
    burst of large rewards holds the scale up for good; choose less than 1 where rewards have no bounds.

    A class of its own, since a field more in ``RewardScale`` would make older checkpoints unreadable.
    """

    peak: Float[Array, ""]
    floor: float = struct.field(pytree_node=False)  # share, 0 .. 1

    def update(
        self,
        rewards: Float[Array, "T B"],
        done: Bool[Array, "T B"],
        valid: Bool[Array, "T B"],
        discount: float,
        decay: float,
    ) -> Self:
        """As :meth:`RewardScale.update`; the peak follows."""
        moved = super().update(rewards, done, valid, discount, decay)
        return dataclasses.replace(moved, peak=jnp.maximum(self.peak, RewardScale.std(moved)))

    def std(self) -> Float[Array, ""]:
        """The deviation, or where that is larger ``floor`` of its peak."""
        return jnp.maximum(super().std(), self.floor * self.peak)


class CarriedRewardScale(RewardScale):
    """The same estimate, where the return of an episode that a rollout cuts goes on in the next one.

    A class of its own, as :class:`FlooredRewardScale` is. Rollouts must follow each other: one that begins with fresh
    episodes must end with all of them done.
    """

    running: Float[Array, " B"]  # the return so far of each environment's episode; 0 where it has just ended

    def _returns(self, rewards: Array, done: Array, discount: float) -> Float[Array, "T B"]:
        return discounted_sum(rewards, done, discount, self.running)

    def _after(self, returns: Array, done: Array) -> Self:
        return dataclasses.replace(self, running=jnp.where(done[-1], 0.0, returns[-1]))


class CarriedFlooredRewardScale(CarriedRewardScale, FlooredRewardScale):
    """Both: returns go on in the next rollout, and the scale keeps a share of its peak."""


def reward_scale(num_envs: int | None, floor: float | None = None) -> RewardScale:
    """A fresh scale of the kind that is asked for.

    Args:
        num_envs: whose returns are carried from rollout to rollout; None: they begin anew with each.
        floor: see :class:`FlooredRewardScale`; None: none.
    """
    zero = jnp.zeros(())
    empty = {"weight": zero, "mean": zero, "square": zero}
    if num_envs is None:
        return RewardScale(**empty) if floor is None else FlooredRewardScale(**empty, peak=zero, floor=floor)
    running = jnp.zeros(num_envs)
    if floor is None:
        return CarriedRewardScale(**empty, running=running)
    return CarriedFlooredRewardScale(**empty, peak=zero, floor=floor, running=running)
