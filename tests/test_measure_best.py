"""scripts/measure_best.py measures how well a criterion without the true reward finds the best policy."""

import json

import pytest

from scripts.measure_best import main, shortfalls, summarise


def row(i, success, final):
    return {
        "round": i,
        "env_steps": i,
        "eval/success": success,
        "eval/learned_reward_final": final,
        "eval/reward_heldout_goals": 0.9,
        "eval/learned_return": 10.0 * i,
    }


ROWS = [row(i, s, f) for i, (s, f) in enumerate([(0.0, 0.1), (0.9, 0.6), (1.0, 0.5), (0.97, 0.7), (0.2, 0.1)])]


def test_shortfalls():
    found = shortfalls(ROWS)
    assert found["best"] == 1.0
    assert found["shortfall"] == pytest.approx({"goals": 0.03, "learned_return": 0.8, "newest": 0.8})


def test_over_the_runs_of_a_folder(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    lines = [json.dumps({**one, "eval/success": [one["eval/success"], 1.0]}) for one in ROWS]
    (tmp_path / "a" / "metrics.jsonl").write_text("\n".join([*lines, '{"round": 9, "env_steps": 9}']) + "\n")
    main([str(tmp_path), "--out", str(tmp_path / "out.json")])
    assert "2 seeds of 1 runs" in capsys.readouterr().out
    told = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert told["criteria"]["goals"]["close"] == 2 and told["criteria"]["newest"]["close"] == 1
    assert summarise([]) == {}
