"""The base of all algorithms whose policy is a language model: sampling, log-probabilities, and the start of a stage.

One step of the environment is a whole response. The policy samples its tokens from the distribution of the model at
temperature 1, over the tokens that the environment knows; its mode takes the most probable token each time. All these
algorithms share one state, so that each can begin with the model of another (pre-training, fine-tuning, RL).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Int

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.algorithms.language.responses import Responses, responses_in
from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.pieces import in_pieces
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Action, EnvSpec, Key, Memory, Obs
from rl_rewards.models.base import Model
from rl_rewards.models.transformer.generate import Generated, Scored, generate, score
from rl_rewards.models.transformer.lora import frozen_part, joined, trained_part
from rl_rewards.models.transformer.model import LanguageModel, TransformerModel

MOST_LOGITS = 2**25
"""The most logits that are computed at once, 134 MB; beyond it responses are scored in pieces. A model with a large
vocabulary has 50,000 logits for each token."""
MOST_RESPONSES = 4096
"""The most responses of each seed that are written at once."""


class LanguageState(struct.PyTreeNode):
    params: dict  # {"model"}: the policy; an algorithm may add its own networks
    reference: Any  # the policy that this stage began with, only its weights that train; () if it is not used
    optimizer: Any  # the state of the optimiser; () for a policy that does not learn
    kl_coefficient: Float[Array, ""]  # beta; 0 if the algorithm has none


@dataclass(frozen=True, kw_only=True)
class LanguagePolicy(Algorithm):
    """A language model as a policy, without a rule by which it learns.

    Raises:
        ConfigError: if the environment has no texts, or the model is not a transformer with enough tokens.
    """

    spec: EnvSpec
    model: Model

    uses_reference = False
    """True if the algorithm compares the policy with the one that the stage began with."""

    def __post_init__(self) -> None:
        check_fields(self, "algorithm")
        name, text = type(self).__name__, self.spec.text
        require(
            text is not None,
            f"{name} learns from texts, and {self.spec.name} has none; choose env=text, or another algorithm.",
        )
        require(
            isinstance(self.model, TransformerModel),
            f"{name} needs a language model, and algorithm.model is a {type(self.model).__name__}; choose "
            "model@algorithm.model=transformer.",
        )
        require(
            self.transformer.pad in (None, self.text.pad),
            f"algorithm.model.pad={self.transformer.pad} is not the token of padding of {self.spec.name}, which is "
            f"{self.text.pad}; leave it out.",
        )
        require(
            self.transformer.vocabulary is None or self.transformer.vocabulary >= self.text.vocabulary,
            f"algorithm.model.vocabulary={self.transformer.vocabulary} is less than the {self.text.vocabulary} tokens "
            f"of {self.spec.name}; it must be at least that.",
        )

    @property
    def text(self) -> TextSpec:
        """The layout of the environment's texts."""
        assert self.spec.text is not None
        return self.spec.text

    @property
    def transformer(self) -> TransformerModel:
        """The model that builds the policy."""
        assert isinstance(self.model, TransformerModel)
        return self.model

    @cached_property
    def network(self) -> LanguageModel:
        return self.transformer.language_model()

    def init_networks(self, key: Key) -> dict[str, Any]:
        """Return the parameters of all networks by name; ``model`` is the policy."""
        tokens = jnp.full((1, 2), self.text.end, jnp.int32)
        return {"model": self.network.init(key, tokens)}

    def init(self, key: Key) -> LanguageState:
        params = self.init_networks(key)
        return LanguageState(
            params=params,
            reference=jax.tree.map(jnp.copy, trained_part(params["model"])) if self.uses_reference else (),
            optimizer=self.init_optimizer(params),
            kl_coefficient=jnp.zeros(()),
        )

    def init_optimizer(self, params: dict) -> Any:
        """Return the first state of the optimiser; () for a policy that does not learn."""
        return ()

    def can_adopt(self, other: Algorithm) -> bool:
        """Return True for every algorithm whose policy is a language model."""
        return isinstance(other, LanguagePolicy)

    def adopt(self, state: LanguageState, learned: LanguageState) -> LanguageState:
        """Return ``state`` with the policy of ``learned``, which is also the new reference.

        The adapters of LoRA stay fresh if ``learned`` has none.
        """
        own, given = state.params["model"]["params"], learned.params["model"]["params"]
        kept = {name: own[name] for name in own if name == "lora" and name not in given}
        params = state.params | {"model": {"params": {**given, **kept}}}
        return state.replace(params=params, reference=trained_part(params["model"]) if self.uses_reference else ())

    def state_with(self, weights: Any) -> LanguageState:
        """Return a state that has only these weights of a language model, to adopt."""
        return LanguageState(params={"model": weights}, reference=(), optimizer=(), kl_coefficient=jnp.zeros(()))

    def reference_of(self, state: LanguageState) -> Any:
        """Return all parameters of the reference: with LoRA, it shares the frozen ones with the policy."""
        return joined(state.reference, frozen_part(state.params["model"]))

    def act(
        self, state: LanguageState, memory: Memory, obs: Obs, key: Key, explore: bool
    ) -> tuple[Action, Memory, dict[str, Array]]:
        """Return one response [B, L] to every prompt, with the log-probability of each of its tokens."""
        prompts = obs[:, : self.text.prompt_tokens]
        written = self.write(state, prompts, key, self.text.response_tokens, greedy=not explore)
        return written.response, memory, {"log_prob": written.log_prob}

    def write(
        self, state: LanguageState, prompts: Int[Array, "B P"], key: Key, response_tokens: int, greedy: bool
    ) -> Generated:
        """Return one response of at most ``response_tokens`` to every prompt, which may have any length P.

        More than ``MOST_RESPONSES`` are written in equal pieces, whose caches need less memory.
        """
        text, batch = self.text, len(prompts)

        def write(prompts: Int[Array, "B P"], key: Key) -> Generated:
            return generate(
                self.network,
                state.params["model"],
                prompts,
                key,
                response_tokens=response_tokens,
                end=text.end,
                allowed=text.vocabulary,
                greedy=greedy,
            )

        if batch <= MOST_RESPONSES:
            return write(prompts, key)
        pieces = math.ceil(batch / MOST_RESPONSES)
        size = math.ceil(batch / pieces)
        filled = jnp.concatenate([prompts, jnp.repeat(prompts[-1:], pieces * size - batch, axis=0)])
        each = filled.reshape(pieces, size, -1), jax.random.split(key, pieces)
        written = jax.lax.map(lambda one: write(*one), each)
        return jax.tree.map(lambda x: x.reshape(pieces * size, *x.shape[2:])[:batch], written)

    def log_prob(self, state: LanguageState, obs: Obs, action: Action) -> Float[Array, "*batch"]:
        """Return the log-probability, in nats, of whole responses."""
        batch = obs.shape[:-1]
        whole = jnp.concatenate([obs[..., : self.text.prompt_tokens], action], axis=-1)
        responses = responses_in(self.text, whole)
        scored = self.scored(state.params["model"], responses)
        return jnp.sum(scored.log_prob * responses.mask, axis=-1).reshape(batch)

    def complete(
        self, state: LanguageState, obs: Obs, action: Int[Array, "N L"], place: Int[Array, " N"], key: Key
    ) -> Int[Array, "N L"]:
        """Return responses that are as they were up to the token ``place`` and are sampled from there on.

        A response that has ended by then stays as it is; one that is longer than L tokens is cut.
        """
        text, positions = self.text, jnp.arange(self.text.response_tokens)
        kept = positions <= place[:, None]
        begun = jnp.where(kept, action, text.pad)
        whole = jnp.concatenate([obs[:, : text.prompt_tokens], begun], axis=1)
        shift = text.response_tokens - 1 - place  # the padding at the right moves to the left
        source = (jnp.arange(whole.shape[1]) - shift[:, None]) % whole.shape[1]
        prompts = jnp.take_along_axis(whole, source, axis=1)
        written = generate(
            self.network,
            state.params["model"],
            prompts,
            key,
            response_tokens=text.response_tokens,
            end=text.end,
            allowed=text.vocabulary,
        ).response
        follows = jnp.take_along_axis(written, jnp.maximum(positions - place[:, None] - 1, 0), axis=1)
        over = jnp.any(kept & (action == text.end), axis=1, keepdims=True)
        return jnp.where(kept | over, action, follows)

    def answer_log_prob(
        self, state: LanguageState, prompt: Int[Array, "N P"], answer: Int[Array, "N L"]
    ) -> Float[Array, " N"]:
        """Return the log-probability, in nats, of whole answers; prompts and answers may have any length."""
        text = self.text
        found = score(self.network, state.params["model"], prompt, answer, end=text.end, allowed=text.vocabulary)
        return jnp.sum(found.log_prob, axis=-1)

    def scored(self, params: Any, responses: Responses, with_logits: bool = False) -> Scored:
        """Return the log-probabilities [N, L] of the responses' tokens under the policy ``params``, and more.

        With a large vocabulary the responses are scored in pieces, one after another, unless their logits are kept.
        """

        text, each = self.text, self.text.response_tokens * self.network.vocabulary

        def of(pairs: tuple[Array, Array]) -> Scored:
            return score(self.network, params, *pairs, end=text.end, allowed=text.vocabulary, with_logits=with_logits)

        pairs = (responses.prompt, responses.response)
        return of(pairs) if with_logits else in_pieces(of, pairs, max(1, MOST_LOGITS // each))

    def trunk(self, state: LanguageState) -> Any:
        """Return the parameters of the policy, with which a reward model can begin."""
        return state.params["model"]


@dataclass(frozen=True, kw_only=True)
class LanguageLearner(LanguagePolicy):
    """A language model that learns by gradient steps.

    A subclass may set ``uses_reference``, and define ``init_networks`` for more networks than the policy.

    Raises:
        ConfigError: if an argument is invalid.
    """

    learning_rate: float
    weight_decay: float
    max_gradient_norm: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.learning_rate > 0, f"algorithm.learning_rate={self.learning_rate} must be positive.")
        require(self.weight_decay >= 0, f"algorithm.weight_decay={self.weight_decay} must be 0 (off) or positive.")
        require(self.max_gradient_norm > 0, f"algorithm.max_gradient_norm={self.max_gradient_norm} must be positive.")

    @cached_property
    def optimizer(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_gradient_norm), self.rule)

    @property
    def rule(self) -> optax.GradientTransformation:
        """The rule by which gradients change parameters."""
        return optax.adamw(self.learning_rate, b2=0.99, weight_decay=self.weight_decay)

    def init_optimizer(self, params: dict) -> Any:
        return self.optimizer.init(trained_part(params))

    def value_and_grad(self, loss: Callable[..., Any], has_aux: bool = False) -> Callable[..., Any]:
        """Return ``jax.value_and_grad`` of ``loss(params, ...)``, with the gradients of the weights that train alone.

        With LoRA, the gradients of the frozen weights are not even computed.
        """

        def of(params: dict, *others: Any) -> Any:
            frozen = frozen_part(params)
            differentiated = jax.value_and_grad(lambda trained: loss(joined(trained, frozen), *others), has_aux=has_aux)
            return differentiated(trained_part(params))

        return of

    def descend(self, state: LanguageState, gradients: dict) -> LanguageState:
        """Return ``state`` after one step of the optimiser along ``gradients``, those of :meth:`value_and_grad`."""
        trained = trained_part(state.params)
        updates, optimizer = self.optimizer.update(gradients, state.optimizer, trained)
        params = joined(optax.apply_updates(trained, updates), frozen_part(state.params))
        return state.replace(params=params, optimizer=optimizer)
