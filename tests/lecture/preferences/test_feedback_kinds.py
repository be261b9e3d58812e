"""Study feedback_kinds: what a budget buys, and its verdicts on invented arms."""

import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.preferences.feedback_kinds import FeedbackKinds
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

SECONDS = {"pairs": 10, "corrections": 15, "demonstrations": 180, "pictures": 15, "yes_no": 5}
BOUGHT = {
    "pairs_1": {"pairs": 15},
    "pairs_2": {"pairs": 60},
    "corrections_1": {"corrections": 10},
    "corrections_2": {"corrections": 40},
    "demonstrations_2": {"demonstrations": 3},
    "yes_no_2": {"pictures": 20, "yes_no": 60},
}


def study(**changes):
    given = {"row": "point", "budgets": (150, 600), "judged_at": 600, "seconds": SECONDS, "bought": BOUGHT}
    return FeedbackKinds(**given | changes)


def test_a_budget_buys_the_largest_arm_that_it_can_pay_for():
    assert study().affordable(150) == {"pairs": "pairs_1", "corrections": "corrections_1"}
    assert study().affordable(600)["demonstrations"] == "demonstrations_2" and study().cost("yes_no_2") == 600
    cheap = study(seconds=SECONDS | {"pairs": 2.5, "corrections": 60})
    assert cheap.affordable(150) == {"pairs": "pairs_2"}, "corrections are too dear, and more pairs are bought"


def test_kinds_are_compared_at_equal_seconds(tmp_path):
    arms = dict.fromkeys(["true_reward", *BOUGHT], arm(steady(0.3))) | {"corrections_1": arm(steady(0.9))}
    found = study().judge(arms, range(100, 110))
    assert outcomes(found.verdicts) == "SRRR"
    assert found.details["bought_nothing"] == {"150": ["demonstrations", "yes_no"], "600": []}
    study().draw(arms, found, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"judged_at": 300}, r"study\.judged_at=300 must be one of study\.budgets="),
        ({"seconds": SECONDS | {"pairs": 0}}, r"study\.seconds\.pairs=0 must be positive"),
        ({"bought": {"looks_1": {"looks": 3}}}, r"study\.bought\.looks_1 needs study\.seconds\.looks"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ConfigError, match=message):
        study(**changes)
