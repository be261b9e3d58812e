"""The README's moving picture is made of a run's own evaluations."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rl_rewards.core.errors import ConfigError
from scripts.make_readme_gif import LAST_MILLISECONDS, PICTURES, write_gif


def test_every_evaluation_of_a_run_is_in_its_picture(kept_run, tmp_path):
    evaluations = len(list((kept_run / "evaluations").glob("*.npz")))
    with Image.open(write_gif(kept_run, tmp_path / "run.gif")) as picture:
        assert evaluations < picture.n_frames <= evaluations * PICTURES
        first = np.asarray(picture.convert("RGB"))
        picture.seek(picture.n_frames - 1)
        assert picture.info["duration"] == LAST_MILLISECONDS
        assert not np.array_equal(first, np.asarray(picture.convert("RGB")))


def test_a_run_without_evaluations_is_refused(kept_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(kept_run, folder)
    shutil.rmtree(folder / "evaluations")
    with pytest.raises(ConfigError, match="has no evaluation with success and scenes"):
        write_gif(folder, tmp_path / "run.gif")
