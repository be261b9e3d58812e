"""Low-rank adaptation (LoRA, arXiv:2106.09685): which weights train, and how they join the matrices they adapt.

Both functions take whole trees of parameters, of a language model or of a network that contains one.
"""

from collections.abc import Mapping
from typing import Any

import jax

from rl_rewards.core.checks import require


def trainable_mask(params: Any) -> Any:
    """Return the tree of ``params`` with True where a weight trains, for ``optax.masked``.

    Beside LoRA weights the weights of the same language model are frozen, so False; everything else is True, such as a
    reward model's head, or all weights without LoRA.
    """
    if not isinstance(params, Mapping):
        return True
    if "lora" in params:
        return {name: jax.tree.map(lambda _, on=name == "lora": on, part) for name, part in params.items()}
    return {name: trainable_mask(part) for name, part in params.items()}


def merge_lora(params: Any, alpha: float) -> Any:
    """Return parameters for the same model with ``lora_rank=0``, whose matrices contain the LoRA weights.

    Args:
        alpha: the model's ``lora_alpha``.
    """
    if not isinstance(params, Mapping):
        return params
    if "lora" not in params:
        return {name: merge_lora(part, alpha) for name, part in params.items()}
    layers = dict(params["layers"])
    for name, pair in params["lora"].items():
        require(name in layers, f"LoRA weights for {name}, but the layers have no such matrix.")
        layers[name] = layers[name] + alpha / pair["a"].shape[-1] * pair["a"] @ pair["b"]
    return {name: part for name, part in params.items() if name != "lora"} | {"layers": layers}
