"""Bradley-Terry's model of comparisons: the lecture's numbers, its invariances, its gradient, and what it recovers.

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
from jax import Array
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.queries import preference_logits, preference_loss
from rl_rewards.core.types import Transition
from rl_rewards.labelers.oracle import Teacher
from rl_rewards.lecture.preferences.answers import Asked, Drawn, MakeReward, draw, learn_returns, source_for
from rl_rewards.lecture.preferences.bradley_terry import outcome
from rl_rewards.lecture.preferences.segments import Segments
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.rewards.base import feature_size
from rl_rewards.rewards.preferences.reward_model import RewardModel, RewardModelState
from rl_rewards.studies.base import Findings
from rl_rewards.studies.densities import seed_keys
from rl_rewards.studies.working import counted


@dataclass(frozen=True, kw_only=True)
class BradleyTerry:
    """Keys and units: configs/experiment/lecture/preferences/bradley_terry.yaml."""

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
        found = {
            "hand": self.hand(),
            "shift": self.shifted(drawn),
            "gradient_error": self.gradient_error(drawn, seeds),
            "rationalities": list(self.rationalities),
            "comparisons": list(self.comparisons),
            "constants": list(self.constants),
            "tolerance_identity": self.tolerance_identity,
            "tolerance_calibration": self.tolerance_calibration,
            "correlation_above": self.correlation_above,
            "learned": self.recovered(drawn, seeds),
        }
        return Findings(outcome.claims(found), found)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def hand(self) -> dict[str, float]:
        """Compute the numbers of the lecture's two trajectories."""
        with jax.enable_x64(True):
            returns = jnp.array([jnp.sum(jnp.asarray(rewards)) for rewards in (self.winner, self.loser)])
            logit = preference_logits(returns)[0]
            return {
                "return_winner": float(returns[0]),
                "return_loser": float(returns[1]),
                "exp_minus_difference": float(jnp.exp(-logit)),
                "probability": float(jax.nn.sigmoid(logit)),
            }

    def shifted(self, drawn: Drawn) -> dict[str, list[list[float]]]:
        """Return changes [S, constants] of probability or loss by a constant; true rewards less their mean.

        ``return`` and ``step``: the largest, by adding it to every return or every step's reward; ``unequal_lengths``:
        the mean change of the probability by adding it to every step, where the second segment lacks its second half.
        """
        with jax.enable_x64(True):  # rounding in single precision would hide that it is an identity
            rewards = jnp.asarray(self._pairs(drawn).env_reward, jnp.float64)
            changes = jax.jit(jax.vmap(self._changes))(rewards - jnp.mean(rewards))
        return {name: np.asarray(values).tolist() for name, values in changes.items()}

    def _changes(self, rewards: Float[Array, "Q 2 L"]) -> dict[str, Float[Array, " constants"]]:
        constants = jnp.asarray(self.constants)[:, None, None]
        cut = jnp.ones(rewards.shape, bool).at[:, 1, rewards.shape[-1] // 2 :].set(False)
        steps, shorter = jnp.sum(jnp.ones_like(rewards), axis=-1), jnp.sum(cut, axis=-1)  # [Q, 2]
        returns, unequal = jnp.sum(rewards, axis=-1), jnp.sum(rewards * cut, axis=-1)

        def largest(moved: Float[Array, "constants Q 2"]) -> Float[Array, " constants"]:
            both = (a - b for a, b in zip(_told(moved), _told(returns), strict=True))
            return jnp.max(jnp.stack([jnp.max(jnp.abs(one), axis=-1) for one in both]), axis=0)

        moved = _told(unequal + constants * shorter)[0] - _told(unequal)[0]
        return {
            "return": largest(returns + constants),
            "step": largest(returns + constants * steps),
            "unequal_lengths": jnp.mean(jnp.abs(moved), axis=-1),
        }

    def gradient_error(self, drawn: Drawn, seeds: Sequence[int]) -> list[float]:
        """Return the lecture's gradient's largest error relative to autodiff's, for a random network of each seed."""
        source = source_for(self.reward, self.segments, self.identity_pairs, 2, self.batch_segments)
        size = feature_size(self.segments.spec, source.judges)
        models = jax.vmap(lambda key: source.reward_model.init(key, size))(seed_keys(seeds))
        inputs = self.segments.inputs(source.judges, self._pairs(drawn))
        with jax.enable_x64(True):
            exact = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), models)
            return jax.jit(jax.vmap(partial(_gradient_error, source.reward_model)))(exact, inputs).tolist()

    def _pairs(self, drawn: Drawn) -> Transition:
        """Return the first of every seed's segments as pairs [S, Q, 2, L, ...]."""
        cut = 2 * self.identity_pairs

        def in_twos(leaf: np.ndarray) -> Array:
            return jnp.asarray(leaf[:, :cut].reshape(len(leaf), -1, 2, *leaf.shape[2:]))

        return jax.tree.map(in_twos, drawn.asked)

    def recovered(self, drawn: Drawn, seeds: Sequence[int]) -> dict[str, Any]:
        """Learn from comparisons of each rationality, and from never wrong ones; measure [S, numbers] held-out pairs.

        ``correlation`` of learned and true differences of returns, ``scale`` of one in units of the other (a
        regression through the origin), ``calibration``: mean distance of the probability from the true one.
        """
        most = max(self.comparisons)
        index = np.arange(2 * most).reshape(most, 2)
        used = np.arange(most)[:, None] < np.array(self.comparisons)[:, None, None]  # [W, D, 1]
        teachers = {f"{value:g}": value for value in self.rationalities} | {outcome.NEVER_WRONG: None}
        answers = [
            np.array([self._answers(rationality, drawn, i, seed, index) for i, seed in enumerate(seeds)])
            for rationality in counted(list(teachers.values()), "teacher")
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
        return np.asarray(Asked(teacher, seed, self.segments, drawn.seed(i)).answer(index).scores)


def _told(returns: Float[Array, "*batch Q 2"]) -> tuple[Float[Array, "*batch Q"], Float[Array, "*batch Q"]]:
    """Compute the probability that each pair's first is preferred, and the loss if it was."""
    first = jnp.broadcast_to(jnp.array([1.0, 0.0]), returns.shape)
    return jax.nn.sigmoid(preference_logits(returns)[..., 0]), preference_loss(returns, first, 0.0)[0]


def _gradient_error(model: RewardModel, state: RewardModelState, inputs: Float[Array, "Q 2 L d"]) -> Array:
    """Compare -(1 - sigmoid)(grad R(w) - grad R(l)) with autodiff: the largest difference over the largest entry."""

    def returns(variables: dict) -> Float[Array, "Q 2"]:
        return jnp.mean(jnp.sum(model.rewards(state.replace(variables=variables), inputs), axis=-1), axis=0)

    wrong = 1.0 - _told(returns(state.variables))[0]
    of_returns = jax.jacrev(returns)(state.variables)  # leaves [Q, 2, ...]
    by_hand = jax.tree.map(lambda leaf: -jnp.tensordot(wrong, leaf[:, 0] - leaf[:, 1], 1), of_returns)
    by_autodiff = jax.grad(lambda variables: jnp.sum(_told(returns(variables))[1]))(state.variables)
    errors = jax.tree.map(lambda one, other: jnp.max(jnp.abs(one - other)), by_hand, by_autodiff)
    sizes = jax.tree.map(lambda leaf: jnp.max(jnp.abs(leaf)), by_autodiff)
    return jnp.max(jnp.stack(jax.tree.leaves(errors))) / jnp.max(jnp.stack(jax.tree.leaves(sizes)))


def _compared(
    learned: Float[np.ndarray, "S W H"], true: Float[np.ndarray, "S H"], rationality: float | None
) -> dict[str, Any]:
    """Return plain data, [S, W] each, and the first seed's differences for the figure."""
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
