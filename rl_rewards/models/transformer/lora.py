"""Low-rank adaptation (LoRA, arXiv:2106.09685): which weights train, and how they join the matrices they adapt.

Masks and merging take whole trees of parameters, of a language model or of a network that contains one.
"""

from collections.abc import Mapping
from typing import Any

import jax
import optax

from rl_rewards.core.checks import require
from rl_rewards.core.types import Key
from rl_rewards.models.transformer.model import TransformerModel
from rl_rewards.models.transformer.network import initial_lora, matrix_shapes


def add_lora(model: TransformerModel, params: Any, key: Key) -> Any:
    """Return a language model's parameters with new LoRA weights, which add nothing at first; the key is consumed.

    Args:
        model: a model with ``lora_rank`` above 0, such as ``dataclasses.replace(pretrained, lora_rank=8)``.
        params: {"params": ...} of the same model without LoRA.

    Raises:
        ConfigError: if the model has ``lora_rank=0``, or the parameters have LoRA weights already.
    """
    require(model.lora_rank > 0, "model.lora_rank=0 has no LoRA weights to add; choose model.lora_rank=8, for example.")
    told = "the language model has LoRA weights already; merge them with merge_lora before adding new ones."
    require("lora" not in params["params"], told)
    shapes = matrix_shapes(model.width, model.heads, model.kv_heads, model.hidden)
    adapted = {name: shapes[name] for name in model.lora_targets}
    return {"params": {**params["params"], "lora": initial_lora(key, adapted, model.layers, model.lora_rank)}}


def trainable_mask(params: Any) -> Any:
    """Return the tree of ``params`` with True where a weight trains, for ``optax.masked``.

    Beside LoRA weights the weights of the same language model are frozen, so False; everything else is True, such as a
    reward model's head, or all weights without LoRA. A large model trains faster if a loss is differentiated with
    respect to :func:`trained_part` alone, since XLA then leaves out the other gradients.
    """
    if not isinstance(params, Mapping):
        return True
    if "lora" in params:
        return {name: jax.tree.map(lambda _, on=name == "lora": on, part) for name, part in params.items()}
    return {name: trainable_mask(part) for name, part in params.items()}


def trained_part(params: Any) -> Any:
    """Return the tree of the weights that train (:func:`trainable_mask`), without the others."""
    if not isinstance(params, Mapping):
        return params
    if "lora" in params:
        return {"lora": params["lora"]}
    return {name: trained_part(part) for name, part in params.items()}


def frozen_part(params: Any) -> dict[str, Any]:
    """Return the tree of the weights that never change, without the others; empty dictionaries stand for nothing."""
    if not isinstance(params, Mapping):
        return {}
    if "lora" in params:
        return {name: part for name, part in params.items() if name != "lora"}
    return {name: frozen_part(part) for name, part in params.items()}


def joined(trained: Any, frozen: Any) -> Any:
    """Return the whole tree of :func:`trained_part` and :func:`frozen_part`; its arrays are theirs, without a copy."""
    if not isinstance(trained, Mapping):
        return trained
    if "lora" in trained:
        return {**frozen, **trained}
    return {name: joined(part, frozen[name]) for name, part in trained.items()}


def only_trainable(rule: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return ``rule`` for the weights that train (:func:`trainable_mask`); the others never change."""

    def frozen(params: Any) -> Any:
        return jax.tree.map(lambda trains: not trains, trainable_mask(params))

    return optax.chain(optax.masked(rule, trainable_mask), optax.masked(optax.set_to_zero(), frozen))


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
