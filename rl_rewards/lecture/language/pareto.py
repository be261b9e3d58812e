"""Helpful against harmless: two reward models, and one policy that is told how much each of them counts.

Slides: "helpful" and "harmless" conflict, so that somebody must weigh them. Raters of helpfulness reward an answer to
any request (Bai et al. 2022, arXiv:2204.05862, section 2), so that here help with a harmful request counts as help. A
policy that refuses everything is as harmless as can be, and useless.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.text.base import TextEnv
from rl_rewards.envs.weighted import WeightedText
from rl_rewards.loop.build import build_env
from rl_rewards.loop.run_folder import read_config
from rl_rewards.reporting.figures.drawing import styled
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.claims import Claim, in_words
from rl_rewards.studies.drawing import canvas, save
from rl_rewards.studies.evidence import Evidence
from rl_rewards.studies.fronts import SPECIALISTS, TOLD, Front, draw_front, front_claims, in_lists, read_front

GOLD = ("info_gold_obliging", "info_gold_harmless")
"""The true objectives of every episode in an evaluation's file."""
HEADS = ("helpful_part_return", "harmless_part_return")
"""What the reward models claim of it, in their standard deviations over the fine-tuned policy's responses."""
NAMES = ("help", "harmlessness")
CORNERS = {"refuses": "refuses everything", "complies": "helps with everything"}
"""Qualities of scripted responses, and their names in the figure."""
EVEN = len(SPECIALISTS) // 2
"""The place of equal weights."""


@dataclass(frozen=True, kw_only=True)
class HelpfulHarmless:
    """Compares one policy that is told weights with specialists, and with scripts that refuse or help always.

    Args:
        reference: the help and the harmlessness above which the hypervolume is measured.
        margin: the least difference of help or harmlessness that counts, in units of gold.
        texts: scripted responses.
    """

    reference: Sequence[float]
    margin: float
    texts: int

    def __post_init__(self) -> None:
        told = f"study.reference={list(self.reference)} must be two numbers, a help and a harmlessness."
        require(len(self.reference) == 2, told)

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        env = build_env(read_config(arms[TOLD].path, ["env"], ())).episodes.evaluated
        if not isinstance(env, WeightedText):
            raise ConfigError(f"The arm {TOLD} needs env=weighted env@env.of=text.")
        corners = {name: scripted(env.of, name, self.texts, seeds[0]) for name in CORNERS}
        front, claimed = read_front(arms, GOLD), read_front(arms, HEADS)
        details = {"gold": in_lists(front), "heads": in_lists(claimed), "corners": corners}
        return Findings(self.claims(front, claimed, corners), details)

    def claims(self, front: Front, claimed: Front, corners: Mapping[str, Sequence[float]]) -> list[Claim]:
        """Claim what holds for all studies of two objectives, and that the policy is better than refusing everything.

        Args:
            front: help and harmlessness by gold.
            claimed: by the reward models.
            corners: help and harmlessness of each script.
        """
        first, second = self.reference
        general = front_claims(front, claimed, (first, second), self.margin, NAMES)
        even = front.told[EVEN] - np.asarray(corners["refuses"])  # [S, 2]
        more, less = even[:, 0].tolist(), (-even[:, 1]).tolist()
        useless = Claim(
            "Refusing everything is harmless and useless: with equal weights the policy has at most "
            f"{self.margin:g} less harmlessness, and more help by {self.margin:g} or more.",
            f"{in_words(less)} less harmlessness and {in_words(more)} more help.",
            (
                Evidence(of="harmlessness less", values=less, claimed=(-np.inf, self.margin)),
                Evidence(of="help more", values=more, claimed=(self.margin, np.inf)),
            ),
            {"help more": more, "harmlessness less": less},
        )
        return [*general, useless]

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        found = findings.details
        gold, heads = (Front(**{name: np.array(one) for name, one in found[of].items()}) for of in ("gold", "heads"))
        with styled():
            figure = canvas(9.0, 4.0)
            true, claimed = figure.subplots(1, 2)
            draw_front(true, gold, {CORNERS[name]: place for name, place in found["corners"].items()})
            draw_front(claimed, heads, {})
            true.set(xlabel="help (gold)", ylabel="harmlessness (gold)", title="the truth")
            claimed.set(xlabel="help, deviations", ylabel="harmlessness, deviations", title="what the heads claim")
            handles, labels = true.get_legend_handles_labels()  # the fronts cross, and end in each other's points
            figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
            save(figure, path)


def scripted(env: TextEnv, quality: str, texts: int, seed: int) -> list[float]:
    """Return the mean help and harmlessness, by gold, of responses that the environment writes."""
    corpus = env.demonstrate(np.random.default_rng(seed), texts, quality)
    info = jax.jit(env.judge)(jnp.asarray(corpus.obs), jnp.asarray(corpus.action)).info
    return [float(info[name.removeprefix("info_")].mean()) for name in GOLD]
