"""The transformer as a model: its settings, and the networks that it builds."""

from dataclasses import dataclass
from typing import Literal

from rl_rewards.core.checks import check_fields, require
from rl_rewards.models.base import Model
from rl_rewards.models.transformer.network import LanguageModel, matrix_shapes
from rl_rewards.models.transformer.sequence import SequenceNetwork, TokenNetwork


@dataclass(frozen=True, kw_only=True)
class TransformerModel(Model):
    """A Llama-like transformer for tokens; configs/model/transformer.yaml explains its arguments.

    Raises:
        ConfigError: if a size is below 1, heads do not divide as they must, ``pad`` is no token, or a LoRA setting is
            not valid.
    """

    vocabulary: int | None
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    rope_base: float
    norm_epsilon: float
    tied: bool
    dtype: Literal["float32", "bfloat16"]
    lora_rank: int
    lora_alpha: float
    lora_targets: tuple[str, ...]
    pad: int | None

    def __post_init__(self) -> None:
        check_fields(self, "model")
        for name in ("width", "layers", "heads", "kv_heads", "hidden"):
            require(getattr(self, name) > 0, f"model.{name}={getattr(self, name)} must be at least 1.")
        require(
            self.width % (2 * self.heads) == 0,
            f"model.width={self.width} must be an even multiple of model.heads={self.heads}.",
        )
        require(
            self.heads % self.kv_heads == 0,
            f"model.heads={self.heads} must be a multiple of model.kv_heads={self.kv_heads}.",
        )
        for name in ("rope_base", "norm_epsilon", "lora_alpha"):
            require(getattr(self, name) > 0, f"model.{name}={getattr(self, name)} must be above 0.")
        size = self.vocabulary
        require(size is None or size > 0, f"model.vocabulary={size} must be at least 1, or null.")
        require(
            self.pad is None or (self.pad >= 0 and (size is None or self.pad < size)),
            f"model.pad={self.pad} must be one of the model.vocabulary={size} tokens, counted from 0.",
        )
        require(self.lora_rank >= 0, f"model.lora_rank={self.lora_rank} must be at least 0; 0 switches LoRA off.")
        known = tuple(matrix_shapes(self.width, self.heads, self.kv_heads, self.hidden))
        require(
            set(self.lora_targets) <= set(known) and (self.lora_rank == 0 or len(self.lora_targets) > 0),
            f"model.lora_targets={list(self.lora_targets)} must name at least one of {', '.join(known)}, and no other.",
        )

    def language_model(self) -> LanguageModel:
        """Return the network that predicts the next token.

        Raises:
            ConfigError: if the number of tokens is not known.
        """
        require(
            self.vocabulary is not None and self.pad is not None,
            "model.vocabulary=null and model.pad=null stand for the tokens of an environment with texts (env=text); "
            "give numbers.",
        )
        assert self.vocabulary is not None and self.pad is not None
        return LanguageModel(
            vocabulary=self.vocabulary,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            kv_heads=self.kv_heads,
            hidden_width=self.hidden,
            rope_base=self.rope_base,
            norm_epsilon=self.norm_epsilon,
            tied=self.tied,
            dtype=self.dtype,
            lora_rank=self.lora_rank,
            lora_alpha=self.lora_alpha,
            lora_targets=tuple(self.lora_targets),
            pad=self.pad,
        )

    def network(self, outputs: int, output_gain: float = 1.0) -> SequenceNetwork:
        """Return a network of tokens as numbers: [*batch, T] float32, padded on either side -> [*batch, outputs]."""
        return SequenceNetwork(self.language_model(), outputs, output_gain)

    def token_network(self) -> TokenNetwork:
        """Return a network of tokens with a number at each of them: int32 [N, T] -> [N, T] float32."""
        return TokenNetwork(self.language_model())
