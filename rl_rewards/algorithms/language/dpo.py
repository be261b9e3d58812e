"""Direct preference optimisation, IPO, KTO and ORPO: a policy learns from compared responses without a reward model.

The comparisons are those that the reward keeps: with reward=frozen, the answers that were given in the run whose reward
it is. With a reward that keeps none, they are those of the environment's file (chosen and rejected). The formulas are
in ``rl_rewards.core.preference_losses``.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.algorithms.language.distance import distance_metrics
from rl_rewards.algorithms.language.learner import LanguageLearner, LanguageState
from rl_rewards.algorithms.language.responses import Responses, responses_in
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.pieces import compute_where
from rl_rewards.core.preference_losses import PreferenceLoss, dpo_loss, ipo_loss, kto_loss, orpo_loss
from rl_rewards.core.queries import Comparisons, pairs_of
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.text_measures import held_out_prompts, text_metrics
from rl_rewards.core.types import Experience, Key, Metrics, RewardFn
from rl_rewards.data.draws import draw_true


class ResponsePairIndex(NamedTuple):
    """Compared pairs of responses; every pair of a ranking is one."""

    first: Int[Array, " M"]  # index of the better one among all responses [D K]
    second: Int[Array, " M"]  # index of the worse one
    decided: Bool[Array, " M"]  # False where there is no answer, or a tie


@dataclass(frozen=True, kw_only=True)
class DPO(LanguageLearner):
    """Learning from comparisons; configs/algorithm/dpo.yaml explains its arguments.

    Raises:
        ConfigError: if an argument is invalid.
    """

    rounds: int
    gradient_steps: int
    batch_size: int
    loss: PreferenceLoss
    beta: float
    label_smoothing: float
    heldout_every: int
    own_responses: int = 128

    uses_reference = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rounds", "gradient_steps", "batch_size", "own_responses"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        require(self.beta > 0, f"algorithm.beta={self.beta} must be positive.")
        share = self.label_smoothing
        require(0 <= share < 0.5, f"algorithm.label_smoothing={share} must lie in [0, 0.5); 0 is off.")
        require(
            share == 0 or self.loss == "dpo",
            f"algorithm.label_smoothing={share} belongs to algorithm.loss=dpo; choose 0 for {self.loss}.",
        )
        require(self.heldout_every > 1, f"algorithm.heldout_every={self.heldout_every} must be at least 2.")

    @property
    def requirements(self) -> Requirements:
        held = (self.heldout_every,)
        return Requirements(learns_from="dataset", needs_texts=True, needs_comparisons=True, heldout_prompts=held)

    def update(
        self, state: LanguageState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[LanguageState, Metrics]:
        """Take ``gradient_steps`` steps on the comparisons, then measure the held-out ones."""
        comparisons = experience.comparisons
        assert comparisons is not None, "compatibility.check ensures that there are comparisons"
        responses = responses_in(self.text, comparisons.inputs[:, :, 0])
        pairs = self._pairs(comparisons)
        heldout = held_out_prompts(responses.prompt[pairs.first], self.heldout_every)
        draw_key, prompt_key, write_key = jax.random.split(key, 3)
        rows = draw_true(draw_key, pairs.decided & ~heldout, self.gradient_steps * self.batch_size)

        def step(state: LanguageState, rows: Array) -> tuple[LanguageState, Metrics]:
            part = ResponsePairIndex(*(x[rows] for x in pairs))
            loss = self.value_and_grad(self._loss, has_aux=True)
            (_, metrics), gradients = loss(state.params, self.reference_of(state), responses, part)
            return self.descend(state, gradients), metrics

        state, metrics = jax.lax.scan(step, state, rows.reshape(self.gradient_steps, self.batch_size))
        metrics = jax.tree.map(jnp.mean, metrics)
        known = pairs.decided & heldout
        ratio = self._log_ratios(state, responses, pairs, known)
        right = 0.5 * (1.0 + jnp.sign(ratio[pairs.first] - ratio[pairs.second]))
        accuracy = jnp.where(jnp.any(known), masked_mean(right, known), jnp.nan)
        some = pairs.first[draw_true(prompt_key, pairs.decided, self.own_responses)]
        return state, metrics | self._distance(state, responses.prompt[some], write_key) | {
            "agent/heldout_accuracy": accuracy,
            "agent/comparisons": jnp.sum(pairs.decided).astype(jnp.float32),
        }

    def _distance(self, state: LanguageState, prompts: Int[Array, "N P"], key: Key) -> Metrics:
        """Return the KL divergence from the reference of own responses to ``prompts``, and other measures of them."""
        pads = jnp.full((len(prompts), self.text.response_tokens), self.text.pad, prompts.dtype)
        written, _, _ = self.act(state, (), jnp.concatenate([prompts, pads], axis=1), key, explore=True)
        own = responses_in(self.text, jnp.concatenate([prompts, written], axis=1))
        policy, reference = (self.scored(one, own) for one in (state.params["model"], self.reference_of(state)))
        told = distance_metrics(own, policy, reference, exact=False)
        return told | text_metrics(own.response, own.mask, own.ended)

    def _pairs(self, comparisons: Comparisons) -> ResponsePairIndex:
        """Return all pairs, the better response first."""
        queries, clips = comparisons.scores.shape
        one, two = pairs_of(clips)
        scores = jnp.where(comparisons.known, comparisons.scores, jnp.nan)
        gap = scores[:, one] - scores[:, two]
        base = clips * jnp.arange(queries)[:, None]
        first, second = base + jnp.where(gap > 0, one, two), base + jnp.where(gap > 0, two, one)
        decided = jnp.isfinite(gap) & (gap != 0)
        return ResponsePairIndex(*(x.reshape(-1) for x in (first, second, decided)))

    def _log_ratios(
        self, state: LanguageState, responses: Responses, pairs: ResponsePairIndex, wanted: Bool[Array, " M"]
    ) -> Float[Array, " N"]:
        """Return log pi - log reference of the responses in the ``wanted`` pairs; most others are not computed."""
        marked = jnp.zeros(len(responses.ended), bool)
        marked = marked.at[pairs.first].max(wanted).at[pairs.second].max(wanted)
        policy, reference = state.params["model"], self.reference_of(state)
        return compute_where(marked, lambda x: self._log_probs(policy, x) - self._log_probs(reference, x), responses)

    def _log_probs(self, params: Any, responses: Responses) -> Float[Array, " N"]:
        """Return the log-probability of whole responses, in nats."""
        return jnp.sum(jnp.where(responses.mask, self.scored(params, responses).log_prob, 0.0), axis=1)

    def _loss(
        self,
        params: dict,
        reference_params: Any,
        responses: Responses,
        pairs: ResponsePairIndex,
    ) -> tuple[Array, Metrics]:
        """Return the mean loss of ``pairs``, and metrics."""
        n = len(pairs.first)
        index = jnp.concatenate([pairs.first, pairs.second])
        some = jax.tree.map(lambda x: x[index], responses)
        log_prob = self._log_probs(params["model"], some)
        ratio = log_prob - self._log_probs(reference_params, some)
        chosen, rejected = ratio[:n], ratio[n:]
        if self.loss == "dpo":
            loss = dpo_loss(chosen - rejected, self.beta, self.label_smoothing)
        elif self.loss == "ipo":
            loss = ipo_loss(chosen - rejected, self.beta)
        elif self.loss == "kto":
            elsewhere = self._elsewhere(params["model"], reference_params, responses, pairs)
            loss = kto_loss(chosen, rejected, elsewhere, self.beta)
        else:
            each = log_prob / jnp.maximum(jnp.sum(some.mask, axis=1), 1)
            loss = orpo_loss(each[:n], each[n:], self.beta)
        right = 0.5 * (1.0 + jnp.sign(chosen - rejected))
        decided = pairs.decided.astype(jnp.float32)
        return jnp.sum(loss * decided) / jnp.maximum(jnp.sum(decided), 1.0), {
            "agent/loss": jnp.mean(loss),
            "agent/accuracy": masked_mean(right, pairs.decided),
            "agent/chosen_log_ratio": masked_mean(chosen, pairs.decided),
            "agent/rejected_log_ratio": masked_mean(rejected, pairs.decided),
        }

    def _elsewhere(
        self, params: Any, reference_params: Any, responses: Responses, pairs: ResponsePairIndex
    ) -> Float[Array, " N"]:
        """Return the log-ratios of rejected responses to the next pair's prompt, to which they do not belong."""
        others = jnp.roll(responses.prompt[pairs.first], 1, axis=0)
        some = jax.tree.map(lambda x: x[pairs.second], responses).replace(prompt=others)
        return self._log_probs(params, some) - self._log_probs(reference_params, some)
