"""A page says what the run reached and kept, warns of a collapse, and names the policy that was kept."""

import json
import shutil
from html import unescape

import numpy as np
import pytest

from rl_rewards.loop.best_criterion import CRITERIA
from rl_rewards.reporting.kept import kept_words
from rl_rewards.reporting.page import write_report
from rl_rewards.reporting.run_files import read_run
from rl_rewards.reporting.video import best_round, write_videos
from tests.reporting.fake_run import STEPS_PER_ROUND, write_fake_run

pytestmark = pytest.mark.usefixtures("blank_figures")

HELD = [0.0, 0.5, 0.95, 1.0, 1.0, 0.98]
LOST = [*HELD, 0.6, 0.3, 0.2, 0.19, 0.19, 0.19, 0.19]
BACK = [*HELD, 0.6, 0.3, 0.2, 0.95, 0.95, 0.95, 0.95]


FAST = 0.002  # seconds of a step, so that videos have few frames


def page(run_dir) -> str:
    return unescape(write_report(run_dir).read_text(encoding="utf-8"))


def with_success(run_dir, *successes):
    """Write a fake run of thirteen evaluations with the given success, one sequence per seed."""
    write_fake_run(run_dir)
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    evaluated = [row for row in rows if "eval/success" in row]
    for row, values in zip(evaluated, zip(*successes, strict=True), strict=True):
        row["eval/success"] = row["eval/success_deterministic"] = values[0] if len(successes) == 1 else list(values)
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if len(successes) > 1:
        shutil.rmtree(run_dir / "evaluations")
    return run_dir


def keep(run_dir, round=24, criterion="success", success=1.0):
    entry = {"round": round, "env_steps": (round + 1) * STEPS_PER_ROUND, "success": success, "true_return": 12.0}
    record = {"criterion": criterion, "words": CRITERIA[criterion], "rounds": round + 1, "seeds": [entry]}
    (run_dir / "best.json").write_text(json.dumps(record))
    return run_dir


def test_what_was_lost_is_said_first(tmp_path):
    run_dir = keep(with_success(tmp_path / "run", LOST))
    (run_dir / "videos" / "best.mp4").write_bytes(b"nor is this" * 50)
    text = page(run_dir)
    for words in (
        "Success reached 1.00 at 123k env steps, fell to 0.19 after 205k (64 episodes); no exploit alarm.",
        "The policy learned the task and lost it again",
        "success was below two thirds of its earlier level: it was 0.99 around 164k env steps",
        "First noticed at 328k env steps.",
        "kept in checkpoints/best",
        "Best success",
        "first at 123k env steps; the kept policy is from 205k",
        "The best policy",
        "after 205k env steps: success 1.00; true return 12.0. Its evaluation is the one with the highest success",
        "RUN_DIR@best",
    ):
        assert words in text, words


def test_what_came_back_is_a_warning(tmp_path):
    text = page(with_success(tmp_path / "run", BACK))
    assert "Success reached 1.00 at 123k env steps; 0.95 at the end (64 episodes)" in text
    assert "Success collapsed at 328k env steps and has recovered since." in text
    assert "lost it again" not in text
    assert "kept in checkpoints/best" not in text, "this run has none"


def test_a_run_that_learns_has_no_notice(tmp_path):
    text = page(write_fake_run(tmp_path / "run"))
    assert "Collapse" not in text and "The best policy" not in text
    assert "Best success" in text


def test_in_how_many_seeds(tmp_path):
    text = page(with_success(tmp_path / "run", LOST, BACK, [0.0] * 13))
    assert "Success reached 0.9 in 2 of 3 seeds" in text
    assert "1 seed fell by more than a third from its best (seed 7 from 1.00 to 0.19 after 205k)." in text
    assert "1 of 3 seeds (7) at the last evaluation. The notice of the first one: Collapse" in text
    assert "mean over seeds of each seed's best evaluation; the lowest is 0.00" in text


def test_without_success_the_best_return_has_its_tile(tmp_path):
    run_dir = write_fake_run(tmp_path / "run", has_success=False)
    assert kept_words(read_run(run_dir)) is None
    assert "Best true return" in page(run_dir)
    words = kept_words(read_run(keep(run_dir, criterion="goals")))
    assert "true success is not used" in words


@pytest.mark.parametrize(
    ("criterion", "success", "last", "expected"),
    [("success", 1.0, 0.19, 24), ("success", 1.0, 0.95, None), ("goals", None, 0.95, 24)],
)
def test_the_best_gets_a_video_where_it_is_notably_better(tmp_path, criterion, success, last, expected):
    run_dir = keep(with_success(tmp_path / "run", [*LOST[:-1], last]), criterion=criterion, success=success)
    assert best_round(run_dir) == expected
    for path in (run_dir / "videos").iterdir():
        path.unlink()
    shown = []

    def draw(scene):
        shown.append(scene)
        return np.zeros((16, 16, 3), np.uint8)

    names = [path.name for path in write_videos(run_dir, draw, FAST)]
    assert ("best.mp4" in names) == (expected is not None) == (run_dir / "videos" / "best.mp4").exists()
    keep(run_dir, round=59, criterion=criterion, success=success)  # a resumed run, whose last evaluation is the best
    assert best_round(run_dir) is None
    write_videos(run_dir, draw, FAST)
    assert not (run_dir / "videos" / "best.mp4").exists()
