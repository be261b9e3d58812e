"""Running statistics of observations and rewards; only ``update`` changes them."""

import dataclasses
from typing import Self

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Shaped

from rl_rewards.core.returns import discounted_sum


class RunningMoments(struct.PyTreeNode):
    """Running mean and variance of vectors, updated batch by batch (Chan et al. 1979)."""

    count: Float[Array, ""]
    mean: Float[Array, "*shape"]
    variance: Float[Array, "*shape"]

    @classmethod
    def init(cls, shape: tuple[int, ...]) -> Self:
        """Return statistics with mean 0 and variance 1, which hold until the first update."""
        return cls(count=jnp.zeros(()), mean=jnp.zeros(shape), variance=jnp.ones(shape))

    def update(self, values: Shaped[Array, "..."], valid: Bool[Array, "*batch"]) -> Self:
        """Return the statistics after merging the entries of ``values`` [*batch, *shape] where ``valid`` is True."""
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
        """Return (values - mean) / std, clipped to [-clip, clip]."""
        scaled = (values.astype(jnp.float32) - self.mean) / jnp.sqrt(self.variance + 1e-6)
        return jnp.clip(scaled, -clip, clip)


class RewardScale(struct.PyTreeNode):
    """A decaying estimate of the standard deviation of discounted returns; training rewards are divided by it.

    It is for RL only: logged rewards stay raw. The estimate decays because a learned reward changes over time
    (Engstrom et al. 2020, arXiv:2005.12729, section 3, "reward scaling", with a decaying instead of an all-time
    average).

    The return of an episode restarts at 0 with every rollout, as in earlier versions. If episodes are longer than
    rollouts, this is another difference from the paper; :class:`CarriedRewardScale` avoids it.
    """

    weight: Float[Array, ""]  # total weight of the averages so far, 0 .. 1: corrects their bias towards 0, as Adam does
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
        """Return the estimate after one rollout; the past keeps the weight ``decay``, in [0, 1)."""
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
        """Return, at every step, the discounted return of its episode so far."""
        return discounted_sum(rewards, done, discount)

    def _after(self, returns: Array, done: Array) -> Self:
        """Return the scale with the returns that the next rollout continues from."""
        return self

    def std(self) -> Float[Array, ""]:
        """Return the standard deviation of the discounted return, at least 1e-4."""
        weight = jnp.maximum(self.weight, 1e-8)
        variance = self.square / weight - jnp.square(self.mean / weight)
        return jnp.maximum(jnp.sqrt(jnp.maximum(variance, 0.0)), 1e-4)


class FlooredRewardScale(RewardScale):
    """A reward scale that never falls below a fraction of its largest value so far.

    The spread of a learned reward shrinks as the policy masters the task, and dividing by it makes ever smaller
    differences as large as the first ones. Rewards of round t are divided by

        scale_t = max(std_t, floor * max(std_0, ..., std_t))

    so that a difference is amplified at most 1 / floor times as much as by the largest standard deviation so far.
    The reference is the largest standard deviation and not the first one, because that of an untrained reward may be
    small by chance. One burst of large rewards raises the scale for the rest of the run, so choose ``floor`` below 1
    if rewards are unbounded.

    This is a separate class because another field in ``RewardScale`` would make older checkpoints unreadable.
    """

    peak: Float[Array, ""]
    floor: float = struct.field(pytree_node=False)  # fraction, 0 .. 1

    def update(
        self,
        rewards: Float[Array, "T B"],
        done: Bool[Array, "T B"],
        valid: Bool[Array, "T B"],
        discount: float,
        decay: float,
    ) -> Self:
        """Return the estimate and its peak after one rollout; see :meth:`RewardScale.update`."""
        moved = super().update(rewards, done, valid, discount, decay)
        return dataclasses.replace(moved, peak=jnp.maximum(self.peak, RewardScale.std(moved)))

    def std(self) -> Float[Array, ""]:
        """Return the standard deviation, or ``floor`` times its peak if that is larger."""
        return jnp.maximum(super().std(), self.floor * self.peak)


class CarriedRewardScale(RewardScale):
    """A reward scale that continues the return of an unfinished episode in the next rollout.

    It is a separate class for the same reason as :class:`FlooredRewardScale`. Rollouts must be consecutive: if the next
    rollout begins with new episodes, all episodes of this one must be done at its end.
    """

    running: Float[Array, " B"]  # the return so far of each environment's episode; 0 where it has just ended

    def _returns(self, rewards: Array, done: Array, discount: float) -> Float[Array, "T B"]:
        return discounted_sum(rewards, done, discount, self.running)

    def _after(self, returns: Array, done: Array) -> Self:
        return dataclasses.replace(self, running=jnp.where(done[-1], 0.0, returns[-1]))


class CarriedFlooredRewardScale(CarriedRewardScale, FlooredRewardScale):
    """A reward scale that carries returns over to the next rollout and keeps a fraction of its peak."""


def reward_scale(num_envs: int | None, floor: float | None = None) -> RewardScale:
    """Return a new reward scale.

    Args:
        num_envs: the number of environments whose returns are carried over to the next rollout; with None, returns
            restart at 0 in every rollout.
        floor: the fraction of :class:`FlooredRewardScale`, in [0, 1]; with None there is no floor.
    """
    zero = jnp.zeros(())
    empty = {"weight": zero, "mean": zero, "square": zero}
    if num_envs is None:
        return RewardScale(**empty) if floor is None else FlooredRewardScale(**empty, peak=zero, floor=floor)
    running = jnp.zeros(num_envs)
    if floor is None:
        return CarriedRewardScale(**empty, running=running)
    return CarriedFlooredRewardScale(**empty, peak=zero, floor=floor, running=running)
