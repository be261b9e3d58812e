"""``python -m rl_rewards.search`` with real runs: the report seeds, the page, and the exit code of workers."""

import json
import signal
import subprocess
import sys

import pytest

from rl_rewards import search
from rl_rewards.command_line.exits import REQUEUE

SPACE = """\
overrides: [env=point, reward=environment, debug=smoke]
space:
  algorithm.learning_rate: {log_uniform: [1e-4, 1e-2]}
trials: 1
seeds: 0
report_seeds: 100
"""


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "rates.yaml"
    path.write_text(SPACE, encoding="utf-8")
    return str(path)


def test_the_best_is_trained_on_report_seeds_and_told(space, tmp_path, capfd):
    folder = tmp_path / "searched"
    search.main([space, "--folder", str(folder), "evaluation.episodes=4"])
    said = capfd.readouterr().out
    assert "1 configuration was looked at: 1 finished, 0 pruned, 0 failed." in said
    found = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    assert found["report"]["seeds"] == "100" and len(found["report"]["per_seed"]) == 1
    assert "evaluation.episodes=4" in found["command"] and found["command"] in said
    assert len(list(folder.glob("trials/*/DONE"))) == 1 and (tmp_path / found["folder"] / "DONE").is_file()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "The best of 1 configuration reaches success" in page and "algorithm.learning_rate" in page


def test_workers_that_are_asked_to_stop_save_everything(space, tmp_path):
    folder = tmp_path / "searched"
    command = [sys.executable, "-m", "rl_rewards.search", space, "--workers", "2", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not list(folder.glob("trials/*.log")):
        assert process.poll() is None, process.communicate()[0]
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=120)[0]
    assert process.returncode == REQUEUE and "Stopped by SIGTERM, with everything saved" in said
