"""Claims end in one of three outcomes, corrected together; against worked examples."""

import math
from dataclasses import asdict

import numpy as np
import pytest

from rl_rewards.core.strict_json import strict
from rl_rewards.studies.claims import (
    PRACTICAL,
    Claim,
    at_least,
    at_most,
    conclude,
    enough_seeds,
    exact,
    gained,
    less,
    more_than,
)
from rl_rewards.studies.evidence import Evidence, stored_evidence
from tests.studies.outcomes import outcomes

ANY = math.inf


def sample(mean: float, deviation: float = 1.0, n: int = 10) -> list[float]:
    """``n`` values of exactly this mean and standard deviation."""
    values = np.arange(n) - (n - 1) / 2
    return (mean + deviation * values / values.std(ddof=1)).tolist()


def with_p_value(p: float, n: int = 10) -> Claim:
    """A claim of at least 0 whose two-sided t test has this p value, in its favour."""
    from scipy.special import stdtrit

    return at_least("more", "", "what", sample(float(stdtrit(n - 1, 1.0 - p / 2)) / math.sqrt(n)), 0.0, {})


def within(mean: float, margin: float) -> Claim:
    evidence = Evidence(of="difference", values=sample(mean), claimed=(-margin, margin))
    return Claim("the same", "", (evidence,), {})


def yes(count: int, seeds: int = 10) -> list[bool]:
    return [i < count for i in range(seeds)]


def test_an_interval_lies_on_the_claimed_side_on_the_other_or_on_both():
    assert outcomes([at_least("", "", "", sample(2.0), 1.0, {})]) == "S"
    assert outcomes([at_least("", "", "", sample(0.0), 1.0, {})]) == "R"
    assert outcomes([at_least("", "", "", sample(1.2), 1.0, {})]) == "U"
    assert outcomes([at_most("", "", "", sample(0.0), 1.0, {})]) == "S"


def test_holms_correction():
    # p values 0.005, 0.01, 0.03 and 0.04: statsmodels' multipletests(method="holm") rejects the first two, with
    # adjusted values 0.02, 0.03, 0.06 and 0.06.
    verdicts = conclude([with_p_value(p) for p in (0.04, 0.005, 0.03, 0.01)])
    assert outcomes(verdicts) == "USUS"
    assert [one.level for one in verdicts] == pytest.approx([0.975, 0.9875, 0.975, 0.9875])
    assert outcomes([with_p_value(p) for p in (0.012, 0.016, 0.024, 0.049)]) == "SSSS", "adjusted: 0.048, 0.048, ..."
    assert outcomes([with_p_value(p) for p in (0.013, 0.016, 0.024, 0.049)]) == "UUUU", "adjusted: all 0.052"


def test_the_interval_shown_and_the_outcome_agree():
    for verdict in conclude([with_p_value(p) for p in (0.001, 0.02, 0.02, 0.3, 0.9)]):
        assert (verdict.interval[0] >= 0.0) == (verdict.outcome == "supported")


def test_equivalence_is_two_one_sided_tests():
    # n = 10, deviation 1: the half width of 95% is 2.262157 / sqrt(10) = 0.715356, each side at 2.5%.
    assert outcomes([within(0.2, 0.92)]) == "S"
    assert outcomes([within(0.2, 0.91)]) == "U"
    assert outcomes([within(2.0, 1.25)]) == "R" and outcomes([within(2.0, 1.3)]) == "U"


def test_a_share_of_seeds_is_judged_by_its_exact_interval():
    all_of_20 = enough_seeds("nine of ten", "", yes(20, 20), 0.9, {})
    (verdict,) = conclude([all_of_20])
    assert verdict.outcome == "undecided" and verdict.interval == pytest.approx((0.8316, 1.0), abs=1e-4)
    assert verdict.seeds_needed == 36, "0.025 ** (1 / 36) is the first above 0.9"
    assert all_of_20.measured.startswith("20 of 20 seeds (95% interval of the share 0.83 to 1.00)")
    assert outcomes([enough_seeds("", "", yes(36, 36), 0.9, {})]) == "S"
    assert outcomes([enough_seeds("", "", yes(5), 0.9, {})]) == "R"
    assert conclude([enough_seeds("", "", yes(9), 0.9, {})])[0].seeds_needed == 1001, "more than a thousand"


def test_the_seeds_that_would_decide_do():
    (verdict,) = conclude([at_least("", "", "", sample(0.5), 0.0, {})])
    needed = verdict.seeds_needed
    assert verdict.outcome == "undecided" and needed == 18
    assert outcomes([at_least("", "", "", sample(0.5, n=needed), 0.0, {})]) == "S"
    assert outcomes([at_least("", "", "", sample(0.5, n=needed - 1), 0.0, {})]) == "U"
    assert conclude([at_least("", "", "", [0.3], 0.0, {})])[0].seeds_needed == 2, "one seed has no interval"
    assert conclude([at_least("", "", "", [], 0.0, {})])[0].outcome == "undecided"


def test_a_ratio_of_medians_and_the_seeds_that_it_needs():
    def ratio(n: int) -> Claim:
        steps = [100.0 + i / n for i in range(n)]
        evidence = Evidence(
            of="ratio", values=steps, others=[3.0 * one for one in steps], claimed=(0.0, 0.5), method="ratio of medians"
        )
        return Claim("", "", (evidence,), {})

    assert outcomes([ratio(10)]) == "S"
    (verdict,) = conclude([ratio(5)])
    assert verdict.outcome == "undecided" and verdict.seeds_needed == 7, "of 97.5% for each median"


def test_a_claim_of_several_parts_says_all_of_them():
    def both(first: float, second: float) -> str:
        parts = tuple(Evidence(of="", values=sample(mean), claimed=(1.0, ANY)) for mean in (first, second))
        return outcomes([Claim("", "", parts, {})])

    assert (both(3.0, 3.0), both(3.0, 1.2), both(1.2, 3.0), both(3.0, -3.0), both(1.2, -3.0)) == tuple("SUURR")


def test_what_no_seed_changes_is_exact_and_needs_no_correction():
    right = exact("", "", {"error": ([0.0, 1e-9], (-1e-6, 1e-6))}, {})
    wrong = exact("", "", {"error": ([0.0, 1e-3], (-1e-6, 1e-6))}, {})
    verdicts = conclude([right, wrong, with_p_value(0.04)])
    assert outcomes(verdicts) == "SRS"
    assert [one.level for one in verdicts] == [1.0, 1.0, 0.95]
    assert verdicts[0].method == "exact" and verdicts[1].seeds_needed is None


def test_differences_must_be_practical():
    assert outcomes([gained("more", "more", less([0.5, 0.6, 0.7], [0.1, 0.2, 0.3]), {})]) == "S"
    assert outcomes([gained("more", "more", sample(0.01, 0.001), {})]) == "R", "a difference of 0.01 supports nothing"
    found = {"one": [0.9, 0.91, 0.92], "other": [0.5, 0.5, 0.5]}
    (verdict,) = conclude([more_than("more", found, "one", "other", "success")])
    assert (verdict.outcome, verdict.margin) == ("supported", (PRACTICAL, ANY))
    assert verdict.measured == "0.91 [0.89, 0.93] against 0.50 [0.50, 0.50]; 0.41 [0.39, 0.43] more."


def test_evidence_is_read_back_from_strict_json():
    one = Evidence(of="ratio", values=[1.0, ANY], others=[ANY, 2.0], claimed=(0.0, ANY), method="ratio of medians")
    assert stored_evidence(strict(asdict(one))) == one
    other = Evidence(of="share", values=[1.0, 0.0], claimed=(-ANY, 0.5), others=[])
    assert stored_evidence(strict(asdict(other))) == other
