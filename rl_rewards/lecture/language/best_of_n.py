"""The best of n responses by the reward model, without any training: how far it is from the policy, and how good.

A response is drawn n times, and the one with the highest reward is kept. Its KL divergence from the policy is
log n - (n - 1) / n if no two responses have the same reward (Stiennon et al. 2020, arXiv:2009.01325, appendix G.3), and
less if responses repeat (Beirami et al. 2024, arXiv:2401.01879, theorem 1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import digamma, gammaln

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.types import Key, Transition
from rl_rewards.envs.base import JaxEnv
from rl_rewards.lecture.language.measures import BETTER, GOLD, at_level, draw_path
from rl_rewards.loop.build import build_env
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.rewards.base import RewardSource
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_least, in_words, less
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import last_mean

CHOICES = (1, 2, 4, 8, 16, 32, 64)
"""Values of n."""
COMPARED = 16
"""The n at which gold is compared with the policy's own, and with RL at the same KL divergence."""
RARE = 1e-6
"""The probability up to which a response is so rare that F^n - F-^n is n F^(n - 1) p."""
CLOSE = 0.1
"""The largest error of the formula that does not count, in nats."""


class DrawnResponses(NamedTuple):
    """Responses of a policy to P prompts, N each."""

    gold: Float[np.ndarray, "P N"]
    proxy: Float[np.ndarray, "P N"]
    log_prob: Float[np.ndarray, "P N"]  # of the whole response, in nats


@dataclass(frozen=True, kw_only=True)
class BestOfNResponses:
    """Draws responses of the fine-tuned policy, and compares the best of n of them with RL."""

    prompts: int
    responses: int

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        policies = [restore_policy(arms["sft"].path, seed) for seed in seeds]
        rewards = [restore_from_run(arms["reward_model"].path, seed) for seed in seeds]
        env = build_env(policies[0].config).episodes.evaluated
        draw = drawer(env, policies[0].algorithm, rewards[0].source, self.prompts, self.responses)
        each = [
            draw(policy.state, reward.state, jax.random.key(seed))
            for policy, reward, seed in zip(policies, rewards, seeds, strict=True)
        ]
        gold = {str(n): [best_mean(one, one.gold, n) for one in each] for n in CHOICES}
        proxy = {str(n): [best_mean(one, one.proxy, n) for one in each] for n in CHOICES}
        distance = {str(n): [divergence(one, n) for one in each] for n in CHOICES}
        start = last_mean(arms["sft"], GOLD, 1)
        level = [at_level(arms["rlhf"], start, one)[i] for i, one in enumerate(distance[str(COMPARED)])]
        details = {"gold": gold, "proxy": proxy, "kl": distance, "rl_at_the_same_kl": level}
        return Findings(self.claims(gold, distance, level), details)

    def claims(
        self, gold: Mapping[str, list[float]], distance: Mapping[str, list[float]], level: list[float]
    ) -> list[Claim]:
        """Claim that the formula is right, that the best of n is better, and that RL is as good at the same distance.

        Args:
            gold: n -> mean gold of the best of n, of each seed.
            distance: n -> its measured KL divergence from the policy, in nats, of each seed.
            level: gold of RL at the divergence of ``COMPARED``, of each seed.
        """
        errors = {n: [one - formula(int(n)) for one in found] for n, found in distance.items() if n != "1"}
        evidence = tuple(
            Evidence(of=f"measured less the formula, n = {n}", values=found, claimed=(-CLOSE, CLOSE))
            for n, found in errors.items()
        )
        listed = ", ".join(f"{in_words(distance[n])} for n = {n} ({formula(int(n)):.2f})" for n in errors)
        best, one = gold[str(COMPARED)], gold["1"]
        apart = less(best, level)
        both = Evidence(of="gold more, paired by seed", values=apart, claimed=(-BETTER, BETTER))
        return [
            Claim(
                f"The KL divergence of the best of n is log n - (n - 1) / n, within {CLOSE:g} nats.",
                f"{listed}.",
                evidence,
                {f"n = {n}": found for n, found in distance.items()},
            ),
            at_least(
                f"The best of {COMPARED} by the reward model has more gold than one response, by {BETTER:g} or more.",
                f"{in_words(best)} against {in_words(one)}; {in_words(less(best, one))} more.",
                "gold more, paired by seed", less(best, one), BETTER, {str(COMPARED): best, "1": one},
            ),
            Claim(
                f"RL at the same KL divergence has the same gold as the best of {COMPARED}, within {BETTER:g}.",
                f"{in_words(best)} against {in_words(level)}; {in_words(apart)} more.",
                (both,),
                {str(COMPARED): best, "rl": level},
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        found = findings.details
        far = [np.sqrt(max(np.mean(found["kl"][str(n)]), 0.0)) for n in CHOICES]
        with styled():
            figure = canvas(8.0, 3.6)
            plane, kl = figure.subplots(1, 2)
            for key, colour in (("gold", TRUE), ("proxy", LEARNED)):
                mean = [np.mean(found[key][str(n)]) for n in CHOICES]
                plane.plot(far, mean, color=colour, marker=".", label=f"best of n: {key}")
            for n, x in zip(CHOICES, far, strict=True):
                plane.annotate(str(n), (x, np.mean(found["gold"][str(n)])), fontsize=8, va="bottom")
            draw_path(plane, arms["rlhf"], OTHER, "RL, beta 0.1: gold", "--")
            exact = [formula(n) for n in CHOICES]
            kl.plot(exact, exact, color=OTHER, linestyle=":", linewidth=1.0)
            kl.plot(exact, np.array([found["kl"][str(n)] for n in CHOICES]), color=TRUE, linewidth=0.8, alpha=0.6)
            plane.set(xlabel="distance from the policy, √KL", ylabel="reward", title="best of n, and RL")
            kl.set(xlabel="log n - (n - 1) / n, nats", ylabel="measured, nats", title="KL divergence, seeds")
            label_lines(plane)
            save(figure, path)


def drawer(
    env: JaxEnv, algorithm: Algorithm, source: RewardSource, prompts: int, responses: int
) -> Callable[[Any, Any, Key], DrawnResponses]:
    """Return a function (policy's state, reward's state, key) -> responses with both rewards, compiled once.

    It draws ``responses`` responses to each of ``prompts`` prompts.
    """

    def answer(policy: Any, reward: Any, states: Any, key: Key) -> tuple[jax.Array, ...]:
        act_key, step_key = jax.random.split(key)
        obs = jax.vmap(env.observe)(states)
        action, _, told = algorithm.act(policy, (), obs, act_key, explore=True)
        _, out = jax.vmap(env.step)(jax.random.split(step_key, prompts), states, action)
        steps = Transition(
            obs=obs,
            action=action,
            next_obs=out.next_obs,
            env_reward=out.env_reward,
            terminated=out.terminated,
            truncated=out.truncated,
            valid=jnp.ones(prompts, bool),
            is_demo=jnp.zeros(prompts, bool),
            behaviour={},
            info=out.info,
        )
        return out.env_reward, source.reward(reward, steps), jnp.sum(told["log_prob"], axis=-1)

    @jax.jit
    def draw(policy: Any, reward: Any, key: Key) -> tuple[jax.Array, ...]:
        prompt_key, write_key = jax.random.split(key)
        states = jax.vmap(env.reset)(jax.random.split(prompt_key, prompts))
        return jax.lax.map(partial(answer, policy, reward, states), jax.random.split(write_key, responses))

    return lambda *given: DrawnResponses(*(np.asarray(one, np.float64).T for one in draw(*given)))


def formula(n: int) -> float:
    """Return log n - (n - 1) / n, the KL divergence of the best of n from its policy if no two rewards are equal."""
    return float(np.log(n) - (n - 1) / n)


def best_mean(drawn: DrawnResponses, values: Float[np.ndarray, "P N"], n: int) -> float:
    """Return the expected value of the best of n by the proxy, over all subsets of n of each prompt's responses."""
    ordered = np.take_along_axis(values, np.argsort(drawn.proxy, axis=1), axis=1)
    return float(np.mean(ordered @ _shares(ordered.shape[1], n)))


def divergence(drawn: DrawnResponses, n: int) -> float:
    """Return the KL divergence of the best of n from the policy, in nats, estimated from all subsets of the responses.

    The best of n is y with probability F(y)^n - F-(y)^n, where F(y) and F-(y) are the probabilities of a reward of at
    most that of y, and of less; their difference is the probability p(y) of y, which the policy gives. F- is 1 - p
    times the probability that another response has less reward, whose logarithm is estimated from counts without bias.
    """
    order = np.argsort(drawn.proxy, axis=1)
    score, log_prob = (np.take_along_axis(one, order, axis=1) for one in (drawn.proxy, drawn.log_prob))
    total, own = score.shape[1], np.exp(log_prob)
    lower, upto = (np.stack([np.searchsorted(one, one, side=side) for one in score]) for side in ("left", "right"))
    others = total - (upto - lower)
    below = (1.0 - own) * np.exp(digamma(lower + 1.0) - digamma(others + 2.0))
    with np.errstate(divide="ignore"):
        repeated = np.log((below + own) ** n - below**n) - log_prob
    rare = np.log(n) + (n - 1) * np.log(below)
    return float(np.mean(np.where(own > RARE, repeated, rare) @ _shares(total, n)))


def _shares(total: int, n: int) -> Float[np.ndarray, " N"]:
    """Return the share of subsets of n, of ``total`` numbers, in which the i-th lowest is the highest.

    It is C(i - 1, n - 1) / C(total, n).
    """
    below = np.arange(total)
    return np.exp(
        np.where(below >= n - 1, _log_choose(np.maximum(below, n - 1), n - 1), -np.inf) - _log_choose(total, n)
    )


def _log_choose(total: np.ndarray | int, chosen: int) -> np.ndarray:
    total = np.asarray(total, float)
    return gammaln(total + 1.0) - gammaln(chosen + 1.0) - gammaln(total - chosen + 1.0)
