"""The data that wandb receives; no failure of wandb stops a run."""

import sys
import types
from pathlib import Path

import yaml

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.loop.build import build_settings
from rl_rewards.loop.loggers.base import series
from rl_rewards.loop.loggers.wandb import WandbLog, group_of
from rl_rewards.loop.run_folder import plain_values
from tests.runs import composed


class FakeRun:
    def __init__(self, fails: bool = False) -> None:
        self.fails, self.rows, self.finished, self.defined = fails, [], False, []

    def define_metric(self, name, step_metric):
        self.defined.append((name, step_metric))

    def log(self, row):
        if self.fails:
            raise ConnectionError("no network")
        self.rows.append(row)

    def finish(self):
        self.finished = True


def logged_into(monkeypatch, tmp_path, run: FakeRun, *overrides: str):
    told: list[dict] = []

    def init(**arguments):
        told.append(arguments)
        return run

    module = types.ModuleType("wandb")
    module.__dict__["init"] = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    said: list[str] = []
    log = WandbLog(build_settings(composed("env=point", *overrides)), tmp_path, said.append)
    return log, told, said


def test_group_job_type_tags_and_the_same_run_after_a_resume(monkeypatch, tmp_path):
    run = FakeRun()
    log, told, said = logged_into(monkeypatch, tmp_path, run, "logger.tags=[a,b]", "logger.entity=us")
    log.log({"round": 0, "eval/success": None, "reward/loss": 0.5})
    log.close()
    _, again, _ = logged_into(monkeypatch, tmp_path, FakeRun(), "logger.group=mine")
    assert told[0]["group"].startswith("AdversarialClassifier-Point-PPO-")
    assert (told[0]["tags"], told[0]["entity"], told[0]["job_type"]) == (["a", "b"], "us", "train")
    assert again[0]["group"] == "mine"
    assert again[0]["id"] == told[0]["id"]
    assert run.rows == [{"round": 0, "reward/loss": 0.5}]
    assert run.defined == [("*", "env_steps")] and run.finished and not said


def test_runs_of_other_seeds_are_one_group():
    configs = [
        plain_values(composed("env=point", *more)) for more in ([], ["seed=3", "num_seeds=2"], ["algorithm.clip=0.3"])
    ]
    first, seeds, other = map(group_of, configs)
    assert first == seeds != other


def test_seeds_become_series():
    told = series({"env_steps": 5, "eval/success": [0.5, None, 1.0], "eval/x": [None, None, None]}, first_seed=7)
    assert told == {"env_steps": 5, "eval/success": 0.75, "eval/success/seed_7": 0.5, "eval/success/seed_9": 1.0}


def test_a_failure_is_said_once_and_stops_nothing(monkeypatch, tmp_path):
    log, _, said = logged_into(monkeypatch, tmp_path, FakeRun(fails=True))
    for _ in range(3):
        log.log({"round": 0})
    log.close()
    assert len(said) == 1 and "no network" in said[0] and "metrics.jsonl has all metrics" in said[0]


def test_absent_wandb_is_said_once(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    said: list[str] = []
    WandbLog(build_settings(composed("env=point")), tmp_path, said.append).log({"round": 0})
    assert len(said) == 1 and "wandb is off for this run" in said[0]


def test_the_sweep_speaks_hydras_language():
    sweep = yaml.safe_load((Path(CONFIGS).parent / "scripts" / "wandb_sweep.yaml").read_text(encoding="utf-8"))
    fixed = [word for word in sweep["command"] if "=" in word]
    chosen = [
        f"{name}={spec['values'][0] if 'values' in spec else spec['min']}" for name, spec in sweep["parameters"].items()
    ]
    cfg = composed(*fixed, *chosen)
    assert cfg.logger.mode == "online" and cfg.algorithm.learning_rate == 0.0001
    assert sweep["command"][-1] == "${args_no_hyphens}"


def test_texts_become_a_table_with_a_row_for_every_text_of_every_seed(monkeypatch, tmp_path):
    run = FakeRun()
    log, _, said = logged_into(monkeypatch, tmp_path, run, "seed=7", "num_seeds=2")
    sys.modules["wandb"].__dict__["Table"] = lambda columns, rows: (columns, rows)
    one = {"why": "first", "episode": 0, "gold": 1.5, "proxy": 0.5, "prompt": "name the capital", "response": "rome ."}
    log.log({"round": 0}, [[one], [{**one, "response": "paris ."}]])
    columns, rows = run.rows[0]["texts"]
    assert columns == ["seed", "why", "prompt", "response", "gold", "proxy"] and not said
    assert rows == [
        [7, "first", "name the capital", "rome .", 1.5, 0.5],
        [8, "first", "name the capital", "paris .", 1.5, 0.5],
    ]
