"""Reports of real runs, alone and side by side: the report draws what training stores."""

import pytest

from rl_rewards.core.files import read_json
from rl_rewards.report import main
from rl_rewards.reporting.run_files import read_run
from tests.finished import finished_run
from tests.reporting.test_report import Page
from tests.runs import raw_rows

KEPT = ("env=point", "video=true", "report=true", "total_env_steps=960")


@pytest.mark.long
def test_two_real_runs_side_by_side(tmp_path, capsys):
    """One run trains two seeds in one program, the other a third seed."""
    finished_run(tmp_path / "together", *KEPT, "seed=5", "num_seeds=2")
    said = capsys.readouterr().out
    assert "seed 5 to 6" in said and "mean and interval over 2 seeds" in said
    last = raw_rows(tmp_path / "together")[-1]
    assert len(last["eval/success"]) == 2
    assert read_json(tmp_path / "together" / "DONE")["env_steps"] == last["env_steps"]
    assert (tmp_path / "together" / "videos" / "final.mp4").stat().st_size > 0
    together = (tmp_path / "together" / "report.html").read_text(encoding="utf-8")
    assert "Every seed at the last evaluation" in together and "over 2 seeds" in together
    finished_run(tmp_path / "alone", *KEPT, "seed=7")
    run = read_run(tmp_path / "alone")
    assert run.failure_video is not None and run.video is not None  # three rounds do not learn the task
    assert [one.env_steps for one in run.maps] == [320, 640, 960]
    one = run.maps[-1]
    assert one.prob is not None and one.prob.shape == one.reward.shape == (one.y.size, one.x.size)
    assert one.final is not None and one.final.shape == (4, 2)
    alone = Page((tmp_path / "alone" / "report.html").read_text(encoding="utf-8"))
    for title in (
        "The classifier's boundary over training",
        "Can the classifier tell goals",
        "The most rewarded failure",
    ):
        assert title in alone.text, title
    assert alone.tags.count("video") == 2

    capsys.readouterr()
    assert main([str(tmp_path / "*")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "over 3 seeds" in page.text and "5 to 7" in page.text
    assert page.loads.count("alone/report.html") == page.loads.count("together/report.html") == 1
    for run_dir in ("alone", "together"):
        assert read_run(tmp_path / run_dir).command in page.text
