"""What every format of pretrained weights offers to the loader."""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any

import numpy as np

from rl_rewards.core.errors import ConfigError


class Checkpoint(ABC):
    """Weights in a file or folder, by this package's own names: "embedding", "norm", "layers.3.q", "unembedding".

    Attributes:
        place: the path, for messages.
        settings: arguments of ``TransformerModel``.
    """

    place: str
    settings: dict[str, Any]

    @abstractmethod
    def stored_name(self, name: str) -> str:
        """Return the tensor's name in the file."""
        ...

    @abstractmethod
    def read(self, name: str) -> np.ndarray:
        """Return a tensor in its stored shape: matrices [out, in], embeddings [V, width].

        Raises:
            ConfigError: if the file has no such tensor, or its type is not supported.
        """
        ...


def named(name: str, outer: dict[str, str], inner: dict[str, str], layer: str) -> str:
    """Return a tensor's name in a file from tables of names; ``layer`` is the prefix of layer "{i}"."""
    if not name.startswith("layers."):
        return outer[name]
    _, index, part = name.split(".")
    return layer.format(i=index) + inner[part]


def extra(package: str, place: Any) -> Any:
    """Return a package of the extra "language".

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ConfigError(
            f"{place} needs the package {package}, which is not installed; pip install 'rl_rewards[language]'."
        ) from error
