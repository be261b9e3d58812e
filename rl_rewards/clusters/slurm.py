"""Jobs of SLURM, as one array, by submitit.

A job that has not ended before its time limit is asked to save its state 90 seconds before it, ends with exit code 75,
and is submitted again. ``sbatch --requeue`` is not relied on, since clusters may forbid it; where SLURM requeues a
preempted job by itself, that job goes on, too.
"""

import shutil
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rl_rewards.clusters.jobs import LOST, Job, Resources
from rl_rewards.clusters.node import run_here
from rl_rewards.core.checks import require

NOTICE = 90  # seconds between the signal to save and the time limit
PREEMPTED_FOR = 300.0
"""Seconds after which a preempted job that SLURM has not put back into its queue is submitted again."""


class Slurm:
    """Submits jobs, one array for each call of :meth:`start`.

    Args:
        folder: of submitit's files, on a file system that all machines share.
        cluster: "local" runs the jobs on this machine, without SLURM.

    Raises:
        ConfigError: where submitit or SLURM is missing.
    """

    def __init__(self, resources: Resources, folder: Path, cluster: str = "slurm") -> None:
        require(
            find_spec("submitit") is not None,
            "jobs on SLURM need the package submitit, which is not installed; pip install 'rl_rewards[submitit]'.",
        )
        require(
            cluster != "slurm" or all(map(shutil.which, ("sbatch", "srun"))),
            "This machine has no sbatch and srun; start the command on a login node of the SLURM cluster.",
        )
        import submitit

        self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        self._executor.update_parameters(**_parameters(resources))

    def start(self, jobs: Sequence[Job]) -> Sequence["_Submitted"]:
        return [_Submitted(one) for one in self._executor.map_array(run_here, jobs)]


class _Submitted:
    def __init__(self, job: Any) -> None:
        self._job = job
        self._preempted_since: float | None = None

    def ended(self) -> int | None:
        from submitit.core.utils import FailedJobError, UncompletedJobError

        if not self._job.done():
            return LOST if self._is_preempted_for_good() else None
        try:
            return int(self._job.result())
        except (UncompletedJobError, FailedJobError):  # killed without notice, or its machine is gone
            return LOST

    def stop(self) -> None:
        self._job.cancel(check=False)  # scancel sends SIGTERM first

    def _is_preempted_for_good(self) -> bool:
        if "PREEMPTED" not in str(self._job.state).upper():
            self._preempted_since = None
            return False
        self._preempted_since = self._preempted_since or time.monotonic()
        return time.monotonic() - self._preempted_since >= PREEMPTED_FOR


def _parameters(resources: Resources) -> dict[str, Any]:
    """Return submitit's names of what a job needs."""
    names = {
        "name": "rl_rewards",
        "timeout_min": resources.minutes,
        "cpus_per_task": resources.cpus,
        "gpus_per_node": resources.gpus or None,
        "mem_gb": resources.memory_gb,
        "slurm_partition": resources.partition,
        "slurm_account": resources.account,
        "slurm_array_parallelism": resources.at_once,
        "slurm_signal_delay_s": NOTICE,
        "slurm_additional_parameters": resources.extra or None,
    }
    return {name: value for name, value in names.items() if value is not None}
