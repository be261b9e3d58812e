"""Run folders and a label store from before the package was rearranged (commit bf712ae) remain readable."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from rl_rewards import load_reward
from rl_rewards.core.files import read_json
from rl_rewards.labelers.store import LabelStore
from rl_rewards.loop.policies import restore_policy
from rl_rewards.reporting.page import write_report
from tests.finished import finished_run, resumed_run
from tests.reporting.conftest import ONE_PIXEL
from tests.runs import digest_of, raw_rows

ARCHIVE = Path(__file__).parents[1] / "old" / "runs.tar.xz"
"""Two small runs on ``point``, with a classifier and with preferences that a person gave in the terminal."""


@pytest.fixture
def old(tmp_path) -> Path:
    """Return the folder with these runs, ``classifier`` and ``preferences``."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_a_learned_reward_and_a_policy_are_read(old):
    reward = load_reward(old / "classifier")
    assert 0.0 < reward(np.zeros(2), next_obs=np.zeros(2)) < 1.0
    assert restore_policy(old / "preferences@best").spec.obs.shape == (2,)


def test_an_old_run_is_reported_and_goes_on_from_its_checkpoint(old, outer_patch):
    outer_patch.setattr("matplotlib.figure.Figure.savefig", lambda figure, file, **_: file.write(ONE_PIXEL))
    folder = old / "classifier"
    before, rows = digest_of(folder), raw_rows(folder)
    assert write_report(folder).is_file()
    resumed_run(folder, 960, evaluated=False)
    assert raw_rows(folder)[: len(rows)] == rows and len(raw_rows(folder)) == len(rows) + 1
    assert digest_of(folder) != before
    assert not list(folder.glob("damaged_*")), "the old checkpoint has its saved digest"
    assert "rl_rewards.rewards.classifier.adversarial.AdversarialClassifier" in (folder / "config.yaml").read_text()


def test_an_old_reward_pays_a_new_policy(old):
    finished_run(
        old / "new",
        "env=point",
        "reward=frozen",
        f"reward.run={old / 'preferences'}",
        "total_env_steps=320",
        evaluated=False,
    )
    assert read_json(old / "new" / "DONE")["rounds"] == 1


def test_an_old_label_store_keeps_its_answers(old):
    store = LabelStore(old / "preferences" / "labels.sqlite")
    ((run, seed),) = store.runs()
    answers = [one for round in range(3) for one in store.recorded(run, seed, round)]
    assert len(answers) == 6
    store.close()
