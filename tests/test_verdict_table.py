"""The table of claims is made from the stored verdicts."""

import json

import pytest

from scripts.verdict_table import PAGE, RESULTS, every_claim, written_into


@pytest.fixture
def results(tmp_path):
    verdicts = [
        {"claim": "It learns.", "measured": "9 of 10 | seeds.", "holds": False},
        {"claim": "It learns something.", "measured": "10 of 10 seeds", "holds": True},
    ]
    arm = {"seeds": [100, 101], "env_steps": 48_000}
    record = {"verdicts": verdicts, "arms": {"one": arm}, "seeds": [100, 101], "counts": True}
    folder = tmp_path / "scripts" / "results"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(json.dumps(record), encoding="utf-8")
    (folder / "other.json").write_text("[]", encoding="utf-8")
    return folder


def test_every_stored_verdict_has_its_line(results):
    (results / "study.png").touch()
    assert every_claim(results).splitlines()[2:] == [
        "| **[study](study.json), [figure](study.png)** | seeds 100-101, 48,000 env steps | |",
        "| It learns | 9 of 10 \\| seeds | **does not hold** |",
        "| It learns something | 10 of 10 seeds | **holds** |",
    ]


def test_superseded_results_say_why(results):
    file = results / "study.json"
    record = json.loads(file.read_text(encoding="utf-8")) | {"superseded": "measured before the change"}
    file.write_text(json.dumps(record), encoding="utf-8")
    assert every_claim(results).splitlines()[2] == (
        "| **[study](study.json)** | seeds 100-101, 48,000 env steps; **superseded**: measured before the change | |"
    )


def test_a_study_has_the_name_by_which_it_is_run(results):
    (results / "study.json").rename(results / "gail_benchmark_acrobot.json")
    assert "| **[demonstrations/gail_benchmark/acrobot](gail_benchmark_acrobot.json)** |" in every_claim(results)


def test_stored_results_count_and_come_from_clean_commits():
    for path in RESULTS.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and "verdicts" in record:
            assert record["counts"], path.name
            assert not any(arm["git_dirty"] for arm in record["arms"].values()), path.name
            assert not record.get("git_dirty"), path.name


def test_the_page_shows_the_stored_verdicts():
    text = PAGE.read_text(encoding="utf-8")
    assert text == written_into(text, every_claim()), "run python scripts/verdict_table.py"
