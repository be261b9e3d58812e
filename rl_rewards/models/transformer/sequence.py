"""Networks from sequences of tokens to numbers, such as reward models: a language model with a linear head."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.models.networks import orthogonal
from rl_rewards.models.transformer.network import LanguageModel, left_padding


class SequenceNetwork(nn.Module):
    """A language model whose last and mean vectors go through a linear layer: [*batch, T] -> [*batch, outputs].

    Its parameters are {"language": those of :class:`LanguageModel`, "head": {"kernel", "bias"}}.
    """

    language: LanguageModel
    outputs: int
    output_gain: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "*batch T"], train: bool = False) -> Float[Array, "*batch outputs"]:
        """Return the outputs for tokens given as whole numbers in float32; padding on both sides changes nothing.

        Tokens outside the vocabulary count as its first or last token.
        """
        tokens = jnp.clip(x.astype(jnp.int32), 0, self.language.vocabulary - 1).reshape(-1, x.shape[-1])
        real = tokens != self.language.pad
        first = left_padding(tokens, self.language.pad)
        last = tokens.shape[1] - 1 - jnp.argmax(real[:, ::-1], axis=1)
        places = jnp.arange(tokens.shape[1])
        inside = (places >= first[:, None]) & (places <= last[:, None])
        hidden = self.language.hidden(tokens)
        mean = jnp.sum(hidden * inside[..., None], axis=1) / jnp.maximum(inside.sum(axis=1), 1)[:, None]
        last_hidden = jnp.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]
        features = jnp.concatenate([last_hidden, mean], axis=-1)
        self.sow("intermediates", "last_hidden", features.reshape(*x.shape[:-1], -1))
        output = nn.Dense(self.outputs, kernel_init=orthogonal(self.output_gain), name="head")(features)
        return output.reshape(*x.shape[:-1], self.outputs)


class TokenNetwork(nn.Module):
    """A language model with a linear head on every token: int32 [N, T] -> [N, T] float32.

    The number at a token depends only on the text up to it. Its parameters have the same names as those of
    :class:`SequenceNetwork`, so that :func:`with_trunk` serves both.
    """

    language: LanguageModel

    @nn.compact
    def __call__(self, tokens: Int[Array, "N T"]) -> Float[Array, "N T"]:
        tokens = jnp.clip(tokens, 0, self.language.vocabulary - 1)
        hidden = self.language.hidden(tokens)
        return nn.Dense(1, kernel_init=nn.initializers.zeros, name="head")(hidden)[..., 0]


def with_trunk(head_variables: dict[str, Any], language_params: dict[str, Any]) -> dict[str, Any]:
    """Return a sequence network's variables with the weights of a language model, such as one that was fine-tuned.

    Args:
        head_variables: what ``SequenceNetwork.init`` gave; its head is kept, and its LoRA weights if the language model
            has none.
        language_params: what ``LanguageModel.init`` gave, or its parameters after training: {"params": ...}.

    Raises:
        ConfigError: if the two have other parameters or other shapes.
    """
    own, given = head_variables["params"]["language"], language_params["params"]
    kept = {name: own[name] for name in own if name == "lora" and name not in given}
    trunk = {**given, **kept}
    shapes, wanted = (dict(jax.tree_util.tree_leaves_with_path(jax.tree.map(jnp.shape, t))) for t in (trunk, own))
    require(
        shapes == wanted,
        "the language model's weights do not fit the reward model's network; give both the same settings of "
        "model=transformer.",
    )
    return {**head_variables, "params": {**head_variables["params"], "language": trunk}}
