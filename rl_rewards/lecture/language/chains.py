"""Responses to arithmetic problems, drawn for the studies of judges, and how well scores tell right from wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.checks import require
from rl_rewards.core.types import Key
from rl_rewards.envs.base import JaxEnv
from rl_rewards.loop.build import build_env
from rl_rewards.loop.policies import restore_policy
from rl_rewards.reporting.run_files import RunFiles

IN_STEPS = {"worked": 1, "search": 3}
"""The kinds of problems that are answered in steps, with their numbers in ``info["kind"]``."""


class DrawnChains(NamedTuple):
    """Responses of a policy to P prompts, N each, with the verifier's judgement."""

    texts: Int[np.ndarray, "P N tokens"]  # prompt and response
    right: Float[np.ndarray, "P N L"]  # 1 or 0 at the last token of each step, -1 elsewhere
    answer_right: Bool[np.ndarray, "P N"]
    sound: Bool[np.ndarray, "P N"]
    kind: Int[np.ndarray, "P N"]

    def of(self, kinds: list[int]) -> "DrawnChains":
        """Return the responses to the prompts of these kinds."""
        rows = np.isin(self.kind[:, 0], kinds)
        return DrawnChains(*(one[rows] for one in self))


@dataclass(frozen=True, kw_only=True)
class DrawsChains:
    """The part that studies of judges share: each judges responses of a policy to the same held-out problems.

    Args:
        prompts: held-out problems.
        responses: responses to each of them.
    """

    prompts: int
    responses: int

    least_responses: ClassVar[int] = 1

    def __post_init__(self) -> None:
        require(self.prompts > 0, f"study.prompts={self.prompts} must be at least 1.")
        least = self.least_responses
        require(self.responses >= least, f"study.responses={self.responses} must be at least {least}.")

    def draw_from(self, run: RunFiles, seeds: Sequence[int]) -> list[DrawnChains]:
        """Return the responses of each seed's policy of a run."""
        policies = [restore_policy(run.path, seed) for seed in seeds]
        env = build_env(policies[0].config).episodes.evaluated
        draw = chain_drawer(env, policies[0].algorithm, self.prompts, self.responses)
        return [draw(one.state, jax.random.key(seed)) for one, seed in zip(policies, seeds, strict=True)]


def chain_drawer(env: JaxEnv, algorithm: Algorithm, prompts: int, responses: int) -> Callable[[Any, Key], DrawnChains]:
    """Return a function (policy's state, key) -> responses to each of some prompts, compiled once."""
    answered = env.answered
    assert answered is not None, "these studies draw texts"

    @jax.jit
    def draw(policy: Any, key: Key) -> tuple[jax.Array, ...]:
        prompt_key, write_key = jax.random.split(key)
        obs = jax.vmap(env.observe)(jax.vmap(env.reset)(jax.random.split(prompt_key, prompts)))

        def one(key: Key) -> tuple[jax.Array, ...]:
            out = answered(obs, algorithm.act(policy, (), obs, key, explore=True)[0])
            info = out.info
            return out.next_obs, info["step_right"], info["success"], info["chain_sound"] > 0.5, info["kind"]

        return jax.lax.map(one, jax.random.split(write_key, responses))

    def drawn(policy: Any, key: Key) -> DrawnChains:
        texts, right, answer_right, sound, kind = (np.moveaxis(np.asarray(one), 0, 1) for one in draw(policy, key))
        return DrawnChains(texts, right, answer_right, sound, kind.astype(int))

    return drawn


def auc(right: Float[np.ndarray, " n"], wrong: Float[np.ndarray, " m"]) -> float:
    """Return P(a right one has a higher score than a wrong one), ties half; NaN if there are none of either."""
    if not len(right) or not len(wrong):
        return float("nan")
    ranks = rankdata(np.concatenate([right, wrong]))[: len(right)]
    return float((ranks.sum() - len(right) * (len(right) + 1) / 2) / (len(right) * len(wrong)))


def credit_auc(scores: Float[np.ndarray, "*n L"], right: Float[np.ndarray, "*n L"]) -> float:
    """Return the AUC of step scores between right steps and first wrong steps.

    Steps after a response's first wrong one do not count: it is not clear what is right there.

    Args:
        right: 1 or 0 at the last token of each step, -1 elsewhere.
    """
    wrong_so_far = np.cumsum(right == 0.0, axis=-1)
    first_wrong = (right == 0.0) & (wrong_so_far == 1)
    return auc(scores[(right == 1.0) & (wrong_so_far == 0)], scores[first_wrong])
