"""The sentence about what a run reached, kept and lost, and the definition of the collapse notice."""

import numpy as np
import pytest

from rl_rewards.reporting.outcome import collapse, collapses, numbers, outcome, verdict

STEPS = 100_000


def rows_of(successes, **more):
    return [
        {"round": i, "env_steps": STEPS * (i + 1), "eval/success": s, "eval/true_return": 0.0, **more}
        for i, s in enumerate(successes)
    ]


@pytest.mark.parametrize(
    ("successes", "sentence"),
    [
        ([0.0, 0.5, 1.0, 0.9, 1.0], "Success reached 1.00 at 300k env steps; 1.00 at the end"),
        ([0.0, 1.0, 1.0, 0.7, 0.4, 0.19], "Success reached 1.00 at 200k env steps, fell to 0.19 after 400k"),
        ([0.0, 1.0, 0.1, 0.9], "Success reached 1.00 at 200k env steps; 0.90 at the end"),
        ([0.0, 0.2, 0.7], "Success 0.70 at the end, the best of 3 evaluations"),
        ([0.0, 0.0], "Success 0.00 at the end, the same as at every evaluation"),
        ([0.4], "Success 0.40 at the end"),
        ([0.0, 0.2, 0.05], "Success reached 0.20 at 200k env steps; 0.05 at the end"),
    ],
)
def test_the_verdict_says_what_was_reached_and_kept(successes, sentence):
    assert verdict(rows_of(successes)) == sentence


def test_rows_without_an_evaluation_are_passed_over_and_a_run_that_goes_on_has_no_end():
    rows = [row for one in rows_of([0.0, 1.0, 0.9]) for row in (one, {"round": 9, "env_steps": 5})]
    assert verdict(rows, ended=False) == "Success reached 1.00 at 200k env steps; 0.90 after 300k env steps"
    assert verdict([{"round": 0, "env_steps": 10}]) is None and verdict([]) is None
    assert numbers([]) == {}


def test_a_return_is_told_in_numbers_and_never_called_reached_or_lost():
    rows = [{"round": i, "env_steps": 1000 * i, "eval/true_return": r} for i, r in enumerate([-1500, -160.4, -900])]
    assert verdict(rows) == "True return -900 at the end; the best was -160 at 1,000 env steps"
    assert outcome(rows).fell_after_steps is None and outcome(rows).reached_steps is None
    assert set(numbers(rows)) == {"verdict", "measure", "best", "best_env_steps", "last"}


def test_a_run_without_env_steps_counts_gradient_steps():
    rows = [{"round": i, "env_steps": 0, "gradient_steps": 50 * (i + 1), "eval/success": i / 2} for i in range(3)]
    assert numbers(rows[:2] + rows[:1])["best_gradient_steps"] == 100
    assert "gradient steps" in verdict(rows[:2] + rows[:1])


def test_numbers_of_one_seed_and_of_several():
    alone = numbers(rows_of([0.0, 0.95, 1.0, 0.3]))
    assert (alone["best"], alone["best_env_steps"], alone["last"]) == (1.0, 300_000, 0.3)
    assert (alone["reached_0.9_env_steps"], alone["fell_after_env_steps"]) == (200_000, 300_000)
    assert alone["verdict"].endswith(".") and alone["measure"] == "success"

    several = numbers(rows_of([[0.0, 0.0, 0.1], [1.0, 0.95, 0.2], [1.0, 0.1, 0.3]]), first_seed=4)
    assert several["best"] == [1.0, 0.95, 0.3] and several["last"] == [1.0, 0.1, 0.3]
    assert several["reached_0.9_env_steps"] == [200_000, 200_000, None]
    assert several["fell_after_env_steps"] == [None, 200_000, None]
    assert several["verdict"] == (
        "Success reached 0.9 in 2 of 3 seeds (median: at 200k env steps); 1 seed fell by more than a third from its "
        "best (seed 5 from 0.95 to 0.10 after 200k)."
    )


HELD = [0.9, 1.0, 1.0]


def test_collapse_needs_three_low_evaluations_after_three_good_ones():
    assert collapse(rows_of([*HELD, 0.6, 0.5]), kept=True) is None
    notice = collapse(rows_of([*HELD, 0.6, 0.5, 0.4]), kept=True)
    assert (notice.round, notice.env_steps) == (5, 600_000)
    assert "0.97 around 200k env steps and is now 0.40" in notice.message
    assert "checkpoints/best" in notice.message
    assert "checkpoints/best" not in collapse(rows_of([*HELD, 0.6, 0.5, 0.4]), kept=False).message
    assert collapse(rows_of([*HELD, 0.6, 0.7, 0.4]), kept=True) is None, "0.7 is above two thirds of 0.97"
    assert collapse(rows_of([*HELD, 0.1, 0.1, 0.1, 0.9]), kept=True) is None, "success has recovered"
    assert collapse(rows_of([0.1, 1.0, 0.1, 0.1, 0.1, 0.1]), kept=True) is None, "one lucky evaluation does not count"


def test_the_notice_names_what_this_run_can_try():
    lost = [*HELD, 0.1, 0.1, 0.1]
    both = {"reward/negatives": 400, "agent/clip_fraction": 0.4}
    told = collapse(rows_of(lost, **both), kept=False).message
    for option in ("reward.negatives=places", "learning_rate_schedule=linear", "algorithm.target_kl"):
        assert option in told
    by_places = collapse(rows_of(lost, **both, **{"reward/places": 300}), kept=False).message
    assert "negatives=places" not in by_places, "the run uses places already"
    assert "algorithm.learning_rate." in collapse(rows_of(lost), kept=False).message


def test_collapses_of_seeds():
    rows = rows_of([[good, 0.0] for good in (*HELD, 0.1, 0.1, 0.1)])
    assert list(collapses(rows, kept=True)) == [0] and collapses([], kept=True) == {}


@pytest.mark.parametrize("success", [0.15, 0.35, 0.45, 0.6])
def test_noise_is_no_collapse(success):
    """A constant policy, evaluated 36 times in 64 episodes, gets the rate of notices in the module's docstring."""
    rng = np.random.default_rng(0)
    runs = rng.binomial(64, success, (400, 36)) / 64
    raised = sum(any(collapse(rows_of(run[:end]), kept=False) for end in range(6, 37)) for run in runs)
    assert raised <= 8, "at most 2% of 400 runs; 0.5% are expected"


def test_a_fall_to_a_quarter_is_noticed_in_every_run():
    rng = np.random.default_rng(0)
    for _ in range(50):
        run = np.concatenate([rng.binomial(64, 0.7, 18), rng.binomial(64, 0.7 / 4, 4)]) / 64
        assert collapse(rows_of(run), kept=False) is not None
