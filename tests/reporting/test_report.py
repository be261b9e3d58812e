"""The report shows the learned reward beside the true outcome, has no external parts, and works for broken runs."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.labelers.judge.journal import JOURNAL_NAME, Journal
from rl_rewards.report import main
from rl_rewards.reporting import over_seeds
from rl_rewards.reporting.advice import success_advice
from rl_rewards.reporting.evaluation_files import MAPS
from rl_rewards.reporting.page import write_report
from rl_rewards.reporting.run_files import read_run
from rl_rewards.reporting.verdict import judge, judge_notices, wilson_interval
from tests.reporting.fake_run import write_fake_run

pytestmark = pytest.mark.usefixtures("blank_figures")


class Page(HTMLParser):
    """Collects the links, image descriptions, tags and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.alts: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "poster", "action"):
                self.loads.append(value or "")
            if name == "alt":
                self.alts.append(value or "")

    def handle_data(self, data):
        self.text += data


def _page(run_dir: Path) -> Page:
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://", text)
    page = Page(text)
    assert all(load.startswith(("data:", "#")) for load in page.loads)
    assert all(page.alts)
    assert len(page.alts) == page.tags.count("img")
    assert page.tags.count("script") == 1  # the page's own, without an address
    return page


@pytest.mark.drawn
def test_good_run_shows_learned_beside_true(tmp_path):
    page = _page(write_fake_run(tmp_path / "run"))
    for words in (
        "Success 0.",
        "at the end, the best of 13 evaluations (64 episodes); no exploit alarm.",
        "Learned reward beside the true outcome",
        "Episodes of the last evaluation",
        "The classifier's outputs",
        "The classifier's boundary over training",
        "case upright, pusher parked",
        "Can the classifier tell goals from other states?",
        "The final policy",
        "The most rewarded failure",
        "git 0f3c2a1b9d + uncommitted changes",
        "python -m rl_rewards.run env=pencil_case reward=adversarial_classifier seed=7 '<b>'",
        "held-out goals: 0.85",
        "total_env_steps: 491520",
        "eval/return_correlation",
        "DONE",
    ):
        assert words in page.text, words
    assert "video" in page.tags
    assert "b'" not in page.text
    assert page.text.index("True success") < page.text.index("Learned return")


def test_exploited_run_opens_with_the_alarm(tmp_path):
    page = _page(write_fake_run(tmp_path / "run", exploited=True))
    assert "Success 0.00 at the end, the same as at every evaluation (64 episodes); EXPLOIT ALARM" in page.text
    assert "The policy exploits the learned reward" in page.text
    assert "It was first raised at" in page.text
    assert "no exploit alarm" not in page.text


def test_alarm_that_has_cleared_is_still_told(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", exploited=True)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    rows[-1]["eval/success"] = 0.9
    _write_rows(run_dir, rows)
    page = _page(run_dir)
    assert "an exploit alarm was raised earlier and has cleared" in page.text
    assert "and has cleared since" in page.text


def test_advice_stands_beside_a_low_success(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", exploited=True)
    assert "The exploit alarm above names three fixes." in _page(run_dir).text
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]

    def advice(success, learned: float) -> str:
        evaluated = [row for row in rows if "eval/success" in row]
        for i, row in enumerate(evaluated):
            row |= {"eval/success": success(i / len(evaluated)), "eval/learned_reward_final": learned}
        _write_rows(run_dir, rows)
        return success_advice(read_run(run_dir))

    assert advice(lambda share: 0.2, 0.99).startswith("Final states earn as much learned reward as held-out goals. The")
    low = advice(lambda share: 0.2, 0.1)
    assert "does not get its learned reward either (0.100; held-out goals: 0.8" in low and "algorithm.learning" in low
    assert advice(lambda share: 0.2, 0.6).startswith("Train for longer (total_env_steps). Try ")
    assert advice(lambda share: 0.45 * share, 0.1) == "Success was still rising: train for longer (total_env_steps)."
    assert "says what to try" in advice(lambda share: 0.9 if share < 0.6 else 0.1, 0.1)
    assert advice(lambda share: 0.9, 0.1) == ""


def test_little_success_with_full_learned_reward_asks_for_a_closer_look(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", exploited=True)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        if "eval/success" in row:
            row["eval/success"] = 0.2
    _write_rows(run_dir, rows)
    assert "Look closer" in _page(run_dir).text


def test_a_judge_that_cannot_be_relied_on_is_told_of(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=3, video=False)
    run = read_run(run_dir)
    assert judge(run).notices == []
    for seed in (7, 8):
        journal = Journal(run_dir / JOURNAL_NAME, seed)
        journal.remember({query: [] for query in range(9)})
        for query in range(9):
            journal.judged(query, 1, 1, "no answer (finish_reason=length)" if query < 5 and seed == 7 else None)
        journal.close()
    refused, flips = [notice.text for notice in judge(run).notices]
    assert "left 5 of 9 queries without an answer (5 times: no answer (finish_reason=length))" in refused
    assert "labeler.parameters.max_tokens" in refused and "contradicts itself on 9 of 9 pairs" in flips
    other = replace(run, config={**run.config, "seed": 8})
    assert len(judge_notices(other)) == 1
    seeds = SimpleNamespace(num_seeds=2, of_seed=lambda index: (run, other)[index])
    (whole,) = over_seeds._judge_notices(seeds)
    assert whole.text.startswith("The AI judge is unreliable in 2 of 2 seeds. The judge of seed 7 has left 5 of 9")


def test_without_success(tmp_path):
    page = _page(write_fake_run(tmp_path / "run", has_success=False))
    assert "True return" in page.text
    assert "True success" not in page.text


def test_the_demonstrators_return_stands_beside_the_true_one(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", has_success=False)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    _write_rows(run_dir, [row | {"eval/demo_return": -76.5} for row in rows])
    assert "; demonstrator's -76.5" in _page(run_dir).text


def test_true_reward_without_classifier_or_video(tmp_path):
    page = _page(write_fake_run(tmp_path / "run", classifier=False, video=False))
    assert "trained on the environment's own reward, without a learned reward" in page.text
    assert "The classifier's outputs" not in page.text
    assert "plane of states" not in page.text
    assert "video" not in page.tags
    assert "The final policy" not in page.text
    assert "Can the classifier" not in page.text


def test_the_most_rewarded_failure_is_told_with_its_rank(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", exploited=True)
    last = read_run(run_dir).evaluations[-1]
    text = _page(run_dir).text
    assert "In the last evaluation 64 of 64 episodes do not end in success." in text
    assert f"highest learned return: {last.learned_returns.max():.1f}, rank 1 of 64 episodes." in text
    assert "No episode succeeds." in text


def test_no_failure_is_said(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=1)
    (run_dir / "videos" / "most_rewarded_failure.mp4").unlink()
    one = {"learned_reward": np.ones((1, 3)), "env_reward": np.ones((1, 3)), "valid": np.ones((1, 3), bool)}
    arrays = {**one, "success": np.ones((1, 3), bool), "failure_episode": -1}
    np.savez(run_dir / "evaluations" / "000000.npz", round=0, env_steps=8192, **arrays)
    assert "There is no failure: all 3 episodes of the last evaluation end in success." in _page(run_dir).text


def test_maps_are_read_over_all_of_training(tmp_path):
    run = read_run(write_fake_run(tmp_path / "run", rounds=60))
    steps = [one.env_steps for one in run.maps]
    assert len(steps) == MAPS and steps == sorted(set(steps))
    assert steps[0] == 8192 and steps[-1] == run.env_steps
    assert run.maps[-1].success is not None
    np.testing.assert_array_equal(run.maps[-1].success, run.evaluations[-1].ended_in_success)


@pytest.mark.drawn
def test_a_reward_that_is_no_probability_has_a_map_of_its_own(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=1)
    path = run_dir / "evaluations" / "000000.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, "plane_reward": np.log(arrays["plane_prob"] + 1e-3)})
    text = _page(run_dir).text
    assert "The classifier's boundary over training" in text and "Learned reward over the plane of states" in text


def test_never_evaluated(tmp_path):
    page = _page(write_fake_run(tmp_path / "run", evaluate_every=0, status="unfinished"))
    assert "Never evaluated; in the last training round the learned reward was" in page.text
    assert "Learned reward beside the true outcome" in page.text
    assert "The run is unfinished: 491,520 of 491,520 env steps." in page.text


def test_single_row(tmp_path):
    page = _page(write_fake_run(tmp_path / "run", rounds=1))
    assert "too few evaluations to judge exploitation (1 of 3)" in page.text


def test_failed_run(tmp_path):
    page = _page(write_fake_run(tmp_path / "run", rounds=12, status="FAILED"))
    assert "In round 12: agent/loss became NaN." in page.text
    assert "FAILED" in page.text


def test_failed_before_the_first_round(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=0, status="FAILED")
    assert "failed before its first round" in _page(run_dir).text


def test_nan_null_and_odd_metrics(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=20)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        for key in row:
            if key not in ("round", "env_steps", "eval/learned_return"):
                row[key] = [float("nan"), None, float("inf"), [1.0, 2.0], "text"][len(key) % 5]
    _write_rows(run_dir, rows)
    assert "The last evaluation has no true return" in _page(run_dir).text


def test_evaluations_of_one_episode_that_ends_at_once(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=1)
    one = {"learned_reward": np.ones((1, 1)), "env_reward": np.zeros((1, 1)), "valid": np.ones((1, 1), bool)}
    np.savez(run_dir / "evaluations" / "000000.npz", round=0, env_steps=8192, prob_visited=np.full((1, 1), 0.3), **one)
    _page(run_dir)


def test_half_written_last_row_is_left_out(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=3, status="unfinished")
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write('{"round": 3, "env_st')
    assert len(read_run(run_dir).rows) == 3


def test_evaluation_files_beyond_the_metrics_are_left_out(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=10, status="unfinished")
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    _write_rows(run_dir, rows[:6])
    assert [evaluation.round for evaluation in read_run(run_dir).evaluations] == [0, 4]


def test_returns_and_success_ignore_invalid_steps(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=1)
    valid = np.array([[1, 1], [1, 0], [1, 0]], bool)
    np.savez(
        run_dir / "evaluations" / "000000.npz",
        round=0,
        env_steps=8192,
        valid=valid,
        learned_reward=np.array([[1.0, 5.0], [2.0, np.nan], [3.0, 9.0]]),
        env_reward=np.array([[0.0, 1.0], [0.0, 7.0], [1.0, 7.0]]),
        success=np.array([[0, 1], [0, 0], [1, 0]], bool),
    )
    (evaluation,) = read_run(run_dir).evaluations
    np.testing.assert_allclose(evaluation.learned_returns, [6.0, 5.0])
    np.testing.assert_allclose(evaluation.true_returns, [1.0, 1.0])
    assert evaluation.ended_in_success is not None
    assert evaluation.ended_in_success.tolist() == [True, True]


def test_wilson_interval_is_the_published_one():
    # For 10 of 20, Wilson (1927) gives 0.299 to 0.701 at 95%.
    assert wilson_interval(0.5, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson_interval(0.0, 64)[0] == 0.0
    assert wilson_interval(1.0, 64)[1] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("run.json", None, "lacks run.json"),
        ("config.yaml", None, "lacks config.yaml"),
        ("metrics.jsonl", None, "lacks metrics.jsonl"),
        ("metrics.jsonl", b"", "no round has finished yet"),
        ("metrics.jsonl", b"{]\n{}\n", "line 1 is not valid JSON"),
        ("metrics.jsonl", b'{"round": 0}\n', "line 1 must have the numbers round and env_steps"),
        ("run.json", b"[]", "must hold one JSON object"),
        ("config.yaml", b"a: [", "is not valid YAML"),
        ("spec.json", b"\xff\xfe", "cannot be read"),
        ("evaluations/000000.npz", b"PK", "is not an evaluation"),
    ],
)
def test_broken_folder_gives_one_sentence(tmp_path, capsys, name, content, words):
    run_dir = write_fake_run(tmp_path / "run", rounds=2)
    (run_dir / name).unlink()
    if content is not None:
        (run_dir / name).write_bytes(content)
    assert main([str(run_dir)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (run_dir / "report.html").exists()


def test_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="is not a folder"):
        write_report(tmp_path / "nowhere")


def test_the_door_imports_no_jax_and_prints_the_path(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", rounds=3, classifier=False, video=False)
    code = (
        "import sys; from rl_rewards.report import main; code = main([sys.argv[1]]); "
        "assert not {'jax', 'flax', 'mujoco', 'hydra'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(run_dir)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, str(run_dir / "report.html")), done.stderr


def _write_rows(run_dir: Path, rows: list[dict]) -> None:
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
