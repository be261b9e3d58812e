"""Jobs on this machine: queues, stopping, and starting again what was stopped or lost."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest
import yaml

from rl_rewards.clusters.engines import as_resources, resources_of
from rl_rewards.clusters.jobs import LOST, RETRIES, Job, Resources, keep_going
from rl_rewards.clusters.node import run_here
from rl_rewards.clusters.processes import Processes
from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.exits import REQUEUE
from rl_rewards.core.errors import ConfigError, Stopped
from tests.clusters.engines import jobs, trained, until


def nobody() -> None:
    return None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["minuts=3"], r"minuts does not exist; did you mean minutes\?"),
        (["minutes=0"], "minutes=0 must be at least 1"),
        (["cpus=two"], r"resources\.cpus=two is not valid; it must be a whole number"),
        (["gpus"], "gpus must be NAME=VALUE"),
    ],
)
def test_a_mistake_in_resources_is_named(words, told):
    with pytest.raises(ConfigError, match=told):
        resources_of(words)


def test_resources_are_read_from_words():
    found = resources_of(["minutes=60", "partition=long", "memory_gb=1.5", "extra={constraint: a100}"])
    assert found == Resources(minutes=60, partition="long", memory_gb=1.5, extra={"constraint": "a100"})


@pytest.mark.parametrize("path", sorted((CONFIGS / "hydra" / "launcher").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_settings_of_launchers_are_resources(path):
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert given.pop("_target_") == "hydra_plugins.rl_rewards.ClusterLauncher" and given.pop("where") == path.stem
    assert as_resources(given)


def test_jobs_wait_for_room(tmp_path):
    engine, running = Processes(Resources(at_once=2)), []
    codes = keep_going(engine, jobs(tmp_path, 5, 0.5), nobody, lambda: running.append(len(engine._running)))
    assert codes == [0] * 5 and trained(tmp_path, 5) and max(running) == 2


def test_a_stopped_or_killed_job_goes_on(tmp_path, capsys):
    """One process is asked to stop by someone else, one is killed outright."""
    engine, hit = Processes(Resources()), []

    def look():
        started = [tmp_path / str(i) / "steps.txt" for i in range(2)]
        if not hit and all(one.exists() for one in started):
            hit.extend(one._process.pid for one in engine._running)
            os.kill(hit[0], signal.SIGTERM)
            os.kill(hit[1], signal.SIGKILL)

    assert keep_going(engine, jobs(tmp_path, 2, 3.0), nobody, look) == [0, 0]
    assert hit and trained(tmp_path, 2)
    told = capsys.readouterr().out
    assert "job 1 of 2 was stopped; it goes on" in told and "job 2 of 2 was lost; it goes on" in told


def test_a_job_that_is_lost_again_and_again_ends(tmp_path):
    code = "import os, signal; print('begun', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    job = Job((sys.executable, "-I", "-S", "-c", code), tmp_path / "log")
    assert keep_going(Processes(Resources()), [job], nobody) == [LOST]
    assert job.log.read_text(encoding="utf-8").split() == ["begun"] * (RETRIES + 1)


def test_a_failed_job_is_not_repeated(tmp_path):
    job = Job((sys.executable, "-I", "-S", "-c", "print('begun'); raise SystemExit(2)"), tmp_path / "log")
    assert keep_going(Processes(Resources()), [job], nobody) == [2]
    assert job.log.read_text(encoding="utf-8") == "begun\n"


def test_all_stop_when_this_process_is_asked_to(tmp_path):
    def stopping():
        return "SIGTERM" if (tmp_path / "0" / "steps.txt").exists() else None

    with pytest.raises(Stopped, match="Stopped by SIGTERM, with everything saved; the same command goes on"):
        keep_going(Processes(Resources(at_once=1)), jobs(tmp_path, 2, 10.0), stopping)
    assert not (tmp_path / "0" / "DONE").exists() and not (tmp_path / "1").exists()
    assert keep_going(Processes(Resources(at_once=1)), jobs(tmp_path, 2, 0.1), nobody) == [0, 0]
    assert trained(tmp_path, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_on_the_node_is_passed_on(tmp_path, number):
    (job,) = jobs(tmp_path, 1, 1.0)
    before = signal.getsignal(number)

    def send():
        until(Path(job.folder, "steps.txt").exists)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    assert run_here(job) == REQUEUE
    thread.join()
    assert signal.getsignal(number) == before
    assert run_here(job) == 0 and trained(tmp_path, 1)
