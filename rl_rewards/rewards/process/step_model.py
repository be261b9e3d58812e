"""A transformer that scores every step of a response: P(right | the text up to the step's last token)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.checks import require
from rl_rewards.core.pieces import in_pieces
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.text_steps import step_ends
from rl_rewards.core.types import Key
from rl_rewards.models.base import Model
from rl_rewards.models.transformer.lora import only_trainable
from rl_rewards.models.transformer.model import TransformerModel
from rl_rewards.models.transformer.sequence import TokenNetwork, with_trunk

AT_ONCE = 512
"""The most texts of each seed that the network sees at once; three thousand, with ten seeds, took 18 GB."""
Fold = Literal["min", "product", "mean", "last"]
"""How the probabilities of a response's steps become its reward."""


@dataclass(frozen=True, kw_only=True)
class StepModel:
    """The network, its optimiser, and the fold of its scores; keys: configs/reward/process.yaml.

    Raises:
        ConfigError: if the model is no transformer.
    """

    text: TextSpec
    model: Model
    learning_rate: float
    weight_decay: float
    fold: Fold

    def __post_init__(self) -> None:
        require(
            isinstance(self.model, TransformerModel),
            f"reward=process scores the tokens of texts, and reward.model is a {type(self.model).__name__}; choose "
            "model@reward.model=transformer.",
        )

    @cached_property
    def network(self) -> TokenNetwork:
        assert isinstance(self.model, TransformerModel)
        return self.model.token_network()

    @cached_property
    def optimizer(self) -> optax.GradientTransformation:
        rule = optax.adamw(self.learning_rate, weight_decay=self.weight_decay)
        adapters = isinstance(self.model, TransformerModel) and self.model.lora_rank > 0
        return only_trainable(rule) if adapters else rule

    def init(self, key: Key) -> Any:
        """Return untrained variables."""
        return self.network.init(key, jnp.full((1, 2), self.text.end, jnp.int32))

    def with_policy(self, variables: Any, policy: Any) -> Any:
        """Return ``variables`` with the layers of a language model.

        Raises:
            ConfigError: if its sizes differ.
        """
        return with_trunk(variables, policy)

    def logits(self, variables: Any, texts: Int[Array, "N tokens"]) -> Float[Array, "N L"]:
        """Return the log-odds, at every token of a response, that the text up to it is right."""

        def of(some: Int[Array, "N tokens"]) -> Float[Array, "N L"]:
            found: Any = self.network.apply(variables, some)
            return found[:, self.text.prompt_tokens :]

        return in_pieces(of, texts, AT_ONCE)

    def fit(
        self,
        variables: Any,
        optimizer: Any,
        texts: Int[Array, "N tokens"],
        target: Float[Array, " N"],
        judged: Bool[Array, "N L"],
    ) -> tuple[Any, Any, Float[Array, ""]]:
        """Return variables and optimiser after one step on the mean cross-entropy at the ``judged`` tokens, and it."""

        def loss(params: Any) -> Float[Array, ""]:
            return mean_loss(self.logits({"params": params}, texts), target, judged)

        value, gradients = jax.value_and_grad(loss)(variables["params"])
        updates, optimizer = self.optimizer.update(gradients, optimizer, variables["params"])
        return {"params": optax.apply_updates(variables["params"], updates)}, optimizer, value

    def scores(self, variables: Any, texts: Int[Array, "N tokens"]) -> Float[Array, "N L"]:
        """Return P(right) at the last token of every step; 1 at all other tokens."""
        ends = step_ends(self.text, texts[:, self.text.prompt_tokens :])
        return jnp.where(ends, jax.nn.sigmoid(self.logits(variables, texts)), 1.0)

    def folded(self, scores: Float[Array, "N L"], texts: Int[Array, "N tokens"]) -> Float[Array, " N"]:
        """Return the reward of whole responses, in [0, 1]."""
        ends = step_ends(self.text, texts[:, self.text.prompt_tokens :])
        if self.fold == "min":
            return jnp.min(scores, axis=1)
        if self.fold == "product":
            return jnp.prod(scores, axis=1)
        if self.fold == "mean":
            return jnp.sum(jnp.where(ends, scores, 0.0), axis=1) / jnp.sum(ends, axis=1)
        last = scores.shape[1] - 1 - jnp.argmax(ends[:, ::-1], axis=1)
        return jnp.take_along_axis(scores, last[:, None], axis=1)[:, 0]


def mean_loss(logits: Float[Array, "N L"], target: Float[Array, " N"], judged: Bool[Array, "N L"]) -> Float[Array, ""]:
    """Return the mean cross-entropy, in nats, of the targets at the judged tokens; 0 without any."""
    loss = jax.nn.softplus(logits) - target[:, None] * logits
    return jnp.sum(jnp.where(judged, loss, 0.0)) / jnp.maximum(jnp.sum(judged), 1)
