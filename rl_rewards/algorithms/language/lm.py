"""Language modelling: the next token of recorded texts. It is pre-training on plain texts and fine-tuning on responses.

loss = -mean log pi(y_t | y_<t) over the tokens of responses, or of prompts too (Radford et al. 2018; supervised
fine-tuning with a prompt mask: Ouyang et al. 2022, arXiv:2203.02155, section 3.5).
"""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from rl_rewards.algorithms.language.learner import LanguageLearner, LanguageState
from rl_rewards.algorithms.language.responses import Responses, responses_of
from rl_rewards.core.checks import require
from rl_rewards.core.losses import masked_mean
from rl_rewards.core.requirements import Requirements
from rl_rewards.core.types import Experience, Key, Metrics, RewardFn
from rl_rewards.data.draws import draw_true

VALIDATION_TEXTS = 512
"""The largest number of held-out texts on which the loss is computed after every round."""


@dataclass(frozen=True, kw_only=True)
class LanguageModelling(LanguageLearner):
    """Maximum likelihood on recorded texts; configs/algorithm/lm.yaml explains its arguments.

    Raises:
        ConfigError: if an argument is invalid, or no data is given.
    """

    data: str | tuple[str, ...] | None
    rounds: int
    gradient_steps: int
    batch_size: int
    warmup_share: float
    schedule: Literal["constant", "cosine"]
    tokens: Literal["response", "all"]
    validation_share: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            bool(self.data_names),
            "algorithm=lm learns from recorded texts; name some: data=FILE.npz (python -m rl_rewards.data make "
            "assistant/mixed writes some), or data=env:corpus for those of env.corpus.",
        )
        for name in ("rounds", "gradient_steps", "batch_size"):
            require(getattr(self, name) > 0, f"algorithm.{name}={getattr(self, name)} must be at least 1.")
        share = self.warmup_share
        require(0 <= share < 1, f"algorithm.warmup_share={share} must lie in [0, 1); 0 is off.")
        share = self.validation_share
        require(0 < share <= 0.5, f"algorithm.validation_share={share} must lie in (0, 0.5].")
        steps = self.rounds * self.gradient_steps
        require(
            round(self.warmup_share * steps) < steps,
            f"algorithm.warmup_share={self.warmup_share} leaves none of the {steps} gradient steps after the warm-up.",
        )

    @property
    def data_names(self) -> tuple[str, ...]:
        """The names of the recorded data, of which there may be several."""
        return () if self.data is None else (self.data,) if isinstance(self.data, str) else tuple(self.data)

    @property
    def requirements(self) -> Requirements:
        return Requirements(data=self.data_names, learns_from="dataset", needs_texts=True)

    @property
    def rule(self) -> optax.GradientTransformation:
        steps = self.rounds * self.gradient_steps
        warmup = round(self.warmup_share * steps)
        rate = self.learning_rate
        if self.schedule == "cosine":
            after = optax.cosine_decay_schedule(rate, steps - warmup)
        else:
            after = optax.constant_schedule(rate)
        schedule = optax.join_schedules([optax.linear_schedule(0.0, rate, warmup), after], [warmup])
        return optax.adamw(schedule, b2=0.99, weight_decay=self.weight_decay)

    def update(
        self, state: LanguageState, experience: Experience, reward_fn: RewardFn, round: Array, key: Key
    ) -> tuple[LanguageState, Metrics]:
        """Take ``gradient_steps`` steps, then compute the loss of held-out texts."""
        dataset = experience.dataset
        assert dataset is not None, "build_data loads the data set of an algorithm that names one"
        steps = dataset.transitions
        heldout = self._heldout(steps.valid)
        draw_key, validation_key, pay_key = jax.random.split(key, 3)
        rows = draw_true(draw_key, steps.valid & ~heldout, self.gradient_steps * self.batch_size)

        def step(state: LanguageState, rows: Array) -> tuple[LanguageState, Array]:
            responses = responses_of(self.text, dataset.at(rows))
            loss, gradients = self.value_and_grad(self._loss)(state.params, responses)
            return self.descend(state, gradients), loss

        state, losses = jax.lax.scan(step, state, rows.reshape(self.gradient_steps, self.batch_size))
        checked = min(VALIDATION_TEXTS, len(steps.valid))
        some = responses_of(self.text, dataset.at(draw_true(validation_key, heldout, checked)))
        validation = self._loss(state.params, some)
        paid = reward_fn(experience.sample(pay_key, checked))
        return state, {
            "agent/loss": jnp.mean(losses),
            "agent/validation_loss": validation,
            "agent/validation_perplexity": jnp.exp(validation),
            "agent/reward_mean": jnp.mean(paid),
        }

    def _heldout(self, valid: Bool[Array, " M"]) -> Bool[Array, " M"]:
        """Return True for the held-out texts: the same ones in all rounds and for all seeds, at least one."""
        every = max(2, round(1.0 / self.validation_share))
        return valid & (jnp.arange(len(valid)) % every == min(every, len(valid)) - 1)

    def _loss(self, params: dict[str, Any], responses: Responses) -> Float[Array, ""]:
        """Return the mean negative log-likelihood of a token, in nats."""
        if self.tokens == "response":
            return -masked_mean(self.scored(params["model"], responses).log_prob, responses.mask)
        tokens = jnp.concatenate([responses.prompt, responses.response], axis=1)
        logits: Any = self.network.apply(params["model"], tokens)
        logits = logits[:, :-1, : self.text.vocabulary]
        known = jnp.concatenate([responses.prompt != self.text.pad, responses.mask], axis=1)
        log_probs = jax.nn.log_softmax(logits, axis=-1)
        found = jnp.take_along_axis(log_probs, tokens[:, 1:, None], axis=-1)[..., 0]
        return -masked_mean(found, known[:, :-1] & known[:, 1:])
