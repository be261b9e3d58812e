"""The contract of a model: how inputs are mapped to outputs. What is mapped to what, an algorithm or a reward says."""

from abc import ABC, abstractmethod
from typing import Any

import flax.linen as nn

from rl_rewards.core.checks import require
from rl_rewards.models.convolutions import Convolutions
from rl_rewards.models.recurrence import Recurrence


class Model(ABC):
    """Makes networks, as flax modules, for whoever says how many numbers go in and come out.

    A class that inherits from it needs ``network``; the rest has defaults. Models hold settings and no parameters.
    """

    @abstractmethod
    def network(self, outputs: int, output_gain: float = 1.0) -> nn.Module:
        """A network called as ``(x, train=False)``: [*batch, d] float32 -> [*batch, outputs] float32, for any d.

        Args:
            output_gain: factor of the last layer's initial weights; small for a policy, which begins near the middle.
        """
        ...

    def convolutions(self) -> Convolutions | Any:
        """A network called as ``(x, train=False)``: pictures [*batch, H, W, C] in [0, 1] -> [*batch, features].

        It has ``features``, their number, as an attribute.
        """
        return Convolutions()

    def recurrence(self) -> Recurrence | None:
        """A layer that remembers the steps of an episode, and whose outputs the networks get; None: there is none."""
        return None

    @property
    def needs_picture(self) -> bool:
        """True where inputs must begin with a picture."""
        return False

    @property
    def bounds_slope(self) -> bool:
        """True where the output cannot change faster than the inputs: they must then be scaled to what is to be told
        apart."""
        return False

    @property
    def has_training_mode(self) -> bool:
        """True where a network does another thing with ``train=True``: it draws from the "dropout" key, or moves
        variables that are no parameters."""
        return False


def check_model(model: Any, key: str, picture: tuple[int, ...] | None = None, may_remember: bool = False) -> None:
    """Checks the model that stands at ``key`` of the configuration.

    Args:
        picture: height, width and channels of the picture that the inputs begin with; None for vectors.
        may_remember: True where whole episodes are learned from, in their order.

    Raises:
        ConfigError: when it is no model, needs a picture where there is none, or remembers where it may not.
    """
    require(
        isinstance(model, Model),
        f"{key} must be a model, as {key}._target_=rl_rewards.models.mlp.MLPModel is; its class inherits from "
        f"{Model.__module__}.Model.",
    )
    require(
        picture is not None or not model.needs_picture,
        f"{key} is a {type(model).__name__}, which learns from pictures, and these inputs are vectors; choose "
        f"model@{key}=mlp.",
    )
    require(
        may_remember or model.recurrence() is None,
        f"{key} is a {type(model).__name__}, which remembers the steps of an episode, and here single steps are "
        f"learned from; choose model@{key}=mlp, or algorithm=ppo for a policy that remembers.",
    )


def refuse_training_mode(model: Model, key: str) -> None:
    """Refuses a model with a training mode where networks are trained as they are used.

    Raises:
        ConfigError: naming the model's key.
    """
    require(
        not model.has_training_mode,
        f"{key} has dropout or spectral norm, which are for classifiers: these networks are trained as they are used; "
        f"choose {key}.dropout=0 and {key}.spectral_norm=false.",
    )
