"""Study looking_judge: its clips, what a judge says of them, and its verdicts on invented numbers."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.preferences.looking_judge import outcome
from rl_rewards.lecture.preferences.looking_judge.study import auc, order
from rl_rewards.loop.build import build_study
from tests.runs import composed
from tests.studies.outcomes import outcomes


@pytest.fixture(scope="module")
def study():
    return build_study(composed("experiment=lecture/preferences/looking_judge", "study.clips=4"))[0]


@pytest.mark.parametrize("place", ["point", "pencil_case"])
def test_clips_end_as_they_say(study, place):
    found = study.places[place]
    done, failed = found.progressing(jax.random.key(0), 4), found.failed(jax.random.key(1), 4)
    assert done.success.all() and not failed.success.any()
    scenes, back = done.steps.info["scene"], done.backwards().steps.info["scene"]
    for row, end in enumerate(done.ends):
        np.testing.assert_array_equal(back[row, :end], scenes[row, :end][::-1])
        np.testing.assert_array_equal(
            scenes[row, end:], np.repeat(scenes[row, end - 1 : end], len(scenes[row]) - end, 0)
        )
    parts = done.prefixes(4).info["scene"]
    assert parts.shape == (4, 4, *scenes.shape[1:])
    np.testing.assert_array_equal(parts[:, -1, -1], scenes[:, -1])
    np.testing.assert_array_equal(parts[:, :, 0], np.repeat(scenes[:, :1], 4, 1))


def test_a_box_of_each_picture_is_covered(study):
    found = study.places["point"]
    picture = found.env.draw(np.zeros(2, np.float32))
    hidden = found.covering(picture)
    assert (hidden != picture).any(axis=-1).mean() == pytest.approx(0.04, abs=0.002)
    with pytest.raises(ConfigError, match="must be left, top, right and bottom"):
        replace(found, covered=(0.6, 0.4, 0.4, 0.6))


def test_a_judge_sees_progress_and_success(study):
    each = study.measured("point", 0)
    assert [*each] == ["plain", "likes_red"] and each["plain"] != each["likes_red"]
    found = each["plain"]
    assert found["order"]["progressing"] > 0.8 and found["order"]["reversed"] < -0.8
    assert found["auc"]["reversed"] == 1.0 and found["order"]["occluded"] < 0.6
    assert len(found["path"]["failed"]) == 8 and found["done"] == found["failures"] == 1.0


def test_order_and_auc():
    assert order(np.array([0.1, 0.2, np.nan, 0.9])) == 1.0 and order(np.array([3.0, 2.0, 1.0])) == -1.0
    assert order(np.ones(4)) == order(np.array([np.nan, 1.0, 2.0])) == 0.0
    assert auc(np.array([1.0, 1.0]), np.array([0.0, 1.0, np.nan])) == 0.75
    assert auc(np.array([np.nan]), np.array([0.0])) == 0.5


def test_it_wants_a_judge_that_looks(study):
    with pytest.raises(ConfigError, match=r"choose labeler.show=frames labeler.mode=progress"):
        replace(study, labeler=replace(study.labeler, mode="pairwise"))


def spread(value):
    return [value + 0.001 * i for i in range(10)]


def seeds_of(progress, apart, occluded):
    path = {kind: [-5.0, -3.0, -1.0] for kind in outcome.COLOURS}
    return [
        {
            "order": {"progressing": p, "reversed": -p, "failed": 0.1, "occluded": 0.2},
            "auc": {"failed": a, "reversed": 1.0, "occluded": o},
            "path": path,
        }
        for p, a, o in zip(*map(spread, (progress, apart, occluded)), strict=True)
    ]


def learned(success, television, named):
    check = {"leans_on": named, "nuisances": {"red": (0.4, 0.1, 0.6)}, "agreement": (0.5, 0.4, 0.6)}
    return {"success": spread(success), "television": spread(television), "red": spread(0.1), "checks": [check] * 10}


def judged(seen=(0.9, 0.95, 0.5), biased=(0.3, 0.6, "red")):
    places = {"plain": {"point": seeds_of(*seen)}, "likes_red": {"point": seeds_of(*seen)}}
    arms = {"plain": learned(0.9, 0.0, None), "likes_red": learned(*biased)}
    arms |= {"plain_exploring": learned(0.9, 0.0, "blue"), "likes_red_exploring": learned(*biased)}
    return places, arms


def test_each_claim_is_supported_or_refuted(tmp_path):
    places, arms = judged()
    assert outcomes(outcome.claims(places, arms)) == "S" * 10
    assert outcomes(outcome.claims(*judged((0.5, 0.7, 0.69), (0.9, 0.0, None)))) == "R" * 9 + "S"
    assert len(outcome.claims(places, {"plain": arms["plain"]})) == 4
    outcome.draw({"seen": places, "learned": arms}, tmp_path / "verdict.png")
    assert (tmp_path / "verdict.png").read_bytes().startswith(b"\x89PNG")
