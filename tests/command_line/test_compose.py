"""Configurations of studies take what their size sets."""

import pytest

from rl_rewards.command_line.compose import of_size
from tests.runs import composed

STUDY = "experiment=lecture/language/judge_calibration"


@pytest.mark.parametrize(
    ("overrides", "pairs"),
    [(["size=small"], 24), (["size=full"], 200), (["size=small", "study.pairs=40"], 40)],
)
def test_a_size_sets_keys_of_the_study_and_the_command_line_wins(overrides, pairs):
    cfg = composed(STUDY, *overrides)
    assert of_size(cfg, [STUDY, *overrides]).study.pairs == pairs
    assert cfg.study.pairs in (200, 40), "the configuration itself stays as it was"


def test_runs_and_studies_without_such_keys_stay_as_they_are():
    for overrides in ([], ["experiment=lecture/language/audit", "size=small"]):
        cfg = composed(*overrides)
        assert of_size(cfg, overrides) == cfg
