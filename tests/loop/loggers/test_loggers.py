"""The CSV file and the event files of TensorBoard: what is in them, also after a run has gone on, and their choice."""

import csv
import struct
from pathlib import Path

import pandas
import pytest
from tensorboardX.proto.event_pb2 import Event

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop.loggers import chosen
from rl_rewards.loop.loggers.csv_file import CsvLog
from rl_rewards.loop.loggers.tensorboard import TensorboardLog
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.run import resume_run
from tests.finished import cut_back, finished_run, resumed_run
from tests.runs import composed, raw_rows
from tests.unevaluated import evaluations


def events(folder: Path) -> list[Event]:
    """Return the events of all files: records of their length, its checksum, the event and its checksum."""
    found = []
    for path in sorted(folder.glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def shown(folder: Path, tag: str) -> dict[int, float]:
    """Return step -> value as TensorBoard shows it, which hides what came before a restart at or after its step."""
    found: dict[int, float] = {}
    for event in events(folder):
        if event.session_log.status == 1:  # START
            found = {step: value for step, value in found.items() if step < event.step}
        for value in event.summary.value:
            if value.tag == tag:
                assert event.step not in found, "each step is shown once"
                found[event.step] = value.simple_value
    return found


def read_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_csv_file_has_a_line_for_each_round_and_seed_and_grows_by_columns(tmp_path):
    rows = [{"round": 0, "env_steps": 5, "reward/loss": [0.5, None]}]
    said: list[str] = []
    log = CsvLog(tmp_path, rows, 7, said.append)
    second = {"round": 1, "env_steps": 10, "reward/loss": [1.0, 2.0]}
    for row in (second, {"round": 2, "env_steps": 15, "eval/x": [3.0, 4.0]}):
        rows.append(row)
        log.log(row)
    log.close()
    text = (tmp_path / "metrics.csv").read_text(encoding="utf-8")
    assert text.splitlines() == [
        "round,seed,env_steps,reward/loss,eval/x", "0,7,5,0.5,", "0,8,5,,", "1,7,10,1.0,", "1,8,10,2.0,",
        "2,7,15,,3.0", "2,8,15,,4.0",
    ]  # fmt: skip
    CsvLog(tmp_path, rows[:1], 7, said.append).close()
    assert len(read_csv(tmp_path)) == 2 and not said, "the rounds after the checkpoint are gone"


def test_tensorboard_has_seeds_and_texts_and_begins_with_earlier_rows(tmp_path):
    one = {"why": "first", "gold": None, "proxy": 0.5, "prompt": "a | b", "response": "two\nlines"}
    earlier = [{"round": 0, "env_steps": 5, "eval/success": [0.0, 0.5]}]
    log = TensorboardLog(tmp_path, earlier, 7, pytest.fail)
    log.log({"round": 1, "env_steps": 10, "eval/success": [0.5, 1.0]}, [[one], []])
    log.close()
    folder = tmp_path / "tensorboard"
    assert shown(folder, "eval/success") == {5: 0.25, 10: 0.75} and shown(folder, "eval/success/seed_8")[10] == 1.0
    assert not shown(folder, "env_steps"), "the axis has them"
    told = [
        value.tensor.string_val[0] for event in events(folder) for value in event.summary.value if "text" in value.tag
    ]
    assert told[0].decode().splitlines()[-1] == "7 | first | a \\| b | two lines |  | 0.5"


def test_a_failure_is_said_once_and_stops_nothing(tmp_path):
    said: list[str] = []
    log = CsvLog(tmp_path / "nowhere", [], 0, said.append)
    log.log({"round": 0, "env_steps": 1})
    log.close()
    assert len(said) == 1 and said[0].startswith("logger=csv is off for this run (FileNotFoundError")


def test_both_follow_a_run_that_is_interrupted_and_goes_on(tmp_path):
    """Resumed from an earlier checkpoint, both have every round once, and loggers can be chosen anew."""
    words = (
        "env=point",
        "reward=environment",
        "logger=[csv,tensorboard]",
        "checkpoint.every=2",
        "checkpoint.best=null",
    )
    run = finished_run(tmp_path / "run", *words, evaluated=False)
    cut_back(run)
    resumed_run(run, 1600, evaluated=False)
    logged = {row["env_steps"]: row["train/true_reward"] for row in raw_rows(run)}
    assert len(logged) == 5 and shown(run / "tensorboard", "train/true_reward") == pytest.approx(logged)
    frame = pandas.read_csv(run / "metrics.csv")
    assert dict(zip(frame["env_steps"], frame["train/true_reward"], strict=True)) == pytest.approx(logged)
    (run / "metrics.csv").unlink()
    with evaluations(False):
        resume_run(run, ["logger=csv"])  # nothing is left to do but to write the table
    assert pandas.read_csv(run / "metrics.csv").equals(frame)
    assert plain_values(composed("logger=csv"))["logger"] == {"csv": True}


@pytest.mark.parametrize(
    ("words", "loggers"),
    [
        ((), {"mode": "offline"}),
        (("logger=[csv,wandb]", "logger.mode=online"), {"csv": True, "mode": "online"}),
        (("experiment=quickstart", "logger=[csv,tensorboard]"), {"csv": True, "tensorboard": True}),
        (("logger=none",), {"mode": "disabled"}),
    ],
)
def test_one_or_several_are_chosen(words, loggers):
    found = plain_values(composed(*words))["logger"]
    assert {key: value for key, value in found.items() if key in ("csv", "tensorboard", "mode")} == loggers


def test_a_missing_package_is_named_before_anything_is_written(monkeypatch):
    monkeypatch.setattr(chosen, "find_spec", lambda name: None)
    chosen.check_loggers({"logger": {"csv": True}})
    with pytest.raises(ConfigError, match=r"pip install 'rl_rewards\[tensorboard\]'"):
        chosen.check_loggers({"logger": {"tensorboard": True}})
