"""A judge's bias: it goes into the reward and the policy, and a check of the judge finds it.

"If your AI judge prefers verbose responses, your trained model will be verbose": here a scripted judge prefers long
paths, and a reward is learned from its answers while a policy learns from that reward. The other arms have a judge
without bias, and both judges with randomly flipped answers, which is no bias. The paths of the policies themselves are
not compared: the noise of PPO's actions makes them almost as long as they can be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.labelers.calibration import Calibration, calibrate
from rl_rewards.labelers.nuisance import NUISANCES, measure
from rl_rewards.labelers.pairs import Pairs, read_pairs
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.lecture.preferences.ai_feedback import outcome
from rl_rewards.lecture.preferences.segments import Segments
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.measures import SUCCESS, last_mean

SEGMENTS_SEED = 7_000_000
"""The seed of the segments on which all rewards are judged; no run has it."""


@dataclass(frozen=True, kw_only=True)
class AIFeedback:
    """Judges the arms of configs/experiment/lecture/preferences/ai_feedback.yaml, where the keys are explained."""

    segments: Segments
    count: int
    trust: tuple[str, ...] = ()  # packages of which the arms may make classes

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(self.count > 1, f"study.count={self.count} must be at least 2.")

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        del seeds  # the arms know theirs
        paths, returns = measure(NUISANCES[outcome.PLANTED], self._drawn.obs, self._drawn.action), self._returns
        found: dict[str, dict[str, Any]] = {}
        for name, run in arms.items():
            learned = [self.learned_returns(run.path, seed) for seed in run.seeds]
            answered = [answers(run.path, seed) for seed in run.seeds]
            found[name] = {
                "correlation": [_correlation(one, paths) for one in learned],
                "true_correlation": [_correlation(one, returns) for one in learned],
                "success": last_mean(run, SUCCESS),
                "checks": [asdict(check_teacher(pairs, spec_of(run.path))) for pairs in answered],
            }
        details = {"paths_and_true_returns": _correlation(paths, returns), "arms": found}
        return Findings(outcome.claims(found), details)

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details["arms"], path)

    @cached_property
    def _drawn(self) -> Transition:
        key = jax.random.key(SEGMENTS_SEED)
        return jax.tree.map(np.asarray, jax.jit(lambda key: self.segments.draw(key, self.count))(key))

    @property
    def _returns(self) -> Float[np.ndarray, " N"]:
        return np.asarray(self._drawn.env_reward, np.float64).sum(axis=-1)

    def learned_returns(self, run_dir: Path, seed: int) -> Float[np.ndarray, " N"]:
        """Return the segments' returns by the reward that a run has learned in the end."""
        source, state, _ = restore_from_run(run_dir, seed, self.trust)
        return np.asarray(jax.jit(source.reward)(state, self._drawn), np.float64).sum(axis=-1)


def spec_of(run_dir: Path) -> EnvSpec:
    return EnvSpec.load(run_dir / "spec.json")


def answers(run_dir: Path, seed: int) -> Pairs:
    """Return the questions of a seed with their answers."""
    store = LabelStore(run_dir / STORE_NAME)
    try:
        return read_pairs(store, spec_of(run_dir).name).of_seed(seed)
    finally:
        store.close()


def check_teacher(pairs: Pairs, spec: EnvSpec) -> Calibration:
    """Compare a run's answers with true returns, as ``python -m rl_rewards.calibrate RUN_DIR --seed SEED`` does."""
    returns = pairs.returns
    assert returns is not None, "the store is of a run of now, which writes them"
    return calibrate(pairs.scores, returns, pairs.features(spec))


def _correlation(one: Float[np.ndarray, " N"], other: Float[np.ndarray, " N"]) -> float:
    """Compute Pearson's correlation; 0 where one of the two is constant."""
    if min(np.ptp(one), np.ptp(other)) < 1e-12:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
