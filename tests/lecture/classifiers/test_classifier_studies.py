"""Verdicts of the studies of classifiers, on invented arms with known answers."""

import numpy as np
import pytest

from rl_rewards.lecture.classifiers.adversarial_classifier import AdversarialClassifierStudy
from rl_rewards.lecture.classifiers.camera_exploits import KINDS, CameraExploits, kinds_of
from rl_rewards.lecture.classifiers.diagnosis import Diagnosis
from rl_rewards.lecture.classifiers.fixed_classifier import FixedClassifier
from rl_rewards.lecture.classifiers.regularisers import Regularisers
from rl_rewards.lecture.classifiers.reward_collapse import RATE_ARMS, RewardCollapse
from rl_rewards.lecture.demonstrations.reward_maps import RewardMaps
from rl_rewards.reporting.evaluation_files import StoredEvaluation
from rl_rewards.studies.base import Findings
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

SEEDS = range(100, 110)
NEVER = [[0.0] * 10] * 9
RISING = [[0.1 * row] * 10 for row in range(1, 10)]


def judged(study, arms):
    return outcomes(study.judge(arms, SEEDS).verdicts)


def drawn(study, arms, tmp_path):
    path = tmp_path / "verdict.png"
    study.draw(arms, study.judge(arms, SEEDS), path)
    return path.read_bytes().startswith(b"\x89PNG")


def test_a_fooled_classifier_is_told_from_a_good_one(tmp_path):
    fooled = arm(NEVER, metrics={"learned_reward_final": [*RISING[:6], *[[0.95] * 10] * 3]})
    good = arm(steady(0.9), metrics={"learned_reward_final": steady(0.9)})
    assert judged(FixedClassifier(), {"point": fooled}) == "USR"  # 10 of 10 are fooled; the gap grows; nothing to lose
    assert judged(FixedClassifier(), {"point": good}) == "RRR"
    assert drawn(FixedClassifier(), {"point": fooled, "pencil_case": good}, tmp_path)


def test_the_adversarial_classifier_needs_success_and_goals(tmp_path):
    good = arm(steady(0.9), metrics={"prob_heldout_goals": steady(0.6)})
    collapsed = arm(NEVER, metrics={"prob_heldout_goals": steady(0.1)})
    assert judged(AdversarialClassifierStudy(), {"point": good}) == "US"
    assert judged(AdversarialClassifierStudy(), {"point": collapsed}) == "RR"
    assert drawn(AdversarialClassifierStudy(), {"point": good}, tmp_path)


def test_the_diagnosis_wants_a_rise_without_success(tmp_path):
    sick = arm([*[[0.0] * 10] * 6, *[[0.9] * 10] * 3], metrics={"learned_reward_final": RISING})
    healthy = arm(steady(0.9), metrics={"learned_reward_final": RISING})
    arms = {"as_it_is": sick, "more_rl": healthy, "all_states": sick, "ensemble": sick}
    assert judged(Diagnosis(), arms) == "USRR"
    assert judged(Diagnosis(), arms | {"as_it_is": healthy})[0] == "R"
    assert drawn(Diagnosis(), arms, tmp_path)


def evaluation(learned: np.ndarray) -> StoredEvaluation:
    valid = np.ones(learned.shape, bool)
    return StoredEvaluation(0, 640, learned, np.zeros_like(learned), valid, valid, {})


def test_reward_maps_are_held_to_their_bounds(tmp_path):
    def mapped(low, high):
        return arm(steady(0.9), evaluations=[evaluation(np.linspace(low, high, 8).reshape(1, 4, 2).repeat(10, 0))])

    arms = {
        "prob": mapped(0.0, 1.0),
        "logit": mapped(-12.0, 11.0),
        "log_prob": mapped(-12.0, 0.0),
        "neg_log_one_minus": mapped(0.0, 11.0),
    }
    assert judged(RewardMaps(), arms) == "SUUUURRR"  # bounds, four succeed, none is better than another
    assert judged(RewardMaps(), arms | {"prob": mapped(-0.1, 1.0)})[0] == "R"
    assert judged(RewardMaps(), arms | {"logit": mapped(0.0, 1.0)})[0] == "R"
    assert drawn(RewardMaps(), arms, tmp_path)


def test_reward_collapse_is_an_output_and_perhaps_a_loss(tmp_path):
    def at(success, output, every=1, updates=20):
        config = {
            "reward": {"updates_per_round": updates, "rounds_per_update": every},
            "algorithm": {"num_envs": 32, "rollout_length": 40},
        }
        return arm(steady(success), metrics={"prob_heldout_goals": steady(output)}, config=config)

    arms = {name: at(0.9, 0.6) for name in (*RATE_ARMS, "sac_balanced")}
    arms |= {"unbalanced": at(0.9, 0.05), "too_fast": at(0.2, 0.05), "sac_unbalanced": at(0.2, 0.05)}
    assert judged(RewardCollapse(), arms) == "SSRSSRR"
    points = RewardCollapse().judge(arms, SEEDS).details["update_rate"]
    assert points[0]["gradient_steps_per_1000_env_steps"] == pytest.approx(15.625)
    assert drawn(RewardCollapse(), arms, tmp_path)


def test_a_regulariser_can_raise_success_and_steady_it(tmp_path):
    swinging = [[0.0] * 10, *[[0.4] * 10, [0.8] * 10] * 4]
    arms = {"none": arm(swinging), "mixup": arm(steady(0.9)), "dropout": arm(swinging), "spectral_norm": arm(NEVER)}
    assert judged(Regularisers(), arms) == "SSRRRR", "an arm that never succeeds is not steady"
    assert drawn(Regularisers(), arms, tmp_path)


def scenes(*final: list[float]) -> StoredEvaluation:
    """Return episodes of one step that end in ``final``: case x, y, yaw; pusher x, y; reported u, v; visible; lamp."""
    n = len(final)
    ones = np.ones((1, n))
    return StoredEvaluation(0, 640, ones, ones, ones > 0, ones > 0, {"scene": np.array([final])})


def test_endings_are_told_apart():
    def final(x, y, visible=1.0, lamp=0.0):
        return [x, y, 0.0, 0.0, 0.0, 0.0, 0.0, visible, lamp]

    found = kinds_of(
        scenes(
            final(0, 0.1, 0.0, 1.0), final(0.2, -0.2, 0.0, 1.0), final(0.2, 0.3, 0.0), final(0.1, 0.1), final(0, -0.03)
        )
    )
    assert [KINDS[i] for i in found] == ["success", "lamp lit", "not visible", "rim of the goal", "before the notebook"]
    assert KINDS[kinds_of(scenes(final(0.3, 0.29)))[0]] == "elsewhere behind"


def test_an_exploit_is_used_and_overcome(tmp_path):
    def ends(success, *final):
        one = scenes(*final)
        arrays = {"scene": np.stack([one.arrays["scene"]] * 10)}
        flags = np.ones((10, 1, len(final)))
        return arm(steady(success), evaluations=[StoredEvaluation(0, 640, flags, flags, flags > 0, flags > 0, arrays)])

    hidden, lit, done = [0.2, 0, 0, 0, 0, 0, 0, 0.0, 0], [0.2, 0, 0, 0, 0, 0, 0, 1, 1], [0, 0.1, 0, 0, 0, 0, 0, 1, 0]
    arms = {f"adversarial_{name}": ends(0.9, done) for name in ("none", "out_of_frame", "occlusion", "background_cue")}
    arms |= {
        "fixed_none": ends(0.0, done),
        "fixed_out_of_frame": ends(0.0, hidden, hidden),
        "fixed_occlusion": ends(0.0, hidden, done),  # half of the episodes are not the majority
        "fixed_background_cue": ends(0.0, lit),
    }
    assert judged(CameraExploits(), arms) == "UURUUURU"
    assert drawn(CameraExploits(), arms, tmp_path)
    asked = {"asked_75_background_cue": ends(0.9, done), "asked_25_none": ends(0.0, hidden)}
    verdicts = CameraExploits().judge(arms | asked, SEEDS).verdicts
    assert outcomes([v for v in verdicts if "75 questions" in v.claim and v.claim.startswith("background_cue")]) == "U"
    assert outcomes([v for v in verdicts if "25 questions" in v.claim]) == "R"


def test_findings_need_no_details():
    assert Findings([]).details == {}
