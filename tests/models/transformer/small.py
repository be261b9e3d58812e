"""Small transformers, with the settings of the YAML for what a test does not choose."""

from typing import Any

from rl_rewards.models.transformer.model import TransformerModel
from tests.probes import make


def transformer(**settings: Any) -> TransformerModel:
    """Return the transformer of configs/model/transformer.yaml with some settings changed."""
    return make("model", "transformer", **{"pad": 0, **settings})
