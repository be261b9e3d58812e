"""The stand-in for a judge that looks: what it sees in pictures, its answers, its planted faults, and a run with it."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from rl_rewards.calibrate import compare as calibrated
from rl_rewards.core.errors import TrainingFailed
from rl_rewards.envs.pencil_case.env import PencilCase
from rl_rewards.envs.pencil_case.layout import is_success
from rl_rewards.envs.pencil_case.scripts import demonstrate, hide_case
from rl_rewards.labelers.judge.descriptions import in_frames
from rl_rewards.labelers.judge.prompts import DIGITS, compare, done, finished, rate
from rl_rewards.labelers.judge.stand_in import answers, eye, server
from rl_rewards.labelers.picture_features import picture_features
from rl_rewards.loop.build import build_env
from tests.labelers.assignments import assignment
from tests.probes import make_rollout
from tests.runs import composed, run_here
from tests.test_calibrate import answered_run

TELEVISION = "env.television=1"
RED_CORNER = (-0.7, 0.7)
SMALL = ["reward=preferences", "reward.budget=6", "reward.sessions=2", "reward.segment_steps=5",
         "reward.updates_per_round=2", "reward.candidates=2", "reward.reward_model.model.hidden=[8]"]  # fmt: skip


@pytest.fixture(scope="module")
def point():
    return build_env(composed("env=point", TELEVISION))


def told(env, *scenes):
    """Return the description of a clip that ends in the last of ``scenes``."""
    segment = make_rollout(env.spec, len(scenes), 1)
    segment = segment.replace(info={"scene": np.array(scenes, np.float32)})
    return in_frames(segment, assignment(1, spec=env.spec, draw=env.draw), frames=8)


def asked(messages, **parameters):
    return answers.answer({"model": "m", "messages": messages, **parameters})


def seen(env, *scenes):
    return eye.look(np.asarray(eye_sheet(env, scenes)))


def eye_sheet(env, scenes):
    return answers._decoded("data:image/png;base64," + told(env, *scenes)["png"])


def test_it_measures_the_distance_in_the_last_frame_of_a_sheet(point):
    places = np.random.default_rng(0).uniform(-0.95, 0.95, (40, 2))
    found = [seen(point, *[(0.0, 0.0)] * (i % 4), place).progress for i, place in enumerate(places)]
    radii = np.linalg.norm(places, axis=1) / point.goal_radius
    np.testing.assert_allclose(found, np.maximum(0.0, 1.0 - 0.1 * radii), atol=0.06)
    assert seen(point, (0.14, 0.0)).progress > eye.DONE > seen(point, (0.18, 0.0)).progress


def test_it_sees_red_where_the_television_is_lit(point):
    assert seen(point, RED_CORNER).red == pytest.approx(0.09 * 0.9, abs=0.01)  # the hatches are grey
    assert seen(point, (0.7, 0.7)).red == 0.0
    assert seen(build_env(composed("env=point")), RED_CORNER).red == 0.0


@pytest.mark.parametrize("switch", ["out_of_frame", "occlusion", "background_cue"])
def test_it_sees_whether_the_case_is_behind_the_notebook(switch):
    """It is as right as the camera's picture allows, even where the tracker is fooled."""
    env = build_env(composed("env=pencil_case", f"env.{switch}=true"))
    assert isinstance(env, PencilCase)
    for script in (demonstrate, hide_case):
        table = env.make(2, 0)
        table.reset(np.ones(2, bool))
        scenes = [table.step(script(table.positions).astype(np.float32)).info["scene"] for _ in range(80)][9::10]
        values = np.array([[seen(env, scene).progress for scene in both] for both in scenes])
        truth = is_success(np.array(scenes, np.float64)[..., :2])
        np.testing.assert_array_equal(values >= eye.DONE, truth)
        if script is demonstrate:
            assert truth[-1].all() and (values[0] < 0.6).all()


def test_what_colours_a_picture_is_measured(point):
    scenes = np.array([[(0.0, 0.0), RED_CORNER], [RED_CORNER, (0.5, 0.5)]])  # of two segments of two steps
    found = picture_features(scenes, point.draw)
    assert found["red"] == pytest.approx([0.08, 0.0], abs=0.02) and list(found) == ["red"]
    assert not picture_features(scenes[:, :1] * 0.0, point.draw)


def test_calibration_names_the_liking_of_red(tmp_path):
    run = answered_run(tmp_path, n=150, span=0.9)
    config = OmegaConf.load(run / "config.yaml")
    config.env.television = 1
    OmegaConf.save(config, run / "config.yaml")
    liking = calibrated(run, ["labeler=looking_stand_in", "labeler.parameters.likes_red=2"]).found
    assert liking.leans_on == "red" and liking.nuisances["red"][1] > 0.2
    assert calibrated(run, ["labeler=looking_stand_in"]).found.nuisances["red"][0] < 0.0, (
        "the corner is far from the goal"
    )


def test_every_kind_of_question_is_answered_from_the_same_impression(point):
    near, far = told(point, (0.0, 0.1)), told(point, (-0.9, -0.9))
    assert asked(compare("law", near, far))["A"] > 0.99 > 0.01 > asked(compare("law", far, near))["A"]
    high, low = (asked(rate("law", one)) for one in (near, far))
    assert max(high, key=high.__getitem__) == DIGITS[8] and max(low, key=low.__getitem__) == DIGITS[1]
    for question, yes in ((finished, "true"), (done, "yes")):
        assert asked(question("law", near))[yes] > 0.5 > asked(question("law", far))[yes]


def test_its_faults_are_those_that_are_planted(point):
    red, near = told(point, RED_CORNER), told(point, (0.0, 0.3))
    assert asked(compare("law", red, near))["A"] < 0.01
    assert asked(compare("law", red, near), likes_red=1.0)["A"] > 0.99
    question = finished("law", told(point, (0.0, 0.15)))
    noisy = [asked(question, noise=0.05, seed=seed)["true"] for seed in range(200)]
    odds = np.log(noisy) - np.log1p(-np.array(noisy))
    assert np.std(odds) == pytest.approx(answers.SURE * 0.05, rel=0.2)
    assert asked(question, noise=0.05, seed=3)["true"] == noisy[3], "an equal question has an equal answer"


def test_what_it_cannot_read_is_refused_in_words(point):
    blank = {"png": told(point, (0.0, 0.0))["png"][:40]}
    with pytest.raises(answers.BadRequest, match="answers questions about pictures"):
        asked(finished("law", {"words": "The point is in the middle."}))
    with pytest.raises(answers.BadRequest, match="cannot be decoded"):
        asked(finished("law", blank))
    with pytest.raises(eye.Unrecognised):
        eye.look(np.full((240, 240, 3), 90, np.uint8))
    with pytest.raises(answers.BadRequest, match="noise=-1 must not be negative"):
        asked(finished("law", told(point, (0.0, 0.0))), noise=-1)
    assert server.respond("/v1/chat/completions", "Bearer another", b"{}", "key")[0] == 401
    assert server.respond("/v1/models", "Bearer key", b"{}", "key")[0] == 404
    assert server.respond("/v1/chat/completions", "Bearer key", b"{}", "key")[0] == 400


@pytest.mark.slow
def test_a_run_learns_from_it(tmp_path):
    last = run_here(tmp_path, *SMALL, "env=point", "labeler=looking_stand_in", evaluated=False)
    assert last["reward/labels"] == 6 and last["labeler/calls"] == 12 and last["labeler/refused"] == 0


def test_a_run_ends_where_the_pictures_are_of_something_else(tmp_path):
    with pytest.raises(TrainingFailed, match="recognises pictures of env=point and env=pencil_case only"):
        run_here(tmp_path, *SMALL, "env=tv_grid", "labeler=looking_stand_in", "labeler.task=x", evaluated=False)
