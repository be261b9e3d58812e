"""A judge that looks is asked about clips whose progress and success are known, and policies learn from its answers.

The order of its values along a clip is measured as in GVL (arXiv:2411.04549), by their rank correlation with time, and
its values are probabilities of "true" (TOPReward, arXiv:2602.19313). The judge may be any one that is shown frames; the
default is a stand-in that reads pictures by their colours, whose faults are therefore known.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float
from scipy.stats import spearmanr

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.point import shows_static
from rl_rewards.labelers.ai_judge import AIJudge
from rl_rewards.labelers.ask_again import ask_about
from rl_rewards.labelers.base import Assignment
from rl_rewards.labelers.calibration import calibrate
from rl_rewards.labelers.pairs import Pairs
from rl_rewards.labelers.picture_features import picture_features
from rl_rewards.lecture.preferences.ai_feedback.study import answers, spec_of
from rl_rewards.lecture.preferences.looking_judge import outcome
from rl_rewards.lecture.preferences.looking_judge.clips import Clips, Draw, Place
from rl_rewards.reporting.run_files import RunFiles
from rl_rewards.studies.base import Findings
from rl_rewards.studies.measures import SUCCESS, final_scenes, last_mean

LEAST = 1e-12
"""The least probability whose logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class LookingJudge:
    """Judges the arms of configs/experiment/lecture/preferences/looking_judge.yaml, where the keys are explained."""

    labeler: AIJudge
    faults: Mapping[str, Mapping[str, float]]
    places: Mapping[str, Place]
    clips: int
    prefixes: int

    def __post_init__(self) -> None:
        check_fields(self, "study")
        require(
            self.clips >= 2,
            f"study.clips={self.clips} must be at least 2, so that both halves of the failures are there.",
        )
        require(
            self.prefixes >= 3,
            f"study.prefixes={self.prefixes} must be at least 3: two values are always in some order.",
        )
        require(
            self.labeler.show == "frames" and self.labeler.mode == "progress",
            f"labeler.show={self.labeler.show} and labeler.mode={self.labeler.mode} do not suit this study, which asks "
            "a judge that looks whether the task is done; choose labeler.show=frames labeler.mode=progress.",
        )

    def judge(self, arms: Mapping[str, RunFiles], seeds: Sequence[int]) -> Findings:
        each = {place: [self.measured(place, seed) for seed in seeds] for place in self.places}
        seen = {judge: {place: [one[judge] for one in found] for place, found in each.items()} for judge in self.faults}
        learned = {name: self.learned(run) for name, run in arms.items()}
        return Findings(outcome.claims(seen, learned), {"seen": seen, "learned": learned})

    def draw(self, arms: Mapping[str, RunFiles], findings: Findings, path: Path) -> None:
        del arms
        outcome.draw(findings.details, path)

    def measured(self, place: str, seed: int) -> dict[str, dict[str, Any]]:
        """Return what each judge says of one seed's clips, which are the same for all judges."""
        found = self.places[place]
        done_key, failed_key = jax.random.split(jax.random.key(seed))
        done, failed = found.progressing(done_key, self.clips), found.failed(failed_key, self.clips)
        return {judge: self.said(judge, found, done, failed) for judge in self.faults}

    def said(self, judge: str, place: Place, done: Clips, failed: Clips) -> dict[str, Any]:
        """Return the order of a judge's values along clips, and how well the last ones tell success from failure."""
        seen = place.env.draw

        def occluded(scene: np.ndarray) -> np.ndarray:
            return place.covering(seen(scene))

        values = {
            "progressing": self.values(judge, place, done, seen),
            "reversed": self.values(judge, place, done.backwards(), seen),
            "failed": self.values(judge, place, failed, seen),
            "occluded": self.values(judge, place, done, occluded),
            "occluded, failed": self.values(judge, place, failed, occluded),
        }
        ends = {kind: each[:, -1] for kind, each in values.items()}
        reached, missed = done.success, ~failed.success
        logs = {kind: np.log(np.maximum(each, LEAST)) for kind, each in values.items()}
        return {
            "order": {kind: float(np.mean([order(row) for row in each])) for kind, each in values.items()},
            "auc": {
                "failed": auc(ends["progressing"][reached], ends["failed"][missed]),
                "reversed": auc(ends["progressing"][reached], ends["reversed"]),
                "occluded": auc(ends["occluded"][reached], ends["occluded, failed"][missed]),
            },
            "path": {kind: np.nanmean(each, axis=0).tolist() for kind, each in logs.items()},
            "done": float(reached.mean()),
            "failures": float(missed.mean()),
        }

    def values(self, judge: str, place: Place, clips: Clips, draw: Draw) -> Float[np.ndarray, "n prefixes"]:
        """Return the probability that the task is done at the end of every beginning of every clip; NaN if refused."""
        count = len(clips.ends)
        with tempfile.TemporaryDirectory() as folder:
            assignment = Assignment(
                seed=0, answers=count, clips=self.prefixes, budget=count, folder=Path(folder), spec=place.env.spec,
                draw=draw, describe=place.env.describe, acquisition="looking_judge",
            )  # fmt: skip
            parameters = {**self.labeler.parameters, **self.faults[judge]}
            asking = replace(self.labeler, task=place.task, parameters=parameters)
            return ask_about(asking.make, assignment, clips.prefixes(self.prefixes)).scores

    def learned(self, run: RunFiles) -> dict[str, Any]:
        """Return what policies did in the end, and what the check of the judge's answers says."""
        last = [final_scenes(run.evaluations[-1].of_seed(i)) for i in range(run.num_seeds)]
        asked = [answers(run.path, seed) for seed in run.seeds]
        return {
            "success": last_mean(run, SUCCESS),
            "television": [float(shows_static(scenes).mean()) for scenes in last],
            "red": [float(shows_static(pairs.details["info.scene"][:, :, -1]).mean()) for pairs in asked],
            "checks": [self._check(pairs, spec_of(run.path)) for pairs in asked],
        }

    def _check(self, pairs: Pairs, spec: EnvSpec) -> dict[str, Any]:
        """Compare a seed's answers with true returns, as ``python -m rl_rewards.calibrate RUN_DIR`` does."""
        assert pairs.returns is not None, "the store is of a run of now, which writes them"
        looks = picture_features(pairs.details["info.scene"], self.places["point"].env.draw)
        return asdict(calibrate(pairs.scores, pairs.returns, pairs.features(spec) | looks))


def order(values: Float[np.ndarray, " prefixes"]) -> float:
    """Return Spearman's rank correlation of a clip's values with time; 0 where they are all equal."""
    known = np.isfinite(values)
    if known.sum() < 3 or np.ptp(values[known]) == 0.0:
        return 0.0
    return float(spearmanr(np.flatnonzero(known), values[known])[0])


def auc(successes: Float[np.ndarray, " n"], failures: Float[np.ndarray, " m"]) -> float:
    """Return the share of pairs in which the success has the higher value; a tie counts half, 0.5 is chance."""
    one, other = (values[np.isfinite(values)] for values in (successes, failures))
    if not len(one) or not len(other):
        return 0.5
    return float(np.mean(np.sign(one[:, None] - other) / 2.0 + 0.5))
