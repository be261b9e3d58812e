"""Training of a reward model on answers: batches of queries, cropped segments, and pseudo-labels.

loss = cross-entropy of the answers + pseudo_weight * cross-entropy of a member's confident predictions for other pairs
(Christiano et al. 2017, section 2.2.3; pseudo-labels and crops: SURF, Park et al. 2022, arXiv:2203.10050). Corrections
and descriptions have the cross-entropy of a choice instead. With
``length_control``, answers about texts are explained by their lengths, too; see length_control.py.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from rl_rewards.core.queries import choice_loss, preference_loss, right
from rl_rewards.core.text_measures import response_length
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Key, Metrics
from rl_rewards.rewards.preferences.length_control import without_length
from rl_rewards.rewards.preferences.reward_model import RewardModel, RewardModelState


@dataclass(frozen=True, kw_only=True)
class PreferenceFit:
    """The loss of a reward model and its gradient steps; keys and units: configs/reward/preferences.yaml."""

    model: RewardModel
    batch_size: int
    label_noise: float
    crop: float
    pseudo_weight: float
    pseudo_confidence: float
    length_control: float = 0.0
    soft_answers: bool = False
    chooses: bool = False  # answers are choices of one segment
    text: TextSpec | None = None  # needed by length_control

    def step(
        self,
        model: RewardModelState,
        inputs: Float[Array, "D K L d"],
        scores: Float[Array, "D K"],
        trainable: Bool[Array, " D"],
        unlabelled: Float[Array, "U K L d"] | None,
        key: Key,
    ) -> tuple[RewardModelState, Metrics]:
        """Take one gradient step of every member.

        Args:
            scores: the answers; NaN where there is none.
            trainable: True for the queries to learn from, at least one.
            unlabelled: segments without answers, for pseudo-labels.
        """
        draw_key, crop_key, step_key = jax.random.split(key, 3)
        cumulative = jnp.cumsum(trainable)
        shape = (self.model.ensemble, self.batch_size)
        rank = jax.random.randint(draw_key, shape, 0, jnp.maximum(cumulative[-1], 1)) + 1
        index = jnp.searchsorted(cumulative, rank)
        inputs, scores = inputs[index], scores[index]
        if unlabelled is not None:
            guessed = jnp.sum(self.model.rewards(model, unlabelled), axis=-1)  # [E, U, 2]: each member's own prediction
            surely = jax.nn.sigmoid(jnp.abs(guessed[..., :1] - guessed[..., 1:])) > self.pseudo_confidence
            inputs = jnp.concatenate([inputs, jnp.broadcast_to(unlabelled, (len(inputs), *unlabelled.shape))], axis=1)
            scores = jnp.concatenate([scores, jnp.where(surely, guessed, jnp.nan)], axis=1)
        told = (scores, self._kept(crop_key, inputs.shape[:-1]), self._lengths(inputs))
        return self.model.train_step(model, inputs, self._loss, told, step_key)

    def _kept(self, key: Key, shape: tuple[int, ...]) -> Float[Array, "E N K L"]:
        """Return 1 on the steps of a random crop of every segment, of equal length for all clips of a query, and 0
        elsewhere (SURF, Park et al. 2022, arXiv:2203.10050, section 4.2)."""
        *queries, clips, steps = shape
        length_key, start_key = jax.random.split(key)
        shortest = max(1, round((1.0 - self.crop) * steps))
        length = jax.random.randint(length_key, (*queries, 1, 1), shortest, steps + 1)
        start = jnp.floor(jax.random.uniform(start_key, (*queries, clips, 1)) * (steps - length + 1))
        place = jnp.arange(steps)
        return ((place >= start) & (place < start + length)).astype(jnp.float32)

    def _lengths(self, inputs: Float[Array, "E N K L d"]) -> Float[Array, "E N K"] | None:
        """Return the number of tokens of every response; None without a control of the length."""
        if self.length_control == 0.0 or self.text is None:
            return None
        return jnp.sum(response_length(self.text, inputs), axis=-1)

    def _loss(
        self,
        rewards: Float[Array, "N K L"],
        told: tuple[Float[Array, "N K"], Float[Array, "N K L"], Float[Array, "N K"] | None],
    ) -> tuple[Array, Metrics]:
        """Return the loss of the answers plus ``pseudo_weight`` times that of the pseudo-labels, which follow them."""
        scores, kept, lengths = told
        if scores.shape[-1] == 1:  # a rating is the mean reward of the segment's steps
            error = jnp.square(jnp.sum(rewards * kept, axis=-1) / jnp.sum(kept, axis=-1) - scores)
            loss = jnp.mean(jnp.where(jnp.isfinite(scores), error, 0.0))
            return loss, {"reward/loss": loss}
        returns = jnp.sum(rewards * kept, axis=-1)
        n = self.batch_size
        found, decided = right(returns[:n], scores[:n])
        accuracy = jnp.sum(found) / jnp.maximum(jnp.sum(decided), 1.0)
        if lengths is not None:
            explained, correlation, coefficient = without_length(returns, lengths, scores)
            loss = self._mean_loss(explained, scores)
            metrics = {
                "reward/loss": loss,
                "reward/accuracy": accuracy,
                "reward/length_correlation": correlation,
                "reward/length_coefficient": coefficient,
            }
            return loss + self.length_control * jnp.square(correlation), metrics
        loss = self._mean_loss(returns[:n], scores[:n])
        metrics = {"reward/loss": loss, "reward/accuracy": accuracy}
        if self.pseudo_weight == 0.0:
            return loss, metrics
        guessed = self._mean_loss(returns[n:], scores[n:])
        metrics["reward/pseudo_labels"] = jnp.mean(jnp.isfinite(scores[n:, 0]).astype(jnp.float32))
        return loss + self.pseudo_weight * guessed, metrics

    def _mean_loss(self, returns: Float[Array, "N K"], scores: Float[Array, "N K"]) -> Float[Array, ""]:
        if self.chooses:
            loss, pairs = choice_loss(returns, scores, self.label_noise)
        else:
            loss, pairs = preference_loss(returns, scores, self.label_noise, self.soft_answers)
        return jnp.sum(loss) / jnp.maximum(jnp.sum(pairs), 1.0)
