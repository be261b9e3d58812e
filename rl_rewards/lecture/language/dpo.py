"""Direct preference optimisation against RL: the same comparisons, four weights of beta each, one plane.

Slides: DPO reaches the optimum of the same objective without a reward model. On a bandit this is exact: with enough
comparisons its policy is pi*(y) ~ reference(y) exp(r(y) / beta) (Rafailov et al. 2023, arXiv:2305.18290, equation 4).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from rl_rewards.core.preference_losses import dpo_loss
from rl_rewards.lecture.language.measures import BETTER, GOLD, KL, at_evaluations, at_level, draw_path
from rl_rewards.reporting.figures.drawing import LEARNED, OTHER, TRUE, styled
from rl_rewards.reporting.figures.line_labels import label_lines
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, at_most, in_words, less
from rl_rewards.studies.densities import seed_keys
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.measures import LAST, last_mean

DPO_ARMS = {"dpo_0_05": 0.05, "dpo_0_1": 0.1, "dpo_0_3": 0.3, "dpo_1": 1.0}
RL_ARMS = {"rl_0_03": 0.03, "rlhf": 0.1, "rl_0_3": 0.3, "rl_1": 1.0}
"""Arms with their beta."""
LEVEL = 2.0
"""The KL divergence, in nats, at which the two are compared on their way."""
ACTIONS, COMPARISONS, BANDIT_BETA, STEPS = 8, 200_000, 0.5, 3000
"""The bandit: its actions, sampled comparisons, beta, and gradient steps, after which the loss does not change."""


@dataclass(frozen=True, kw_only=True)
class DirectPreferences:
    """Compares DPO with RL by gold and distance, each with the beta that is best on the other seeds."""

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        gold = {name: last_mean(arms[name], GOLD) for name in (*DPO_ARMS, *RL_ARMS)}
        gold["sft"] = last_mean(arms["sft"], GOLD, 1)
        level = {name: at_level(arms[name], gold["sft"], LEVEL) for name in (*DPO_ARMS, *RL_ARMS)}
        distance = {
            name: at_evaluations(arms[name], KL)[-LAST:].mean(axis=0).tolist() for name in gold if name != "sft"
        }
        bandit = jax.vmap(distance_from_optimum)(seed_keys(seeds)).tolist()
        details = {"gold": gold, "kl": distance, "gold_at_level": level, "bandit": bandit}
        return Findings(self.claims(gold, level, bandit), details)

    def claims(
        self, gold: Mapping[str, list[float]], level: Mapping[str, list[float]], bandit: list[float]
    ) -> list[Claim]:
        """Claim that DPO gets as far as RL, is as good on the way, and is exact on a bandit.

        Args:
            gold: arm -> mean gold at the end, of each seed.
            level: arm -> gold where the KL divergence is ``LEVEL``, of each seed.
            bandit: total variation between DPO's policy and the optimum, of each seed.
        """
        chosen = {"DPO": best_elsewhere(gold, DPO_ARMS), "RL": best_elsewhere(gold, RL_ARMS)}
        ends, ways = ({m: _of(found, arms) for m, arms in chosen.items()} for found in (gold, level))
        behind, apart = less(ends["RL"], ends["DPO"]), less(ways["DPO"], ways["RL"])
        listed = ", ".join(f"{name} {in_words(gold[name])}" for name in (*DPO_ARMS, *RL_ARMS))
        both = Evidence(of="gold more with DPO, paired by seed", values=apart, claimed=(-BETTER, BETTER))
        return [
            at_most(
                f"DPO gets as far as RL with the same comparisons, within {BETTER:g} of gold, each with the beta of "
                "four that is best on the other seeds.",
                f"{in_words(ends['DPO'])} against {in_words(ends['RL'])}; {in_words(behind)} less. All: {listed}.",
                "gold less than RL, paired by seed", behind, BETTER, ends,
            ),
            Claim(
                f"At a KL divergence of {LEVEL:g} the gold of DPO and of RL are the same within {BETTER:g}.",
                f"{in_words(ways['DPO'])} against {in_words(ways['RL'])}; {in_words(apart)} apart.",
                (both,),
                ways,
            ),
            at_most(
                f"On a bandit of {ACTIONS} actions DPO is its closed form, within a total variation of 0.02.",
                f"total variation {in_words(bandit, 4)} from {COMPARISONS:,} sampled comparisons.",
                "total variation", bandit, 0.02, {"bandit": bandit},
            ),
        ]  # fmt: skip

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        with styled():
            figure = canvas(6.0, 4.0)
            axes = figure.subplots()
            for names, colour, method in ((DPO_ARMS, TRUE, "DPO"), (RL_ARMS, LEARNED, "RL")):
                for (name, beta), style in zip(names.items(), ("-", "--", "-.", ":"), strict=True):
                    draw_path(axes, arms[name], colour, f"{method}, {beta:g}", style)
            axes.axhline(np.mean(findings.details["gold"]["sft"]), color=OTHER, linestyle=":", linewidth=1.0)
            axes.set(xlabel="distance from fine-tuning, √KL", ylabel="gold", title="DPO and RL by beta, means of seeds")
            label_lines(axes)
            save(figure, path)


def best_elsewhere(gold: Mapping[str, Sequence[float]], arms: Iterable[str]) -> list[str]:
    """Return for each seed the arm whose gold has the highest mean over all other seeds, which does not see its own."""
    names = list(arms)
    found = np.array([gold[name] for name in names])
    others = found.sum(axis=1, keepdims=True) - found
    return [names[i] for i in others.argmax(axis=0)]


def _of(found: Mapping[str, Sequence[float]], arms: Sequence[str]) -> list[float]:
    """Return each seed's number of the arm that was chosen for it."""
    return [found[name][seed] for seed, name in enumerate(arms)]


def distance_from_optimum(key: Array) -> Float[Array, ""]:
    """Return the total variation between the policy that DPO learns on a random bandit and the closed form.

    Rewards and reference are drawn from normal distributions; pairs of actions are drawn from the reference and
    compared by the Bradley-Terry model. The loss is that of ``algorithm=dpo``, minimised by full gradients.
    """
    reward_key, reference_key, pair_key, answer_key = jax.random.split(key, 4)
    reward = jax.random.normal(reward_key, (ACTIONS,))
    reference = jax.nn.log_softmax(0.5 * jax.random.normal(reference_key, (ACTIONS,)))
    one, two = jax.random.categorical(pair_key, reference, shape=(2, COMPARISONS))
    first = jax.random.bernoulli(answer_key, jax.nn.sigmoid(reward[one] - reward[two]))
    better, worse = jnp.where(first, one, two), jnp.where(first, two, one)
    counts = jnp.zeros((ACTIONS, ACTIONS)).at[better, worse].add(1.0 / COMPARISONS)

    def loss(logits: Array) -> Array:
        ratio = jax.nn.log_softmax(logits) - reference
        return jnp.sum(counts.reshape(-1) * dpo_loss((ratio[:, None] - ratio).reshape(-1), BANDIT_BETA, 0.0))

    optimiser = optax.adam(0.02)

    def step(carry: tuple, _: None) -> tuple[tuple, None]:
        logits, state = carry
        updates, state = optimiser.update(jax.grad(loss)(logits), state)
        return (optax.apply_updates(logits, updates), state), None

    (logits, _), _ = jax.lax.scan(step, (reference, optimiser.init(reference)), None, STEPS)
    optimum = jax.nn.softmax(reference + reward / BANDIT_BETA)
    return 0.5 * jnp.sum(jnp.abs(jax.nn.softmax(logits) - optimum))
