"""A binary goal classifier: its network, regularised loss and gradient step. The caller chooses the data.

loss = BCE(f(mix(x)), smooth(mix(y))) + c_gp * (|grad_x f| - target)^2 - c_e * H(D), decoupled weight decay; or the
positive-unlabelled risk or the focal loss in place of BCE. High logits mean "goal" (for demonstrations: "expert").
Rewards use the current weights or their moving average.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.losses import bernoulli_entropy, binary_cross_entropy, focal_cross_entropy, non_negative_pu
from rl_rewards.core.normalize import RunningMoments
from rl_rewards.core.types import Key, Metrics
from rl_rewards.models.base import Model
from rl_rewards.models.ensemble import Ensemble
from rl_rewards.models.mlp import MLPModel
from rl_rewards.models.networks import apply, last_hidden_layer
from rl_rewards.rewards.classifier.inputs import Inputs
from rl_rewards.rewards.classifier.mixup import mix, mix_with_unlabelled

PENALTY_SCALE, SPECTRAL_SCALE = 10.0, 100.0
"""Factors of normalised inputs for a gradient penalty with a target, and for spectral norm, which keep the logit's
slope near 1 or below it. In standard deviations, goals and the states near them differ by less than 1, and so would
their logits. With spectral norm the slope stays far below its bound, since every layer reduces it. The factors were
chosen by scripts/measure_regularisers.py."""


class ClassifierState(struct.PyTreeNode):
    variables: dict  # leaves [E, ...]: "params" and, with spectral norm, "batch_stats"
    optimizer: optax.OptState  # leaves [E, ...]
    moments: RunningMoments  # of the examples, set once; unused unless inputs are normalised


class AveragedState(ClassifierState):
    """A state with the moving average of the weights, only used if :attr:`Classifier.average` is above 0."""

    average: dict  # of "params", with the same leaves


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """An ensemble of networks with independent weights, batches and optimisers.

    Keys and units: configs/classifier/mlp.yaml. A reward sets the layout of the rows: ``replace(classifier,
    inputs=...)``.
    """

    model: Model
    learning_rate: float
    weight_decay: float
    ensemble: int
    combine: Literal["mean", "min"]
    mixup: float
    label_smoothing: float
    input_noise: float
    gradient_penalty: float
    gradient_penalty_target: float
    entropy_weight: float
    goal_prior: float | None
    normalize_inputs: bool | None
    input_scale: float | None = 1.0
    gradient_penalty_at: Literal["between", "goals"] = "between"
    negative_weighting: Literal["none", "focal"] = "none"
    average: float = 0.0
    inputs: Inputs = Inputs()

    def __post_init__(self) -> None:
        group = "reward.classifier"
        check_fields(self, group)
        require(self.ensemble > 0, f"{group}.ensemble={self.ensemble} must be at least 1.")
        require(self.learning_rate > 0, f"{group}.learning_rate={self.learning_rate} must be positive.")
        require(self.mixup >= 0, f"{group}.mixup={self.mixup} must be 0 (off) or positive.")
        require(self.input_noise >= 0, f"{group}.input_noise={self.input_noise} must be 0 (off) or positive.")
        require(0 <= self.label_smoothing < 1, f"{group}.label_smoothing={self.label_smoothing} must lie in [0, 1).")
        require(
            self.input_scale is None or self.input_scale > 0,
            f"{group}.input_scale={self.input_scale} must be positive, or null for the default of the regularisers.",
        )
        require(0 <= self.average < 1, f"{group}.average={self.average} must be 0 (off) or lie between 0 and 1.")
        if self.goal_prior is not None:
            require(
                0 < self.goal_prior < 1, f"{group}.goal_prior={self.goal_prior} must lie between 0 and 1, or be null."
            )
            require(
                self.negative_weighting == "none",
                f"{group}.negative_weighting={self.negative_weighting} weights negatives, but with {group}.goal_prior="
                f"{self.goal_prior} there are only unlabelled states; set one of the two to none or null.",
            )

    @property
    def normalizes(self) -> bool:
        """Return True if inputs are normalised: as configured or, by default, if a regulariser bounds the slope."""
        return self._bounds_slopes if self.normalize_inputs is None else self.normalize_inputs

    @property
    def scale(self) -> float:
        """Return the factor by which inputs are multiplied after they are normalised."""
        if self.input_scale is not None:
            return self.input_scale
        if self.model.bounds_slope:
            return self.inputs.scale(SPECTRAL_SCALE)
        penalised = self.gradient_penalty > 0.0 and self.gradient_penalty_target > 0.0
        return self.inputs.scale(PENALTY_SCALE if penalised else 1.0)

    @property
    def _bounds_slopes(self) -> bool:
        return self.model.bounds_slope or self.gradient_penalty > 0.0

    @property
    def warnings(self) -> list[str]:
        """Return warnings about settings that can work but have failed in experiments."""
        found = []
        if self._bounds_slopes and not self.normalizes:
            penalty = f"gradient_penalty={self.gradient_penalty:g}"
            which = "model.spectral_norm=true" if self.model.bounds_slope else penalty
            found.append(
                f"reward.classifier.{which} bounds how fast the classifier's output changes with its inputs, which are "
                "not normalised: it cannot distinguish goals from other states that are close to them in these units. "
                "reward.classifier.normalize_inputs=null and reward.classifier.input_scale=null scale the inputs to "
                "fit."
            )
        if isinstance(self.model, MLPModel) and self.model.spectral_norm and self.model.activation == "tanh":
            found.append(
                "reward.classifier.model.spectral_norm=true with activation=tanh makes the classifier flatter than "
                "necessary, since tanh reduces the slope in every layer: it can hardly distinguish goals from states "
                "near them. reward.classifier.model.activation=leaky_relu keeps the slope."
            )
        return found

    @cached_property
    def network(self) -> nn.Module:
        return self.inputs.network(self.model)

    @cached_property
    def _members(self) -> Ensemble:
        return Ensemble(self.ensemble, optax.adamw(self.learning_rate, weight_decay=self.weight_decay))

    def init(self, key: Key, features: int) -> ClassifierState:
        """Return untrained members for inputs of ``features`` entries."""
        variables = self._members.init(lambda k: self.network.init(k, jnp.zeros((1, features))), key)
        state = ClassifierState(
            variables=variables,
            optimizer=self._members.init_optimizer(variables["params"]),
            moments=RunningMoments.init((features,)),
        )
        return AveragedState(**vars(state), average=variables["params"]) if self.average > 0.0 else state

    def set_moments(self, state: ClassifierState, inputs: Float[Array, "N d"]) -> ClassifierState:
        """Return the state with the input statistics of ``inputs``.

        The scale of an entry that is constant in them is unknown: such an entry is centred but not divided.
        """
        moments = RunningMoments.init(inputs.shape[1:]).update(inputs, jnp.ones(inputs.shape[:1], bool))
        constant = jnp.all(inputs == inputs[:1], axis=0)
        return state.replace(moments=moments.replace(variance=jnp.where(constant, 1.0, moments.variance)))

    def logits(self, state: ClassifierState, inputs: Float[Array, "*batch d"]) -> Float[Array, " E *batch"]:
        """Return the log-odds of being a goal, one per member."""

        def whole(rows: Array) -> Array:
            rows = self.scaled(state, rows)
            return jax.vmap(lambda variables: apply(self.network, variables, rows)[..., 0])(self.paying(state))

        return self.inputs.logits(whole, inputs)

    def paying(self, state: ClassifierState) -> dict:
        """Return the variables that determine rewards, leaves [E, ...]: the moving average if there is one."""
        return state.variables | {"params": state.average} if isinstance(state, AveragedState) else state.variables

    def hidden_layer(self, state: ClassifierState, inputs: Float[Array, "*batch d"]) -> Float[Array, "*batch width"]:
        """Return the activations of the first member's last hidden layer."""
        first = jax.tree.map(lambda x: x[0], state.variables)
        return last_hidden_layer(self.network, first, self.scaled(state, inputs))

    def combined(self, values: Float[Array, " E *batch"]) -> Float[Array, "*batch"]:
        """Return the mean of the members' values, or their minimum (then an exploit must fool all of them)."""
        return jnp.min(values, axis=0) if self.combine == "min" else jnp.mean(values, axis=0)

    def train_step(
        self,
        state: ClassifierState,
        positives: Float[Array, "E N d"],
        negatives: Float[Array, "E M d"],
        key: Key,
    ) -> tuple[ClassifierState, Metrics]:
        """Take one gradient step of every member on its own batch, and update the moving average if there is one."""
        others = {name: value for name, value in state.variables.items() if name != "params"}
        rows = (self.scaled(state, inputs) for inputs in (positives, negatives))
        keys = jax.random.split(key, self.ensemble)
        stepped = self._members.step(self._loss, state.variables["params"], state.optimizer, others, *rows, keys)
        others, metrics = stepped.told
        metrics["reward/gradient_norm"] = stepped.gradient_norm
        state = state.replace(variables={"params": stepped.params, **others}, optimizer=stepped.optimizer)
        return self._averaged(state), jax.tree.map(jnp.mean, metrics)

    def dashboard(
        self, state: ClassifierState, positives: Float[Array, "E N d"], negatives: Float[Array, "E M d"]
    ) -> Metrics:
        """Return how well the rewarding weights classify every member's own, unmixed batch; means over members.

        This is computed once per round: in every gradient step it would add a third to the cost of the update.
        """

        def member(variables, positive, negative):
            logit_goal, logit_negative = (apply(self.network, variables, x)[..., 0] for x in (positive, negative))
            return {
                "reward/accuracy_goal": jnp.mean(logit_goal > 0.0),
                "reward/accuracy_negative": jnp.mean(logit_negative < 0.0),
                "reward/prob_goal": jnp.mean(jax.nn.sigmoid(logit_goal)),
                "reward/prob_negative": jnp.mean(jax.nn.sigmoid(logit_negative)),
            }

        inputs = self.scaled(state, positives), self.scaled(state, negatives)
        return jax.tree.map(jnp.mean, jax.vmap(member)(self.paying(state), *inputs))

    def _averaged(self, state: ClassifierState) -> ClassifierState:
        """Return the state after average <- c average + (1 - c) params, if there is an average.

        c is ``average``, but after step n at most 1 - 1 / n, so that the average is at first the plain mean and does
        not contain the initial weights.
        """
        if not isinstance(state, AveragedState):
            return state
        steps = optax.tree.get(state.optimizer, "count")[0]  # equal for all members
        decay = jnp.minimum(self.average, 1.0 - 1.0 / steps)
        params = state.variables["params"]
        average = jax.tree.map(lambda old, new: decay * old + (1.0 - decay) * new, state.average, params)
        return state.replace(average=average)

    def scaled(self, state: ClassifierState, inputs: Array) -> Array:
        """Return ``inputs`` in the network's units."""
        return self.inputs.scaled(inputs, state.moments, self.normalizes, self.scale)

    def _loss(self, params: dict, others: dict, positive: Array, negative: Array, key: Key):
        """Return the loss of one member and, as auxiliary output, the updated statistics and the metrics."""
        dropout_key, mixup_key, noise_key, penalty_key = jax.random.split(key, 4)
        variables = {"params": params, **others}
        inputs = jnp.concatenate([positive, negative])
        targets = jnp.concatenate([jnp.ones(len(positive)), jnp.zeros(len(negative))])
        if self.input_noise > 0.0:
            inputs = inputs + self.input_noise * jax.random.normal(noise_key, inputs.shape)
        if self.mixup > 0.0 and self.goal_prior is not None:
            inputs = mix_with_unlabelled(mixup_key, inputs, len(positive), self.mixup)
        elif self.mixup > 0.0:
            inputs, targets = mix(mixup_key, inputs, targets, self.mixup)
        if self.label_smoothing > 0.0:
            targets = targets * (1.0 - self.label_smoothing) + 0.5 * self.label_smoothing
        output, moved = self.network.apply(
            variables, inputs, train=True, rngs={"dropout": dropout_key}, mutable=list(others)
        )
        logits = output[..., 0]
        if self.goal_prior is not None:
            known, unlabelled = logits[: len(positive)], logits[len(positive) :]
            loss = non_negative_pu(known, unlabelled, self.goal_prior, self.label_smoothing)
        elif self.negative_weighting == "focal":
            loss = jnp.mean(focal_cross_entropy(logits, targets))
        else:
            loss = jnp.mean(binary_cross_entropy(logits, targets))
        entropy = jnp.mean(bernoulli_entropy(logits))
        metrics = {"reward/loss": loss, "reward/entropy": entropy}
        loss = loss - self.entropy_weight * entropy
        if self.gradient_penalty > 0.0:
            penalty = self._gradient_penalty(variables, positive, negative, penalty_key)
            metrics["reward/gradient_penalty"] = penalty
            loss = loss + self.gradient_penalty * penalty
        return loss, (dict(moved), metrics)

    def _gradient_penalty(self, variables: dict, positive: Array, negative: Array, key: Key) -> Array:
        """Return the mean of (|grad f| - target)^2, where f is the logit, over the points of ``gradient_penalty_at``.

        ``between``: random points between goals and negatives (Gulrajani et al. 2017, arXiv:1704.00028, equation 3).
        ``goals``: only goals; with target 0 and weight gamma / 2 this is R1 (Mescheder et al. 2018, arXiv:1801.04406,
        equation 9), which does not restrict the slope between goals and other states.
        """
        points = positive
        if self.gradient_penalty_at == "between":
            n = min(len(positive), len(negative))
            weight = jax.random.uniform(key, (n, 1))
            points = weight * positive[:n] + (1.0 - weight) * negative[:n]
        gradients = jax.vmap(jax.grad(lambda x: apply(self.network, variables, x)[0]))(points)
        norms = jnp.sqrt(jnp.sum(jnp.square(gradients), axis=-1) + 1e-12)
        return jnp.mean(jnp.square(norms - self.gradient_penalty_target))
