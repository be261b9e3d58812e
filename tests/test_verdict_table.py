"""The README's table comes from the stored verdicts."""

import json

from scripts.verdict_table import README, RESULTS, table, written_into


def test_every_stored_verdict_has_its_line(tmp_path):
    verdict = {"claim": "It learns.", "measured": "9 of 10 | seeds.", "holds": False}
    arm = {"seeds": [100, 101], "env_steps": 48_000}
    record = {"verdicts": [verdict], "arms": {"one": arm}, "seeds": [100, 101], "counts": True}
    (tmp_path / "study.json").write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "other.json").write_text("[]", encoding="utf-8")
    assert table(tmp_path).splitlines()[2:] == [
        "| **[study](scripts/results/study.json)** | seeds 100-101, 48,000 env steps | |",
        "| It learns | 9 of 10 \\| seeds | **does not hold** |",
    ]


def test_stored_results_count_and_come_from_clean_commits():
    for path in RESULTS.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(record, dict) and "verdicts" in record:
            assert record["counts"], path.name
            assert not any(arm["git_dirty"] for arm in record["arms"].values()), path.name
            assert not record.get("git_dirty"), path.name


def test_the_readme_shows_the_stored_verdicts():
    text = README.read_text(encoding="utf-8")
    assert text == written_into(text, table()), "run python scripts/verdict_table.py"
