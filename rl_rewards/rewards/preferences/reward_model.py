"""An ensemble that maps every step to a reward: separate networks, or heads on one (with ``shared_trunk``).

The caller chooses the loss and the data. Of E members, M networks have H heads each: M, H = E, 1 or 1, E.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.pieces import in_pieces
from rl_rewards.core.types import Key, Metrics
from rl_rewards.models.base import Model, check_model
from rl_rewards.models.ensemble import Ensemble
from rl_rewards.models.networks import apply
from rl_rewards.models.transformer.lora import only_trainable
from rl_rewards.models.transformer.model import TransformerModel
from rl_rewards.models.transformer.sequence import with_trunk

INPUT_CLIP = 10.0  # standard deviations; only for normalised inputs
AT_ONCE = 512
"""The most texts of each seed that a transformer judges at once, so that memory suffices for any number of them."""


class RewardModelState(struct.PyTreeNode):
    variables: dict  # leaves [M, ...]
    optimizer: optax.OptState  # leaves [M, ...]
    moments: RunningMoments  # of the inputs; unused unless normalize_inputs


@dataclass(frozen=True, kw_only=True)
class RewardModel:
    """An ensemble whose members learn from independent batches; keys and units: configs/reward_model/mlp.yaml."""

    model: Model
    output: Literal["linear", "tanh"]
    learning_rate: float
    weight_decay: float
    ensemble: int
    normalize_inputs: bool
    begins_with: Literal["nothing", "policy"] = "nothing"
    shared_trunk: bool = False

    def __post_init__(self) -> None:
        group = "reward.reward_model"
        check_fields(self, group)
        require(self.ensemble > 0, f"{group}.ensemble={self.ensemble} must be at least 1.")
        require(
            self.ensemble > 1 or not self.shared_trunk,
            f"{group}.shared_trunk=true makes the members of an ensemble heads on one network; choose "
            f"{group}.ensemble=3 or more, or {group}.shared_trunk=false.",
        )
        require(self.learning_rate > 0, f"{group}.learning_rate={self.learning_rate} must be positive.")
        require(self.weight_decay >= 0, f"{group}.weight_decay={self.weight_decay} must be 0 (off) or positive.")
        check_model(self.model, f"{group}.model")
        require(
            self.begins_with == "nothing" or isinstance(self.model, TransformerModel),
            f"{group}.begins_with=policy copies the layers of a language model; choose model@{group}.model=transformer "
            f"with the sizes of algorithm.model, or {group}.begins_with=nothing.",
        )
        require(
            not self.model.bounds_slope,
            f"{group}.model has spectral norm, which is for classifiers; choose {group}.model.spectral_norm=false.",
        )

    @property
    def _heads(self) -> int:
        return self.ensemble if self.shared_trunk else 1

    @cached_property
    def network(self) -> nn.Module:
        return self.model.network(self._heads)

    @cached_property
    def _networks(self) -> Ensemble:
        rule = optax.adamw(self.learning_rate, weight_decay=self.weight_decay)
        adapters = isinstance(self.model, TransformerModel) and self.model.lora_rank > 0
        return Ensemble(self.ensemble // self._heads, only_trainable(rule) if adapters else rule)

    def init(self, key: Key, features: int) -> RewardModelState:
        """Return untrained members for inputs of ``features`` entries."""
        variables = self._networks.init(lambda k: self.network.init(k, jnp.zeros((1, features))), key)
        return RewardModelState(
            variables=variables,
            optimizer=self._networks.init_optimizer(variables["params"]),
            moments=RunningMoments.init((features,)),
        )

    def begin_with(self, state: RewardModelState, policy: Any) -> RewardModelState:
        """Return ``state`` with the trunk of a language model, if the model is one and ``begins_with`` is policy."""
        if self.begins_with != "policy":
            return state
        variables = jax.vmap(lambda one: with_trunk(one, policy))(state.variables)
        return state.replace(variables=variables, optimizer=self._networks.init_optimizer(variables["params"]))

    def rewards(self, state: RewardModelState, inputs: Float[Array, "*batch d"]) -> Float[Array, " E *batch"]:
        """Return the reward of every step, one per member; many texts are judged in pieces."""
        inputs = self._scaled(state, inputs)
        flat = inputs.reshape(-1, inputs.shape[-1])

        def judged(some: Float[Array, "*batch d"]) -> Float[Array, "*batch E"]:
            found = jax.vmap(lambda variables: apply(self.network, variables, some))(state.variables)  # [M, *batch, H]
            return self._bounded(jnp.moveaxis(found, 0, -2)).reshape(*some.shape[:-1], self.ensemble)

        found = in_pieces(judged, flat, AT_ONCE) if isinstance(self.model, TransformerModel) else judged(flat)  # [N, E]
        return found.T.reshape(self.ensemble, *inputs.shape[:-1])

    def train_step(
        self,
        state: RewardModelState,
        inputs: Float[Array, "E *batch d"],
        loss: Callable[[Float[Array, "*batch"], Any], tuple[Array, Metrics]],
        told: Any,
        key: Key,
    ) -> tuple[RewardModelState, Metrics]:
        """Take one gradient step of every network, on its members' own batches.

        Args:
            loss: the loss of one member, a function (rewards of ``inputs``, its part of ``told``) -> (loss, metrics).
            told: the answers for the batches, leaves [E, ...].
        """

        def objective(params, some, known, keys):
            output = self.network.apply({"params": params}, some, train=True, rngs={"dropout": keys[0]})
            own = jax.vmap(lambda one, head: one[..., head])(output, jnp.arange(self._heads))
            losses, metrics = jax.vmap(loss)(self._bounded(own), known)
            return jnp.sum(losses), metrics

        by_member = (self._scaled(state, inputs), told, jax.random.split(key, self.ensemble))
        by_network = jax.tree.map(lambda x: x.reshape(-1, self._heads, *x.shape[1:]), by_member)
        stepped = self._networks.step(objective, state.variables["params"], state.optimizer, *by_network)
        metrics = stepped.told | {"reward/gradient_norm": stepped.gradient_norm}
        state = state.replace(variables={"params": stepped.params}, optimizer=stepped.optimizer)
        return state, jax.tree.map(jnp.mean, metrics)

    def _bounded(self, output: Array) -> Array:
        return jnp.tanh(output) if self.output == "tanh" else output

    def _scaled(self, state: RewardModelState, inputs: Array) -> Array:
        return state.moments.normalize(inputs, INPUT_CLIP) if self.normalize_inputs else inputs
