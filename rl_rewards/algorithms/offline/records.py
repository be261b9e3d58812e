"""The records of offline learners: their state, the data set of a round, and minibatches of it."""

from typing import Any

import optax
from flax import struct
from jaxtyping import Array, Bool, Float

from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.types import Transition
from rl_rewards.data.dataset import Dataset


class OfflineState(struct.PyTreeNode):
    """The state of an offline learner; the keys of the dictionaries are names of networks."""

    params: dict[str, Any]
    targets: dict[str, Any]  # slowly moving copies of some of them
    optimizers: dict[str, optax.OptState]
    obs_moments: RunningMoments  # of the data set, set in the first round
    reward_scale: Float[Array, ""]  # rewards are divided by it; set in every round


class Batch(struct.PyTreeNode):
    """A minibatch of recorded steps, in the form that the networks need."""

    inputs: Float[Array, "N d"]
    action: Array  # [N, A] scaled to [-1, 1], or [N] of discrete actions
    reward: Float[Array, " N"]  # divided by the reward scale
    next_inputs: Float[Array, "N d"]
    terminated: Bool[Array, " N"]
    valid: Bool[Array, " N"]
    absorbing_value: Float[Array, ""]  # the value after a termination, divided by the reward scale
    prepared: dict[str, Array]  # [N, ...] what :meth:`OfflineLearner.prepare` computed for these steps


class RoundData(struct.PyTreeNode):
    """A seed's data set with the rewards of a round."""

    dataset: Dataset
    steps: Transition  # [M, ...] all of the seed's steps
    reward: Float[Array, " M"]  # divided by the reward scale
    absorbing_value: Float[Array, ""]
