"""Several runs are found by folder, glob, study or sweep, grouped by seed, and reported side by side or refused."""

import json
import os
from pathlib import Path

import pytest

from rl_rewards.report import main
from rl_rewards.reporting.arms import differences, group
from rl_rewards.reporting.find_runs import find_runs
from tests.reporting.fake_run import write_fake_run
from tests.reporting.test_report import Page

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture
def sweep(tmp_path) -> Path:
    """Two arms that differ in the learning rate, of two seeds and one."""
    folder = tmp_path / "sweep"
    write_fake_run(folder / "a", rounds=20, seed=0)
    write_fake_run(folder / "b", rounds=20, seed=1)
    write_fake_run(folder / "c", rounds=20, evaluate_every=2, seed=0, learning_rate=0.001, exploited=True)
    (folder / ".jobs").mkdir()
    (folder / "c" / ".hydra").mkdir()
    (folder / "c" / ".hydra" / "config.yaml").write_text("a: 1\n")
    return folder


def write_study(folder: Path, counts: bool = True) -> Path:
    for i, name in enumerate(("plain", "changed")):
        write_fake_run(folder / "arms" / name, rounds=12, seed=0, learning_rate=0.001 * (i + 1), video=False)
    judged = {"interval_of": "share of seeds", "level": 0.975, "method": "Student t", "seeds_needed": None}
    verdicts = [
        {"claim": claim, "measured": "9 of 10.", "outcome": outcome, "interval": interval, "margin": margin, **judged}
        for claim, outcome, interval, margin in (
            ("It learns.", "supported", [0.5, 1.0], [0.4, None]),
            ("The change hurts.", "refuted", [None, 0.3], [0.4, None]),
            ("It is fast.", "undecided", [2, None], [None, 3.5]),
        )
    ]
    verdicts[2]["seeds_needed"] = 1001
    record = {
        "question": "Does it learn? It may be fast.",
        "size": "full",
        "counts": counts,
        "seeds": [0, 1],
        "verdicts": verdicts,
        "command": "python -m x size=full",
    }
    (folder / "verdict.json").write_text(json.dumps(record))
    (folder / "verdict.png").write_bytes(b"not really a picture")
    return folder


def page(capsys, *arguments: str | Path) -> Page:
    """Return the page that the command writes, after the checks that every page must pass."""
    assert main([str(argument) for argument in arguments]) == 0
    text = Path(capsys.readouterr().out.strip()).read_text(encoding="utf-8")
    found = Page(text)
    assert all(
        load.startswith(("data:", "#")) or load.endswith(("report.html", "verdict.json")) for load in found.loads
    )
    assert all(f'id="{load[1:]}"' in text for load in found.loads if load.startswith("#"))
    assert len(found.alts) == found.tags.count("img") and all(found.alts)
    assert found.tags.count("script") == 1 and "http" not in text
    return found


@pytest.mark.drawn
def test_a_sweep_is_told_arm_by_arm(capsys, sweep):
    found = page(capsys, sweep)
    for words in (
        "2 arms",
        "3 runs",
        "Highest true success: 0.",
        "] (learning_rate=0.0003), lowest: ",
        "EXPLOIT ALARM in learning_rate=0.001.",
        "algorithm.learning_rate",
        "0, 1",
        "interquartile mean",
        "95% Student t interval over seeds of the mean",
        "Where the time went",
        "What the numbers mean",
        "The classifier's boundary over training",
        "python -m rl_rewards.run env=pencil_case reward=adversarial_classifier seed=1 '<b>'",
        "163,840 env steps; git 0f3c2a1b9d + uncommitted changes; DONE",
    ):
        assert words in found.text, words
    assert (sweep / "report.html").exists()
    assert found.text.index("EXPLOIT ALARM") < found.text.index("Every arm at its last evaluation")


def test_globs_and_out(capsys, sweep, tmp_path):
    out = tmp_path / "page.html"
    assert "2 arms" in page(capsys, sweep / "[ac]", "--out", out).text
    assert out.exists() and not (sweep / "report.html").exists()
    found = page(capsys, sweep / "[ab]")
    assert "1 arm" in found.text and "over 2 seeds" in found.text
    assert "Differences between" not in found.text


def test_reports_of_runs_are_linked_where_there_are_some(capsys, sweep):
    assert main([str(sweep / "a")]) == 0
    capsys.readouterr()
    assert [load for load in page(capsys, sweep).loads if load.endswith(".html")] == ["a/report.html"]


def test_one_run_is_reported_in_its_own_folder(capsys, sweep):
    assert main([str(sweep / "a" / ".." / "a"), str(sweep / "a")]) == 0
    assert capsys.readouterr().out.strip().endswith("a/report.html")
    assert main([str(sweep / "*a*"), "--out", str(sweep / "one.html")]) == 0
    assert "Episodes of the last evaluation" in (sweep / "one.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", ["", "arms", "arms/*"])
def test_a_study_opens_with_its_verdicts(capsys, tmp_path, part):
    found = page(capsys, write_study(tmp_path / "study") / part)
    assert "1 of 3 claims supported, 1 refuted, 1 undecided; no exploit alarm is active." in found.text
    assert "indicative" not in found.text
    for words in (
        "It learns.",
        "Share of seeds: 0.5 to 1 (97.5%), Student t; claimed: at least 0.4.",
        "Share of seeds: 2 to no upper limit (97.5%), Student t; claimed: at most 3.5; more than 1,000 seeds would",
        "REFUTED: The change hurts.",
        "python -m x size=full",
    ):
        assert words in found.text, words
    assert "The figure of the study study." in found.alts
    assert found.text.count("Does it learn? It may be fast.") == 1
    assert found.text.index("Does it learn?") < found.text.rindex("1 of 3 claims supported")
    assert len([load for load in found.loads if load.endswith("verdict.json")]) == 1
    assert found.text.index("The change hurts.") < found.text.index("Every arm at its last evaluation")


def test_a_study_of_an_older_version_is_shown_with_its_two_outcomes(capsys, tmp_path):
    folder = write_study(tmp_path / "study")
    path = folder / "verdict.json"
    record = json.loads(path.read_text())
    record["verdicts"] = [
        {"claim": "It learns.", "measured": "9 of 10.", "holds": True, "interval": [0.5, None], "interval_of": "share"},
        {"claim": "It is exact.", "measured": "", "holds": False, "interval": None, "interval_of": ""},
    ]
    path.write_text(json.dumps(record))
    text = page(capsys, folder).text
    assert "1 of 2 claims held, 1 did not hold; no exploit alarm is active." in text
    assert "HELD: It learns." in text and "DID NOT HOLD: It is exact." in text
    assert "An older version judged this by the interval 0.5 to no upper limit." in text


def test_a_small_study_is_indicative_and_one_without_arms_is_enough(capsys, tmp_path):
    assert "(indicative: not at full size)" in page(capsys, write_study(tmp_path / "small", counts=False)).text
    computed = write_study(tmp_path / "computed")
    (computed / "arms").rename(tmp_path / "elsewhere")
    found = page(capsys, computed)
    assert "It learns." in found.text and "Every arm" not in found.text


def test_other_environments_unfinished_and_left_out_runs_are_told(capsys, tmp_path):
    write_fake_run(tmp_path / "a", rounds=10, env="point")
    write_fake_run(tmp_path / "b", rounds=5, status="unfinished")
    write_fake_run(tmp_path / "never", rounds=3, evaluate_every=0)
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused" / "FAILED.json").write_text(json.dumps({"error": "No such thing."}))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.yaml").write_text("a: 1\n")
    found = page(capsys, tmp_path)
    for words in (
        "on different environments (point, pencil_case): do not compare their success or returns.",
        "1 of 3 runs is unfinished: b.",
        "The runs have between 24,576 and 81,920 env steps",
        "refused failed before there was anything to report: No such thing.",
        "new is not a run folder: it lacks run.json, spec.json, metrics.jsonl.",
    ):
        assert words in found.text, words


def test_returns_stand_in_where_success_is_unknown(capsys, tmp_path):
    write_fake_run(tmp_path / "a", rounds=6, has_success=False)
    write_fake_run(tmp_path / "b", rounds=6, has_success=False, classifier=False)
    found = page(capsys, tmp_path)
    assert "Highest true return" in found.text and "true success: " not in found.text
    assert "no learned reward" in found.text


def refusal(capsys, *arguments: str | Path) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ") and error.count("\n") == 1
    return error


def test_what_cannot_be_reported_gives_one_sentence(capsys, sweep, tmp_path):
    assert "nothing* matches no folder." in refusal(capsys, tmp_path / "nothing*")
    assert "is not a folder" in refusal(capsys, tmp_path / "nowhere")
    assert "is not a folder" in refusal(capsys, sweep / "a", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "it lacks config.yaml, run.json, spec.json, metrics.jsonl" in refusal(capsys, tmp_path / "empty")
    assert "is not the folder of a run, a study or a sweep" in refusal(capsys, sweep, tmp_path / "empty")
    (tmp_path / "broken" / "x").mkdir(parents=True)
    (tmp_path / "broken" / "x" / "config.yaml").write_text("a: 1\n")
    assert "broken can be reported. Left out: " in refusal(capsys, tmp_path / "broken")
    write_fake_run(sweep / "a" / "inner", rounds=2)
    assert "would replace the report of the run in" in refusal(capsys, sweep / "a", sweep / "a" / "inner")
    write_study(tmp_path / "study")
    (tmp_path / "study" / "verdict.json").write_text("{")
    assert "verdict.json cannot be read by this version" in refusal(capsys, tmp_path / "study")


def test_a_page_that_cannot_be_written(capsys, sweep, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refusal(capsys, sweep, "--out", tmp_path / "file" / "page.html")


def test_seeds_are_joined_where_all_have_an_evaluation(tmp_path):
    write_fake_run(tmp_path / "a", rounds=20, seed=0)
    write_fake_run(tmp_path / "b", rounds=10, seed=1, status="unfinished")
    (arm,) = group(find_runs([str(tmp_path)]).runs)
    assert arm.seeds == [0, 1] and arm.num_seeds == 2
    last = arm.evaluation_rows[-1]
    assert last["env_steps"] == arm.env_steps == 10 * 8192
    singles = [next(row for row in run.rows if row["env_steps"] == last["env_steps"]) for run in arm.runs]
    assert last["eval/success"] == [row["eval/success"] for row in singles]
    assert arm.of_seed(1).path.name == "b"


def test_a_seed_that_comes_twice_is_no_new_evidence(tmp_path):
    for name in ("a", "b"):
        write_fake_run(tmp_path / name, rounds=2, seed=0)
    write_fake_run(tmp_path / "c", rounds=2, seed=1)
    arms = group(find_runs([str(tmp_path)]).runs)
    assert [arm.seeds for arm in arms] == [[0, 1], [0]]
    assert [arm.name for arm in arms] == ["a", "b"]


def test_only_what_differs_and_is_not_implied(tmp_path):
    write_fake_run(tmp_path / "a", rounds=2)
    write_fake_run(tmp_path / "b", rounds=2, classifier=False, learning_rate=0.1)
    with (tmp_path / "a" / "config.yaml").open("a") as file:
        file.write("logger: {mode: online}\ncheckpoint: {every: 1}\n")
    arms = group(find_runs([str(tmp_path)]).runs)
    assert differences(arms) == {
        "reward": ["adversarial_classifier", "environment"],
        "algorithm.learning_rate": ["0.0003", "0.1"],
    }
    assert [arm.name for arm in arms] == [
        "adversarial_classifier, learning_rate=0.0003",
        "environment, learning_rate=0.1",
    ]


def test_relative_paths(capsys, sweep, monkeypatch):
    monkeypatch.chdir(sweep)
    assert main(["a", "c"]) == 0
    assert Path(capsys.readouterr().out.strip()).samefile(sweep / "report.html")
    assert os.listdir(sweep).count("report.html") == 1


def test_of_many_settings_that_differ_the_name_has_those_that_tell_arms_apart(tmp_path):
    for i in range(3):
        write_fake_run(tmp_path / str(i), rounds=1, learning_rate=0.1 * (i + 1), video=False)
        with (tmp_path / str(i) / "config.yaml").open("a") as file:
            file.write(f"a_long_name_of_a_setting: {i > 0}\nanother_long_name_of_a_setting: {'x' * 30 * (i > 1)}\n")
    arms = group(find_runs([str(tmp_path)]).runs)
    assert len(differences(arms)) == 3
    assert [arm.name for arm in arms] == ["learning_rate=0.1", "learning_rate=0.2", "learning_rate=0.30000000000000004"]
