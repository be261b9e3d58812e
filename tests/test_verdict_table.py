"""The table of claims is made from the stored verdicts."""

import json
import re

import pytest

from rl_rewards.reporting.stored_claims import judged_in_words
from scripts.rejudge import judged_anew
from scripts.rejudge import main as rejudge
from scripts.verdict_table import PAGE, RESULTS, every_change, every_claim, stored_studies, whole_page


def verdict(claim, yes, needed, **judged):
    """A stored verdict on a share of ten seeds."""
    values = [float(i < yes) for i in range(10)]
    evidence = {"of": "share", "values": values, "claimed": [needed, None], "method": "share", "others": []}
    return {"claim": claim, "measured": f"{yes} of 10 | seeds.", "per_seed": {}, "evidence": [evidence], **judged}


@pytest.fixture
def results(tmp_path):
    verdicts = [verdict("It learns.", 9, 0.9, before="held"), verdict("It learns something.", 10, 0.5)]
    arm = {"seeds": [100, 101], "env_steps": 48_000}
    record = {"verdicts": verdicts, "arms": {"one": arm}, "seeds": [100, 101], "counts": True}
    record["verdicts"] = judged_anew(record)
    folder = tmp_path / "scripts" / "results"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "other.json").write_text("[]", encoding="utf-8")
    return folder


def test_every_stored_verdict_has_its_line(results):
    (results / "study.png").touch()
    undecided = "**undecided**; more than 1,000 seeds"
    assert every_claim(results).splitlines()[2:] == [
        "| **[study](study.json), [figure](study.png)** | seeds 100-101, 48,000 env steps | | | |",
        f"| It learns | 9 of 10 \\| seeds | 0.555 to 0.997 (95%) | at least 0.9 | {undecided} |",
        "| It learns something | 10 of 10 \\| seeds | 0.645 to 1 (97.5%) | at least 0.5 | **supported** |",
    ]


def test_changed_verdicts_have_their_line(results):
    assert every_change(results).splitlines()[2:] == [
        "| study | It learns | held | **undecided** | 9 of 10 seeds: the exact 95% interval is 0.55 to 1.00 |"
    ]


def test_results_are_judged_anew_from_their_seeds(results):
    path = results / "study.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    right = record["verdicts"]
    record["verdicts"] = [{**one, "outcome": "refuted", "interval": [0.0, 0.1]} for one in right]
    path.write_text(json.dumps(record), encoding="utf-8")
    rejudge(results)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["verdicts"] == right and record["judged_at"]


def test_superseded_results_say_why(results):
    file = results / "study.json"
    record = json.loads(file.read_text(encoding="utf-8")) | {"superseded": "measured before it"}
    file.write_text(json.dumps(record), encoding="utf-8")
    assert every_claim(results).splitlines()[2] == (
        "| **[study](study.json)** | seeds 100-101, 48,000 env steps; **superseded**: measured before it | | | |"
    )


def test_a_study_has_the_name_by_which_it_is_run(results):
    (results / "study.json").rename(results / "gail_benchmark_acrobot.json")
    assert "| **[demonstrations/gail_benchmark/acrobot](gail_benchmark_acrobot.json)** |" in every_claim(results)


def test_stored_results_count_and_come_from_clean_commits():
    for path, record in stored_studies(RESULTS):
        assert record["counts"], path.name
        assert not any(arm["git_dirty"] for arm in record["arms"].values()), path.name
        assert not record.get("git_dirty"), path.name


def test_stored_verdicts_follow_from_their_seeds():
    for path, record in stored_studies(RESULTS):
        for stored, judged in zip(record["verdicts"], judged_anew(record), strict=True):
            assert stored["outcome"] == judged["outcome"], (path.name, stored["claim"])
            assert judged_in_words(stored) == judged_in_words(judged), (path.name, stored["claim"])


def test_the_page_shows_the_stored_verdicts():
    text = PAGE.read_text(encoding="utf-8")
    assert text == whole_page(text), "run python scripts/verdict_table.py"


def test_stored_verdicts_name_no_folder_of_a_machine():
    absolute = re.compile(r"(?<![\w@.:])/(?:tmp|home|root|work|Users|mnt)/")
    found = {path.name for path in RESULTS.glob("*.json") if absolute.search(path.read_text(encoding="utf-8"))}
    assert not found
