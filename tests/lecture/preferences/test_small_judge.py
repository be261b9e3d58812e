"""Study small_judge: its verdicts on invented arms and checks."""

from dataclasses import replace

import numpy as np

from rl_rewards.labelers.calibration import calibrate
from rl_rewards.lecture.preferences import small_judge
from rl_rewards.lecture.preferences.small_judge import SmallJudge
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes


def judged(monkeypatch, agreement: float | None, success: float, first: float | None = 0.7):
    """Return findings with this agreement in every seed of the judge except the ``first``."""
    scores = np.array([[1.0, 0.0], [0.0, 1.0]] * 20)
    agreements = [1.0] * 10 + [first] + [agreement] * 9  # the teacher's ten seeds come first
    checks = (replace(calibrate(scores, scores, {}), agreement_decided=one) for one in agreements)
    monkeypatch.setattr(small_judge, "answers", lambda path, seed: None)
    monkeypatch.setattr(small_judge, "spec_of", lambda path: None)
    monkeypatch.setattr(small_judge, "check_teacher", lambda pairs, spec: next(checks))
    metrics = {"learned_return": steady(3.0)}
    arms = {"teacher": arm(steady(0.99), metrics=metrics), "judge": arm(steady(success), metrics=metrics)}
    for what, value in {"calls": 300, "tokens": 90_000, "seconds": 450.0}.items():
        arms["judge"].rows[-1][f"labeler/{what}"] = [value] * 10
    return arms, SmallJudge(success=0.8).judge(arms, range(100, 110))


def test_each_claim_is_supported_or_refuted(monkeypatch, tmp_path):
    arms, found = judged(monkeypatch, 0.7, 0.9)
    assert outcomes(found.verdicts) == "SS"
    assert "on 0.70 [0.70, 0.70] of them; the check of it names nothing" in found.verdicts[0].measured
    assert "The judge took 300 calls, 90,000 tokens and 450 s for a seed." in found.verdicts[1].measured
    SmallJudge(success=0.8).draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")
    assert outcomes(judged(monkeypatch, 0.5, 0.5, 0.5)[1].verdicts) == "RR"


def test_a_seed_in_which_the_judge_decides_no_pair_is_left_out(monkeypatch):
    agreement = judged(monkeypatch, 0.7, 0.9, None)[1].verdicts[0]
    assert agreement.outcome == "supported" and agreement.per_seed["judge"] == [0.7] * 9
    assert "on 0.70 [0.70, 0.70] of them, 1 of 10 seeds left out, where it decided none; " in agreement.measured
    agreement = judged(monkeypatch, None, 0.9, None)[1].verdicts[0]
    assert agreement.outcome == "undecided" and agreement.seeds_needed == 2
    assert agreement.measured.startswith("it decided no pair, 10 of 10 seeds left out")
