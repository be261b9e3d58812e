"""pencil_case in pictures: they show the true positions, each switch fools them, and both renderers agree."""

import mujoco
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.pencil_case.camera import unproject
from rl_rewards.envs.pencil_case.env import PencilCase
from rl_rewards.envs.pencil_case.scripts import EXPLOITS, demonstrate
from tests.envs.pencil_case.test_pencil_case import make_env, place

RENDERERS = ("pillow", "egl")


def picture_env(renderer: str = "pillow", **changes) -> PencilCase:
    try:
        return make_env(observation="image", renderer=renderer, **changes)
    except ConfigError as error:
        if renderer != "egl":
            raise
        pytest.skip(str(error))


def look(env: PencilCase, case, pusher=(-0.2, -0.25), yaw=0.0, lamp=0.0) -> np.ndarray:
    return env.look(np.array([[*pusher, *case, yaw]]), np.array([lamp]))[0]


def red(picture: np.ndarray) -> np.ndarray:
    """Return rows and columns [n, 2] of the case's pixels."""
    channels = picture.astype(int)
    return np.argwhere((channels[..., 0] > channels[..., 1] + 60) & (channels[..., 0] > channels[..., 2] + 60))


@pytest.mark.parametrize("size", [24, 48])
def test_pictures_are_those_of_the_spec_and_true_everywhere(size):
    """next_obs is the picture of the state reached, not of a reset; a restored state gives the same picture."""
    env = picture_env(image_size=size, max_episode_steps=3)
    assert env.spec.obs.shape == (size, size, 3) and env.spec.obs.dtype == "uint8"
    batch = env.make(3, seed=0)
    obs = batch.reset(np.ones(3, bool))
    assert obs.shape == (3, size, size, 3) and obs.dtype == np.uint8
    outs = [batch.step(demonstrate(batch.positions)) for _ in range(3)]
    assert (outs[0].next_obs != outs[2].next_obs).any() and outs[2].truncated.all()
    np.testing.assert_array_equal(batch.reset(np.zeros(3, bool)), outs[2].next_obs)
    state = batch.get_state()
    assert (batch.reset(np.ones(3, bool)) != outs[2].next_obs).any()
    batch.set_state(np.ones(3, bool), state)
    np.testing.assert_array_equal(batch.reset(np.zeros(3, bool)), outs[2].next_obs)
    for goal in (True, False):
        examples = env.collect_examples(np.random.default_rng(0), 4, goal)
        assert examples.obs.shape == (4, size, size, 3) and examples.obs.dtype == np.uint8
    assert env.plane(3).obs.shape == (3, 3, size, size, 3)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_case_is_where_it_is(renderer):
    """The centre of its red pixels is within about a pixel of the pinhole projection, cropped or not."""
    for out_of_frame in (False, True):
        env = picture_env(renderer, out_of_frame=out_of_frame)
        centre, half = env.tracker.frame
        for case in ((0.2, -0.15), (-0.05, -0.2), (0.2, 0.1)):
            rows = red(look(env, case))
            assert len(rows) >= 8
            u, v = ((rows.mean(axis=0)[::-1] + 0.5) / env.image_size * 2.0 - 1.0) * [1.0, -1.0]
            seen = unproject(np.array([u, v]) * half + centre)
            pixel = 0.02 if not out_of_frame else 0.013
            np.testing.assert_allclose(seen, case, atol=1.2 * pixel)
            assert (look(env, case) != look(env, (case[0] + 0.003, case[1]))).any()


@pytest.mark.parametrize("renderer", RENDERERS)
def test_each_switch_fools_the_picture(renderer):
    beyond = (0.0, 0.27)
    cropped, whole = picture_env(renderer, out_of_frame=True), picture_env(renderer)
    assert not len(red(look(cropped, beyond))) and len(red(look(whole, beyond)))
    case, hiding = (0.15, -0.15), (0.13, -0.285)
    with_hand, without = picture_env(renderer, occlusion=True), whole
    assert len(red(look(with_hand, case, hiding))) < 0.5 * len(red(look(without, case, hiding)))
    cue = picture_env(renderer, background_cue=True)
    brightness = [look(env, case, lamp=lamp).mean() for env, lamp in ((cue, 1.0), (cue, 0.0), (whole, 0.0))]
    assert brightness[0] > brightness[1] + 15.0 and abs(brightness[1] - brightness[2]) < 10.0
    script = EXPLOITS["background_cue"]
    batch = cue.make(1, seed=0)
    batch.reset(np.ones(1, bool))
    pictures = [batch.step(script(batch.positions)).next_obs for _ in range(60)]
    assert pictures[-1].mean() > pictures[0].mean() + 15.0, "the script lights the lamp"


def test_what_is_near_covers_what_is_far():
    """Behind the notebook only the top of the case is seen, and no blue pixel of the notebook changes."""
    env = picture_env()
    before, behind = look(env, (0.0, -0.1)), look(env, (0.0, 0.06))
    assert 0 < len(red(behind)) < len(red(before))
    nothing = look(env, (0.3, -0.25))
    blue = nothing[..., 2] > nothing[..., 0].astype(int) + 50
    assert blue.sum() > 5
    np.testing.assert_array_equal(behind[blue], nothing[blue])


def test_physics_do_not_depend_on_the_renderer():
    """The renderer adds colours and shapes to a copy of the model."""
    batches = [env.make(2, seed=0) for env in (make_env(), picture_env("egl"))]
    for batch in batches:
        batch.reset(np.ones(2, bool))
        place(batch, case_x=0.1)
        batch.step(np.ones((2, 2)))
    np.testing.assert_array_equal(batches[0].get_state(), batches[1].get_state())


def test_what_cannot_be_is_refused(monkeypatch):
    for changes, sentence in (
        ({"image_size": 8}, r"env\.image_size=8 must be a whole number of at least 16"),
        ({"renderer": "glfw"}, r"env\.renderer is 'glfw'; it must be pillow or egl\."),
    ):
        with pytest.raises(ConfigError, match=sentence):
            make_env(observation="image", **changes)

    def broken(*_):
        raise ImportError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(mujoco, "MjrContext", broken)
    with pytest.raises(ConfigError, match=r"env\.renderer=egl does not work on this machine: .*env\.renderer=pillow"):
        make_env(observation="image", renderer="egl")
    make_env(observation="tracker", renderer="egl")  # no pictures are needed
