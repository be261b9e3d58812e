"""Jobs on SLURM, by a stub of its commands on the PATH: arrays, time limits, preemption and lost machines."""

import pytest

from rl_rewards.clusters.jobs import Resources, keep_going
from rl_rewards.clusters.slurm import Slurm
from rl_rewards.core.errors import ConfigError, Stopped
from tests.clusters.engines import jobs, trained
from tests.clusters.slurm_stub import arrays, end_task, install

pytest.importorskip("submitit")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The folder of a cluster on which a minute takes one second."""
    for name, value in install(tmp_path / "cluster", 1.0).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "cluster"


def slurm(tmp_path, **resources):
    return Slurm(Resources(**{"cpus": 1, **resources}), tmp_path / "submitit")


def started(folder, task=0):
    return (folder / str(task) / "steps.txt").exists()


def test_an_array_has_a_limit_and_its_options(tmp_path, cluster):
    wanted = {"minutes": 60, "at_once": 2, "partition": "long", "gpus": 1, "extra": {"constraint": "a100"}}
    assert keep_going(slurm(tmp_path, **wanted), jobs(tmp_path, 3, 0.1), lambda: None) == [0] * 3
    assert trained(tmp_path, 3)
    script = (arrays(cluster)[0] / "script.sh").read_text(encoding="utf-8")
    for option in ("array=0-2%2", "time=60", "partition=long", "gpus-per-node=1", "constraint=a100", "signal=USR2@90"):
        assert f"#SBATCH --{option}\n" in script


def test_a_job_at_its_time_limit_saves_and_is_submitted_again(tmp_path, cluster, capsys):
    """It takes longer than the limit of 5 seconds, and is told 1.5 seconds before that."""
    assert keep_going(slurm(tmp_path, minutes=5), jobs(tmp_path, 1, 5.0), lambda: None) == [0]
    assert trained(tmp_path, 1) and len(arrays(cluster)) >= 2
    assert "job 1 of 1 was stopped; it goes on" in capsys.readouterr().out


@pytest.mark.parametrize("state", ["NODE_FAIL", "PREEMPTED"])
def test_a_job_whose_machine_is_lost_goes_on_elsewhere(tmp_path, cluster, monkeypatch, state):
    from submitit.slurm.slurm import SlurmJob

    monkeypatch.setattr(SlurmJob.watcher, "_delay_s", 0.1)
    monkeypatch.setattr(SlurmJob, "_results_timeout_s", 0.5)
    monkeypatch.setattr("rl_rewards.clusters.slurm.PREEMPTED_FOR", 0.2)
    hit = []

    def look():
        if not hit and started(tmp_path, 1):
            hit.append(end_task(arrays(cluster)[0], 1, state))

    assert keep_going(slurm(tmp_path, minutes=600), jobs(tmp_path, 2, 1.5), lambda: None, look) == [0, 0]
    assert hit and trained(tmp_path, 2) and len(arrays(cluster)) == 2


def test_jobs_are_cancelled_with_this_process_and_go_on(tmp_path, cluster):
    def stopping():
        return "SIGINT" if started(tmp_path) else None

    with pytest.raises(Stopped):
        keep_going(slurm(tmp_path), jobs(tmp_path, 2, 10.0), stopping)
    assert not (tmp_path / "0" / "DONE").exists()
    assert keep_going(slurm(tmp_path), jobs(tmp_path, 2, 0.1), lambda: None) == [0, 0]
    assert trained(tmp_path, 2)


def test_the_local_executor_runs_the_same_jobs(tmp_path):
    engine = Slurm(Resources(cpus=1), tmp_path / "submitit", cluster="local")
    assert keep_going(engine, jobs(tmp_path, 2, 0.1), lambda: None) == [0, 0]
    assert trained(tmp_path, 2)


def test_a_machine_without_slurm_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="This machine has no sbatch and srun; start the command on a login node"):
        slurm(tmp_path)
