"""Bradley-Terry's model of comparisons: the lecture's numbers, what it does not see, its gradient, what it recovers.

The lecture (guide-reward-learning.txt, chapters 6 and 7): P(w preferred) = sigmoid(R(w) - R(l)); "adding a constant c
to all rewards doesn't change preferences"; "the absolute scale of learned rewards is arbitrary"; the gradient of its
loss is -(1 - sigmoid)(grad R(w) - grad R(l)). Identities are computed in double precision with the functions that runs
learn by, on networks and segments of every seed; rewards are learned from answers about segments of known return.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.queries import preference_logits, preference_loss
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.rewards.base import feature_size
from rl_rewards.studies import bradley_terry_outcome as outcome
from rl_rewards.studies.answers import Asked, Drawn, MakeReward, draw, learn_returns, source_for
from rl_rewards.studies.base import Findings
from rl_rewards.studies.segments import Segments


@dataclass(frozen=True, kw_only=True)
class BradleyTerry:
    """Keys and units: configs/experiment/lecture/bradley_terry.yaml."""

    segments: Segments
    reward: MakeReward
    teacher: Teacher
    rationalities: tuple[float, ...]
    comparisons: tuple[int, ...]
    winner: tuple[float, ...]
    loser: tuple[float, ...]
    constants: tuple[float, ...]
    identity_pairs: int
    heldout: int
    batch_segments: int
    tolerance_identity: float
    tolerance_calibration: float
    correlation_above: float

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(
            len(self.rationalities) > 1 and list(self.rationalities) == sorted(set(self.rationalities)),
            f"study.rationalities={list(self.rationalities)} must be two or more, ascending.",
        )
        require(
            self.identity_pairs <= max(self.comparisons),
            f"study.identity_pairs={self.identity_pairs} must be at most the largest of study.comparisons.",
        )

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del arms
        drawn = draw(self.segments, seeds, 2 * max(self.comparisons), self.heldout)
        with jax.enable_x64(True):  # an identity to 1e-6 is told from rounding in double precision
            found: dict[str, Any] = {
                "hand": self.hand(),
                "shift": [self.shifted(drawn, i) for i in range(len(seeds))],
                "gradient_error": [self.gradient_error(drawn, i, seed) for i, seed in enumerate(seeds)],
            }
        found |= {
            "rationalities": list(self.rationalities),
            "comparisons": list(self.comparisons),
            "constants": list(self.constants),
            "tolerance_identity": self.tolerance_identity,
            "tolerance_calibration": self.tolerance_calibration,
            "correlation_above": self.correlation_above,
            "learned": self.recovered(drawn, seeds),
        }
        return Findings(outcome.verdicts(found), found)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def hand(self) -> dict[str, float]:
        """The lecture's two trajectories."""
        returns = jnp.array([jnp.sum(jnp.asarray(rewards)) for rewards in (self.winner, self.loser)])
        logit = preference_logits(returns)[0]
        return {
            "return_winner": float(returns[0]),
            "return_loser": float(returns[1]),
            "exp_minus_difference": float(jnp.exp(-logit)),
            "probability": float(jax.nn.sigmoid(logit)),
        }

    def shifted(self, drawn: Drawn, seed: int) -> dict[str, list[float]]:
        """Largest change of probability and loss, for every constant: added to each return, each step, unequal lengths.

        Rewards are the true ones, from the mean of the seed's; of unequal lengths, the second segment lacks its half.
        """
        rewards = jnp.asarray(self._pairs(drawn, seed).env_reward, jnp.float64)
        rewards = rewards - jnp.mean(rewards)
        scores = jnp.tile(jnp.array([1.0, 0.0]), (len(rewards), 1))
        whole = jnp.ones(rewards.shape[1:], bool)
        cut = whole.at[1, whole.shape[1] // 2 :].set(False)
        there = {"return": whole, "step": whole, "step_unequal_lengths": cut}

        def told(constant: float, name: str) -> tuple[Float[jax.Array, "Q"], Float[jax.Array, "Q"]]:
            """Probability and loss of every pair."""
            added = rewards + (constant if name != "return" else 0.0)
            returns = jnp.sum(added * there[name], axis=-1) + (constant if name == "return" else 0.0)
            return jax.nn.sigmoid(preference_logits(returns)[:, 0]), preference_loss(returns, scores, 0.0)[0]

        changes = {
            name: [jax.tree.map(jnp.subtract, told(c, name), told(0.0, name)) for c in self.constants] for name in there
        }
        return {name: [float(jnp.max(jnp.abs(jnp.stack(both)))) for both in each] for name, each in changes.items()} | {
            "mean_unequal_lengths": [float(jnp.mean(jnp.abs(prob))) for prob, _ in changes["step_unequal_lengths"]]
        }

    def gradient_error(self, drawn: Drawn, index: int, seed: int) -> float:
        """Of a random network: largest error of the lecture's gradient, over the largest entry of autodiff's."""
        source = source_for(self.reward, self.segments, self.identity_pairs, 2, self.batch_segments)
        inputs = self.segments.inputs(source.judges, self._pairs(drawn, index))
        with jax.enable_x64(False):
            model = source.model.init(jax.random.key(seed), feature_size(self.segments.spec, source.judges))
        model = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), model)

        def returns(variables: dict) -> Float[jax.Array, "Q 2"]:
            return jnp.mean(jnp.sum(source.model.rewards(model.replace(variables=variables), inputs), axis=-1), axis=0)

        def loss(variables: dict) -> jax.Array:
            scores = jnp.tile(jnp.array([1.0, 0.0]), (self.identity_pairs, 1))
            return jnp.sum(preference_loss(returns(variables), scores, 0.0)[0])

        wrong = 1.0 - jax.nn.sigmoid(preference_logits(returns(model.variables))[:, 0])  # [Q]
        of_returns = jax.jacrev(returns)(model.variables)  # leaves [Q, 2, ...]
        by_hand = jax.tree.map(lambda leaf: -jnp.tensordot(wrong, leaf[:, 0] - leaf[:, 1], 1), of_returns)
        by_autodiff = jax.grad(loss)(model.variables)
        errors = jax.tree.map(lambda one, other: jnp.max(jnp.abs(one - other)), by_hand, by_autodiff)
        sizes = jax.tree.map(lambda leaf: jnp.max(jnp.abs(leaf)), by_autodiff)
        return float(max(jax.tree.leaves(errors)) / max(jax.tree.leaves(sizes)))

    def _pairs(self, drawn: Drawn, seed: int):
        """The first of a seed's segments, in twos [Q, 2, L, ...]."""
        cut = 2 * self.identity_pairs
        return jax.tree.map(lambda leaf: leaf[:cut].reshape(-1, 2, *leaf.shape[1:]), drawn.seed(seed))

    def recovered(self, drawn: Drawn, seeds: Sequence[int]) -> dict[str, Any]:
        """Of every rationality (and of answers never wrong), what comparisons [S, numbers] teach; of held-out pairs.

        ``correlation`` of learned and true differences of returns, ``scale`` of one in units of the other (a
        regression through the origin), ``calibration``: mean distance of the probability from the true one.
        """
        most = max(self.comparisons)
        index = np.arange(2 * most).reshape(most, 2)
        used = np.arange(most)[:, None] < np.array(self.comparisons)[:, None, None]  # [W, D, 1]
        teachers = {f"{value:g}": value for value in self.rationalities} | {outcome.NEVER_WRONG: None}
        answers = [
            np.array([self._answers(rationality, drawn, i, seed, index) for i, seed in enumerate(seeds)])
            for rationality in teachers.values()
        ]
        scores = np.concatenate([np.where(used, one[:, None], np.nan) for one in answers], axis=1)
        source = source_for(self.reward, self.segments, most, 2, self.batch_segments)
        inputs = partial(self.segments.inputs, source.judges)
        learned = learn_returns(source, inputs, drawn, seeds, np.broadcast_to(index, scores.shape), scores, 1)[:, :, -1]
        parts = np.split(learned, len(teachers), axis=1)
        return {
            name: _compared(part, drawn.judged_returns, rationality)
            for (name, rationality), part in zip(teachers.items(), parts, strict=True)
        }

    def _answers(
        self, rationality: float | None, drawn: Drawn, i: int, seed: int, index: np.ndarray
    ) -> Float[np.ndarray, "D 2"]:
        teacher = replace(self.teacher, rationality=rationality)
        return Asked(teacher, seed, self.segments, drawn.seed(i)).answer(index).scores


def _compared(
    learned: Float[np.ndarray, "S W H"], true: Float[np.ndarray, "S H"], rationality: float | None
) -> dict[str, Any]:
    """Plain data, [S, W] each; the first seed's differences for the figure."""
    found, actual = (np.asarray(preference_logits(jnp.asarray(x))) for x in (learned, true[:, None]))
    scale = np.sum(found * actual, axis=-1) / np.sum(actual**2, axis=-1)
    size = np.sqrt(np.sum(found**2, axis=-1) * np.sum(actual**2, axis=-1))
    correlation = np.sum(found * actual, axis=-1) / size
    wanted = (actual > 0.0).astype(float) if rationality is None else outcome.sigmoid(rationality * actual)
    off = np.mean(np.abs(outcome.sigmoid(found) - wanted), axis=-1)
    shown = np.linspace(0, found.shape[-1] - 1, outcome.SHOWN).astype(int)
    return {
        "correlation": correlation.round(5).tolist(),
        "scale": scale.round(5).tolist(),
        "calibration": off.round(5).tolist(),
        "first_seed": {
            "true": actual[0, 0, shown].round(4).tolist(),
            "learned": found[0, -1, shown].round(4).tolist(),
        },
    }
