"""The contract of a model, which builds networks. Algorithms and rewards decide what the networks compute."""

from abc import ABC, abstractmethod
from typing import Any

import flax.linen as nn

from rl_rewards.core.checks import require
from rl_rewards.models.convolutions import Convolutions
from rl_rewards.models.recurrence import Recurrence


class Model(ABC):
    """A builder of networks, as flax modules, for any number of inputs and outputs.

    A subclass must define ``network``; the rest has defaults. Models hold settings and no parameters.
    """

    @abstractmethod
    def network(self, outputs: int, output_gain: float = 1.0) -> nn.Module:
        """Return a network called as ``(x, train=False)``: [*batch, d] float32 -> [*batch, outputs] float32, any d.

        Args:
            output_gain: scale of the last layer's initial weights; policies use a small one, so that their first
                actions are near the middle of the range.
        """
        ...

    def convolutions(self) -> Convolutions | Any:
        """Return a network called as ``(x, train=False)``: images [*batch, H, W, C] in [0, 1] -> [*batch, features].

        The network's attribute ``features`` is the number of features.
        """
        return Convolutions()

    def recurrence(self) -> Recurrence | None:
        """Return a recurrent layer whose outputs the networks take as inputs, or None for a model without memory."""
        return None

    @property
    def needs_picture(self) -> bool:
        """True if the inputs must begin with an image."""
        return False

    @property
    def bounds_slope(self) -> bool:
        """True if the output cannot change faster than the inputs.

        The inputs must then be scaled so that those to be distinguished are far enough apart.
        """
        return False

    @property
    def has_training_mode(self) -> bool:
        """True if a network behaves differently with ``train=True``.

        It then draws from the "dropout" key or updates variables that are not parameters.
        """
        return False


def check_model(model: Any, key: str, picture: tuple[int, ...] | None = None, may_remember: bool = False) -> None:
    """Check the model at ``key`` of the configuration.

    Args:
        picture: height, width and channels of the image that the inputs begin with; None for vectors.
        may_remember: True if the learner uses whole episodes in order, so that the model may be recurrent.

    Raises:
        ConfigError: if it is not a model, needs an image but gets vectors, or is recurrent where this is not allowed.
    """
    require(
        isinstance(model, Model),
        f"{key} must be a model, such as {key}._target_=rl_rewards.models.mlp.MLPModel; its class must inherit from "
        f"{Model.__module__}.Model.",
    )
    require(
        picture is not None or not model.needs_picture,
        f"{key} is a {type(model).__name__}, which needs images, but these inputs are vectors; choose model@{key}=mlp.",
    )
    require(
        may_remember or model.recurrence() is None,
        f"{key} is a {type(model).__name__}, which remembers the steps of an episode, but this part learns from single "
        f"steps; choose model@{key}=mlp, or algorithm=ppo for a policy with memory.",
    )


def refuse_training_mode(model: Model, key: str) -> None:
    """Check that a model has no training mode, for networks that behave the same in training and in use.

    Raises:
        ConfigError: if the model has dropout or spectral norm.
    """
    require(
        not model.has_training_mode,
        f"{key} has dropout or spectral norm, which only classifiers support; choose {key}.dropout=0 and "
        f"{key}.spectral_norm=false.",
    )
