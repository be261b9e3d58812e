"""Study small_judge: made-up arms and checks."""

from dataclasses import replace

import numpy as np

from rl_rewards.labelers.calibration import calibrate
from rl_rewards.studies import small_judge
from rl_rewards.studies.small_judge import SmallJudge
from tests.studies.fake_arms import arm, steady


def judged(monkeypatch, agreement: float, success: float):
    scores = np.array([[1.0, 0.0], [0.0, 1.0]] * 20)
    check = replace(calibrate(scores, scores, {}), agreement_decided=agreement)
    monkeypatch.setattr(small_judge, "answers", lambda path, seed: None)
    monkeypatch.setattr(small_judge, "spec_of", lambda path: None)
    monkeypatch.setattr(small_judge, "check_teacher", lambda pairs, spec: check)
    metrics = {"learned_return": steady(3.0)}
    arms = {"teacher": arm(steady(0.99), metrics=metrics), "judge": arm(steady(success), metrics=metrics)}
    return arms, SmallJudge(success=0.8).judge(arms, range(100, 110))


def test_each_claim_holds_or_does_not(monkeypatch, tmp_path):
    arms, found = judged(monkeypatch, 0.7, 0.9)
    assert [one.holds for one in found.verdicts] == [True, True]
    assert "on 0.70 [0.70, 0.70] of them; the check of it names nothing" in found.verdicts[0].measured
    SmallJudge(success=0.8).draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")
    assert [one.holds for one in judged(monkeypatch, 0.5, 0.5)[1].verdicts] == [False, False]
