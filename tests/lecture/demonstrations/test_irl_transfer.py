"""Study irl_transfer: its verdicts on invented arms, and the folder of another arm that an arm names."""

from rl_rewards.lecture.demonstrations.irl_transfer import IrlTransfer
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

GOOD, BAD = arm(steady(0.95)), arm(steady(0.1))
SEEDS = range(100, 110)


def verdicts(**changes):
    arms = {"airl": GOOD, "gail": GOOD, "airl_newest": GOOD, "airl_turned": GOOD, "gail_turned": BAD, "cloning": GOOD}
    arms |= {
        "gail_newest": GOOD,
        "airl_newest_turned": BAD,
        "gail_newest_turned": BAD,
        "true_turned": GOOD,
        "cloning_turned": BAD,
    }
    arms |= changes
    return arms, IrlTransfer().judge(arms, SEEDS)


def test_a_reward_that_moves_house_is_told_from_one_that_does_not(tmp_path):
    arms, found = verdicts()
    assert outcomes(found.verdicts) == "UUUUSSSR"
    _, other = verdicts(airl_turned=BAD)
    assert outcomes(other.verdicts) == "UUURRRRR"
    IrlTransfer().draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")
