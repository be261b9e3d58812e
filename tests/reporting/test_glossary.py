"""Every metric of SAC with demonstrations has an entry in the glossary.

``tests/test_smoke.py`` checks the metrics of default settings, and the tests that use ``unexplained`` those of others.
"""

from tests.demonstrations import point_file
from tests.runs import SMALL_SAC, run_here, unexplained

SAC = (*SMALL_SAC, "algorithm.demo_fraction=0.5", "algorithm.bc_weight=1", "algorithm.learning_starts=0")


def test_every_metric_of_sac_with_demonstrations_has_an_entry(tmp_path):
    run = ("env=point", "reward=environment", f"demos={point_file(tmp_path)}", "total_env_steps=640")
    last = run_here(tmp_path / "run", *run, *SAC, evaluated=False)
    assert "agent/imitation_loss" in last
    assert unexplained(tmp_path / "run") == set()
