"""While Python writes the row of a round, the device is at the next one, wherever nothing else depends on the round."""

import json

import pytest

from rl_rewards.core.errors import TrainingFailed
from rl_rewards.loop import experiment
from rl_rewards.loop.log import MetricsFile
from rl_rewards.loop.rounds import Rounds
from tests.runs import run_here

FEW_EVENTS = ("env=point", "reward=environment", "evaluation.every=1000")


@pytest.fixture
def order(monkeypatch):
    """What happens in which order: ("begin", round) and ("row", round)."""
    seen = []
    call, append = Rounds.__call__, MetricsFile.append

    def begin(self, state, round):
        seen.append(("begin", round))
        return call(self, state, round)

    def write(self, row):
        seen.append(("row", row["round"]))
        return append(self, row)

    monkeypatch.setattr(Rounds, "__call__", begin)
    monkeypatch.setattr(MetricsFile, "append", write)
    return seen


def begun_before(seen, round):
    """The rounds that had begun when the row of ``round`` was written."""
    return [number for what, number in seen[: seen.index(("row", round))] if what == "begin"]


def test_rows_are_written_behind_the_device_with_the_same_values(tmp_path, order):
    run_here(tmp_path / "quiet", *FEW_EVENTS)
    assert begun_before(order, 0) == [0], "the first round is evaluated"
    assert begun_before(order, 1) == [0, 1, 2] and begun_before(order, 2) == [0, 1, 2, 3]
    assert begun_before(order, 4) == [0, 1, 2, 3, 4]
    order.clear()
    run_here(tmp_path / "saved", *FEW_EVENTS, "checkpoint.every=1")
    assert [what for what, _ in order] == ["begin", "row"] * 5, "a checkpoint needs the state of its round"
    one, other = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("quiet", "saved")
    )
    digests = {json.loads((tmp_path / name / "DONE").read_text())["digest"] for name in ("quiet", "saved")}
    assert len(digests) == 1
    for row, same in zip(one, other, strict=True):
        assert {k: v for k, v in row.items() if not k.startswith("time/")} == {
            k: v for k, v in same.items() if not k.startswith("time/")
        }


def test_a_broken_value_is_told_with_its_own_round(tmp_path, monkeypatch):
    """It is seen when the row is written, while the next round runs."""
    original = experiment.jax.device_get

    def broken(tree):
        found = original(tree)
        if isinstance(found, dict) and "finite/agent" in found:
            broken.rows += 1
            if broken.rows == 3:
                found["finite/agent"] = found["finite/agent"] & False
        return found

    broken.rows = 0
    monkeypatch.setattr(experiment.jax, "device_get", broken)
    with pytest.raises(TrainingFailed, match="Training stopped in round 2: "):
        run_here(tmp_path / "run", *FEW_EVENTS)
    assert len((tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 2
