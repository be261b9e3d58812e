"""Jobs on a Ray cluster of two nodes on this machine; one of them is lost."""

import pytest

from rl_rewards.clusters.jobs import Resources, keep_going
from rl_rewards.core.errors import ConfigError, Stopped
from tests.clusters.engines import jobs, trained

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(monkeypatch):
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_DISABLE_IMPORT_WARNING", "1")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    second = made.add_node(num_cpus=2)
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made, second
    ray.shutdown()
    made.shutdown()


def engine(**resources):
    from rl_rewards.clusters.ray import Ray

    return Ray(Resources(cpus=1, **resources))


def test_jobs_of_a_lost_node_go_on_elsewhere(tmp_path, cluster):
    """16 jobs on two nodes with room for two each; one node is killed halfway."""
    made, second = cluster
    lost = []

    def look():
        done = sum((tmp_path / str(i) / "DONE").exists() for i in range(16))
        if not lost and done >= 8:
            made.remove_node(second, allow_graceful=False)
            lost.append(done)

    assert keep_going(engine(), jobs(tmp_path, 16, 2.0), lambda: None, look) == [0] * 16
    assert lost and trained(tmp_path, 16)


def test_jobs_are_cancelled_with_this_process_and_go_on(tmp_path, cluster):
    def stopping():
        return "SIGINT" if (tmp_path / "0" / "steps.txt").exists() else None

    with pytest.raises(Stopped):
        keep_going(engine(), jobs(tmp_path, 6, 10.0), stopping)
    assert not (tmp_path / "0" / "DONE").exists() and not (tmp_path / "5").exists()
    assert keep_going(engine(), jobs(tmp_path, 6, 0.1), lambda: None) == [0] * 6
    assert trained(tmp_path, 6)


def test_resources_that_no_machine_has_are_named(cluster):
    with pytest.raises(ConfigError, match="No machine of the Ray cluster has 1 CPUs and 3 GPUs"):
        engine(gpus=3)
