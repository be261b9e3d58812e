"""Jobs as tasks of a Ray cluster. Ray itself starts a task again elsewhere when its machine is lost."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from rl_rewards.clusters.jobs import LOST, RETRIES, Job, Resources
from rl_rewards.clusters.node import run_here
from rl_rewards.command_line.exits import REQUEUE
from rl_rewards.core.checks import require


class Ray:
    """Starts each job as a task on the cluster that RAY_ADDRESS or this machine names, or on a new one here.

    Raises:
        ConfigError: where Ray is missing, or no machine of the cluster can ever have the resources.
    """

    def __init__(self, resources: Resources) -> None:
        require(
            find_spec("ray") is not None,
            "jobs on Ray need the package ray, which is not installed; pip install 'rl_rewards[ray]'.",
        )
        ray: Any = import_module("ray")
        if not ray.is_initialized():
            try:
                ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
            except ConnectionError:
                print("No Ray cluster was found, so one is started on this machine.", flush=True)
                ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
        wanted = {"CPU": resources.cpus, "GPU": resources.gpus}
        machines = [one["Resources"] for one in ray.nodes() if one["Alive"]]
        require(
            any(all(one.get(name, 0.0) >= count for name, count in wanted.items()) for one in machines),
            f"No machine of the Ray cluster has {resources.cpus} CPUs and {resources.gpus} GPUs; ask for less with "
            "resources: cpus=N gpus=N.",
        )
        memory = {} if resources.memory_gb is None else {"memory": resources.memory_gb * 2**30}
        self._ray = ray
        self._task: Any = ray.remote(
            num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=RETRIES, max_calls=1, **memory
        )(run_here)

    def start(self, jobs: Sequence[Job]) -> Sequence["_Task"]:
        return [_Task(self._ray, self._task.remote(job)) for job in jobs]


class _Task:
    def __init__(self, ray: Any, reference: Any) -> None:
        self._ray, self._reference = ray, reference

    def ended(self) -> int | None:
        done, _ = self._ray.wait([self._reference], timeout=0)
        if not done:
            return None
        try:
            return int(self._ray.get(self._reference))
        except self._ray.exceptions.TaskCancelledError:
            return REQUEUE
        except self._ray.exceptions.RayError:
            return LOST

    def stop(self) -> None:
        self._ray.cancel(self._reference)
