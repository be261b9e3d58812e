"""Pages of runs whose environment has no true reward: they show none, and the unpaid return if there is one."""

import json

import pytest

from rl_rewards.reporting.over_seeds import over_seeds
from rl_rewards.reporting.page import write_report
from rl_rewards.reporting.run_files import read_run
from rl_rewards.reporting.verdict import alarm_words
from tests.reporting.fake_run import write_fake_run
from tests.reporting.test_comparison import page

pytestmark = pytest.mark.usefixtures("blank_figures")

TRUTH = ("eval/true_return", "eval/success", "eval/return_correlation", "train/true_reward", "train/success")


def without_truth(run_dir, unpaid=None):
    """Write a run without a true reward; ``unpaid`` makes the unpaid return of an evaluation from its number."""
    write_fake_run(run_dir, rounds=20, evaluate_every=2, has_success=False, classifier=False, video=False)
    config = (run_dir / "config.yaml").read_text(encoding="utf-8").replace("environment.Env", "frozen.F")
    (run_dir / "config.yaml").write_text(config, encoding="utf-8")
    run = json.loads((run_dir / "run.json").read_text(encoding="utf-8")) | {"reward_choice": "frozen"}
    (run_dir / "run.json").write_text(json.dumps(run), encoding="utf-8")
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [{key: value for key, value in row.items() if not key.startswith(TRUTH)} for row in rows]
    for number, row in enumerate(row for row in rows if "eval/learned_return" in row):
        row["eval/learned_return"] = float(number)
        row |= {} if unpaid is None else {"eval/unpaid_return": unpaid(number)}
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return run_dir


def test_without_anything_to_judge_by_a_page_says_so(tmp_path):
    run_dir = without_truth(tmp_path / "run")
    text = write_report(run_dir).read_text(encoding="utf-8")
    assert "There is no true reward; the learned return is 10.0 at the end" in text
    assert "nothing to judge exploitation by" in text and alarm_words(read_run(run_dir)) == "does not apply"
    for absent in ("True return", "True reward", "What we want", "Episodes of the last evaluation", "beside the true"):
        assert absent not in text


def test_the_unpaid_return_is_shown_and_raises_the_alarm(tmp_path):
    run_dir = without_truth(tmp_path / "run", lambda number: -float(number))
    text = write_report(run_dir).read_text(encoding="utf-8")
    assert "EXPLOIT ALARM" in text and "while the unpaid return (of the reward" in text
    assert "Learned and unpaid return" in text and "Unpaid return" in text
    rising = without_truth(tmp_path / "rising", float)
    assert "no exploit alarm" in write_report(rising).read_text(encoding="utf-8")


def test_several_runs_without_truth_are_compared_by_no_true_return(tmp_path, capsys):
    for name in ("a", "b"):
        without_truth(tmp_path / "runs" / name, lambda number: -float(number))
    text, _, _ = page(capsys, tmp_path / "runs").text.partition("Raised when the policy")  # before the glossary
    assert "true return" not in text and "beside the true outcome" not in text and "EXPLOIT ALARM" in text


def test_the_headline_over_seeds_keeps_the_alarm(tmp_path):
    run_dir = without_truth(tmp_path / "run", lambda number: -float(number))
    told = over_seeds(read_run(run_dir))
    assert told.headline.startswith(
        "There is no true reward; the learned return is 10.0 and the unpaid return is -10.0"
    )
    assert told.headline.endswith("EXPLOIT ALARM in 1 seed.")
    assert told.columns[0] == "learned return" and "unpaid return" in told.columns
