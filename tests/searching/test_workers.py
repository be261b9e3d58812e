"""Workers share the trials of a search: each is trained once and counts once, whoever is killed."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rl_rewards.core.errors import ConfigError, Stopped, TrainingFailed
from rl_rewards.searching.plan import Pruning, SeedRange
from rl_rewards.searching.pruning import judged
from rl_rewards.searching.result import keep_settings, summarise
from rl_rewards.searching.trials import DUPLICATE, OUTCOME, Trials
from rl_rewards.searching.worker import Worker
from tests.clusters.engines import until
from tests.searching.small import COMMAND, small_plan, worked

ROOT = Path(__file__).parents[2]


def outcomes(trials):
    return [one.user_attrs[OUTCOME]["ended"] for one in trials.own()]


def rounds_of(folder):
    """The rounds that were trained in every trial's folder, in their order."""
    return [path.read_text(encoding="utf-8").split() for path in sorted(folder.glob("trials/*/rounds.txt"))]


def test_a_search_finds_the_best_and_trains_it_on_other_seeds(tmp_path):
    plan = small_plan(trials=6)
    worker, said = worked(plan, tmp_path)
    found = summarise(worker.trials, tmp_path, lambda: None, COMMAND)
    assert found.counts == {"looked_at": 6, "finished": 6, "pruned": 0, "failed": 0, "duplicates": 0}
    assert found.best.value == max(one.value for one in found.trials) and len(said) == 6
    assert found.selection.per_seed == pytest.approx([found.best.value])
    assert found.report.per_seed == pytest.approx([found.best.value, found.best.value + 0.001])
    assert found.report.seeds == "100-101" and found.report.low < found.report.mean < found.report.high
    assert found.command.endswith(f"{found.best.words[0]} seed=100 num_seeds=2")
    assert json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))["best"]["trial"] == found.best.trial


def test_the_same_search_proposes_the_same_trials_also_when_it_is_resumed(tmp_path):
    whole, _ = worked(small_plan(trials=4), tmp_path / "whole")
    worked(small_plan(trials=2), tmp_path / "longer")
    longer, _ = worked(small_plan(trials=4), tmp_path / "longer")
    assert [one.params for one in longer.trials.all()] == [one.params for one in whole.trials.all()]


def test_a_configuration_is_trained_once_until_the_space_has_no_other(tmp_path):
    worker, said = worked(small_plan({"x": [0.1, 0.2, 0.3, 0.4]}, trials=9, sampler="random"), tmp_path)
    assert len(said) == 4 and outcomes(worker.trials) == ["finished"] * 4
    assert rounds_of(tmp_path) == [["0", "1", "2", "3", "4"]] * 4
    again = [one for one in worker.trials.all() if DUPLICATE in one.user_attrs]
    assert again and all(one.value == worker.trials.all()[one.user_attrs[DUPLICATE]].value for one in again)


def test_failed_and_nan_trials_do_not_end_the_search(tmp_path):
    space = {"x": [0.1, 0.3], "fault": ["none", "fail", "not_a_number"]}
    worker, said = worked(small_plan(space, trials=6), tmp_path)
    assert sorted(outcomes(worker.trials)) == ["failed"] * 4 + ["finished"] * 2
    assert worker.trials.best().params == {"x": "0.3", "fault": "none"}
    told = " ".join(said)
    assert "it cannot be trained." in told and "eval/success is not a number in 1 of 1 seeds" in told


def test_a_search_whose_trials_all_fail_ends(tmp_path):
    with pytest.raises(TrainingFailed, match="first 8 trials have all failed, the last because: it cannot be trained"):
        worked(small_plan(trials=20, overrides=("fault=fail",)), tmp_path)


def test_bad_trials_are_stopped_early(tmp_path):
    plan = small_plan(trials=8, overrides=("seconds=0.5",), sampler="random", pruning=Pruning(first=1, factor=2))
    worker, said = worked(plan, tmp_path)
    ended = outcomes(worker.trials)
    assert "pruned" in ended and "finished" in ended
    assert "successive halving after evaluation" in " ".join(said)
    assert any(len(rounds) < 5 for rounds in rounds_of(tmp_path))


def test_several_seeds_are_hopeless_only_together():
    pruning, others = Pruning(first=2), [{2: 0.5}] * 4
    assert judged(pruning, False, 2, [0.1, 0.11, 0.12], others).startswith("hopeless after evaluation 2: at most 0.13")
    assert judged(pruning, False, 2, [0.0, 0.6, 0.1], others) == ""
    assert judged(pruning, False, 2, [0.1, 0.11, 0.12], others[:3]) == ""
    assert judged(Pruning(hopeless=False), False, 2, [0.1, 0.1], others) == ""


def test_two_workers_share_the_trials(tmp_path):
    plan, said = small_plan(trials=8, overrides=("seconds=0.1",)), [[], []]
    workers = [Worker(plan, tmp_path, lines.append, lambda: None, COMMAND) for lines in said]
    threads = [threading.Thread(target=worker.work) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes(workers[0].trials) == ["finished"] * 8
    assert all(said) and len(said[0] + said[1]) == 8
    assert rounds_of(tmp_path) == [["0", "1", "2", "3", "4"]] * 8


def start(folder, *arguments):
    return subprocess.Popen([sys.executable, "-m", "tests.searching.worker_process", str(folder), *arguments], cwd=ROOT)


def test_a_killed_workers_trial_is_taken_over_from_where_it_was(tmp_path):
    """Killed outright and then resumed by two; asked to stop and then resumed by one."""
    first = start(tmp_path, "3", "seconds=1.5")
    until(lambda: any(len(rounds) > 1 for rounds in rounds_of(tmp_path)))
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    plan = small_plan(trials=3, overrides=("seconds=1.5",))
    second = [start(tmp_path, "3", "seconds=1.5") for _ in range(2)]
    assert [one.wait(60) for one in second] == [0, 0]
    assert outcomes(Trials(plan, tmp_path)) == ["finished"] * 3
    assert rounds_of(tmp_path) == [["0", "1", "2", "3", "4"]] * 3, "no round is trained twice"


def test_a_worker_that_is_asked_to_stop_saves_its_run(tmp_path):
    plan, asked = small_plan(trials=2, overrides=("seconds=1",)), []
    worker = Worker(plan, tmp_path, print, lambda: "SIGTERM" if asked or rounds_of(tmp_path) else None, COMMAND)
    with pytest.raises(Stopped, match="Stopped by SIGTERM, with everything saved; the same command goes on"):
        worker.work()
    assert 0 < len(rounds_of(tmp_path)[0]) < 5
    again, _ = worked(plan, tmp_path)
    assert outcomes(again.trials) == ["finished"] * 2
    assert rounds_of(tmp_path) == [["0", "1", "2", "3", "4"]] * 2


def test_a_folder_has_one_search(tmp_path):
    keep_settings(small_plan(), tmp_path)
    keep_settings(small_plan(trials=9, report_seeds=SeedRange(50, 1)), tmp_path)
    with pytest.raises(ConfigError, match="has a search with another value of sampler"):
        keep_settings(small_plan(sampler="random"), tmp_path)


def test_the_report_of_a_killed_worker_is_written_by_the_next(tmp_path):
    """Its run still holds the lock of the report when the next worker comes."""
    plan = small_plan(trials=1, report_seeds=SeedRange(100, 2))
    worker, _ = worked(plan, tmp_path)
    held = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "import fcntl, sys, time\n"
         "with open(sys.argv[1], 'a') as f: fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); time.sleep(0.5)",
         str(tmp_path / "report.lock")], stdout=subprocess.PIPE
    )  # fmt: skip
    held.stdout.readline()
    assert summarise(worker.trials, tmp_path, lambda: None, COMMAND) is not None and held.wait() == 0
    assert (tmp_path / "search.json").is_file()
