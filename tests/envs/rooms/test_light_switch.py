"""light_switch: every step agrees with a second model in plain Python, and every room can be solved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.rooms.light_switch import LightSwitchState
from tests.envs.rooms.shared import check_solvable, check_spec, shortest
from tests.probes import make

ENV = make("env", "light_switch")
STEP = jax.jit(ENV.step)
RIGHT, UP, LEFT, DOWN, TOGGLE = range(5)
MOVES = {RIGHT: (1, 0), UP: (0, 1), LEFT: (-1, 0), DOWN: (0, -1), TOGGLE: (0, 0)}
ROOM = {"switch": (1, 1), "goal": (4, 3)}


def state_at(walker, light=False, room=ROOM):
    return LightSwitchState(
        walker=np.array(walker, np.int32),
        **{name: np.array(place, np.int32) for name, place in room.items()},
        light=np.array(light),
        touched=np.zeros(2, bool),
        elapsed=np.array(0, np.int32),
    )


def model(room, walker, light, action, size=7):
    """Return walker and light after a step, without any of the environment's code."""
    if action == TOGGLE and walker == room["switch"]:
        return walker, not light
    x, y = walker[0] + MOVES[action][0], walker[1] + MOVES[action][1]
    return ((x, y) if x in range(size) and y in range(size) else walker), light


def solve(room, walker):
    """Return the actions of a shortest path to the goal with the light on."""
    return shortest(
        (walker, False),
        is_end=lambda state: state == (room["goal"], True),
        after=lambda state, action: model(room, *state, action),
        actions=range(5),
    )


def test_every_step_is_what_the_model_says():
    places = [(x, y) for x in range(7) for y in range(7)]
    cases = [(place, light, action) for place in places for light in (False, True) for action in range(5)]
    states = jax.tree.map(lambda *leaves: np.stack(leaves), *(state_at(place, light) for place, light, _ in cases))
    keys = jax.random.split(jax.random.key(0), len(cases))
    reached, out = jax.jit(jax.vmap(ENV.step))(keys, states, np.array([case[-1] for case in cases]))
    expected = [model(ROOM, *case) for case in cases]
    features = np.asarray(jax.jit(jax.vmap(ENV.goal_features))(reached))
    np.testing.assert_array_equal(features, [(*walker, light) for walker, light in expected])
    np.testing.assert_array_equal(out.info["cell"], [y * 7 + x for (x, y), _ in expected])
    success = np.array([state == ((4, 3), True) for state in expected])
    for found in (out.info["success"], out.terminated, out.env_reward, ENV.reward_of(None, None, out.next_obs)):
        np.testing.assert_array_equal(found, success)
    np.testing.assert_array_equal(out.next_obs, jax.jit(jax.vmap(ENV.observe))(reached))
    scene = np.asarray(out.info["scene"])
    np.testing.assert_array_equal(scene[:, [0, 1, 6]], features)
    np.testing.assert_array_equal(scene[:, 2:6], np.tile([1, 1, 4, 3], (len(cases), 1)))


def test_the_goal_is_seen_in_the_light_alone():
    names = np.array(ENV.spec.obs_names)
    dark, lit = (np.asarray(ENV.observe(state_at((2, 3), light))) for light in (False, True))
    seen = ["walker at x=2", "walker at y=3", "switch at x=1", "switch at y=1"]
    assert names[dark == 1.0].tolist() == seen and dark.sum() == 4.0
    assert names[lit == 1.0].tolist() == [*seen, "goal at x=4", "goal at y=3", "light on"] and lit.sum() == 7.0


def test_what_has_been_touched():
    touched, state = [], state_at((4, 3))
    way = [TOGGLE, *(LEFT,) * 3, *(DOWN,) * 2, TOGGLE, TOGGLE, TOGGLE, *(RIGHT,) * 3, *(UP,) * 2, RIGHT]
    for t, action in enumerate(way):
        state, out = STEP(jax.random.key(t), state, jnp.int32(action))
        touched.append(int(out.info["touched"]))
    assert touched == [0] * 6 + [1] * 7 + [2, 2], (
        "the goal does not count in the dark, and counting continues after the end"
    )
    assert state.walker.tolist() == [5, 3] and not out.terminated


@pytest.mark.parametrize("size", [2, 7])
def test_rooms_are_legal_and_of_all_kinds(size):
    env = make("env", "light_switch", size=size)
    states = jax.device_get(jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(1), 4000)))
    for place in (states.walker, states.switch, states.goal):
        assert place.min() == 0 and place.max() == size - 1 and len(np.unique(place, axis=0)) == size**2
    assert (states.switch != states.goal).any(axis=-1).all()
    assert not states.light.any() and not states.touched.any()


def test_every_room_is_solvable_in_time():
    check_solvable(ENV, solve, most=25, touched=2)


def test_a_state_put_back_goes_on_as_before_and_episodes_are_cut():
    state = state_at((1, 1))
    for t in range(1, 51):
        back = jax.device_put(jax.device_get(state))
        action = jnp.int32(TOGGLE if t % 2 else t % 4)
        state, out = STEP(jax.random.key(t), state, action)
        assert not out.terminated and bool(out.truncated) == bool(out.needs_reset) == (t == 50)
    jax.tree.map(np.testing.assert_array_equal, (state, out), STEP(jax.random.key(50), back, action))


def test_spec_fits_what_is_given(tmp_path):
    check_spec(ENV, 3 * 14 + 1, state_at((0, 0)), tmp_path)
    assert ENV.reversible


def test_what_people_are_given():
    rng = np.random.default_rng(0)
    goals, others = (ENV.collect_examples(rng, 300, goal) for goal in (True, False))
    assert ENV.reward_of(None, None, goals.obs).all() and not ENV.reward_of(None, None, others.obs).any()
    assert goals.obs.dtype == np.float32 and others.action.dtype == np.int32 and set(others.action) == set(range(5))
    assert goals.obs[:, -1].all() and 100 < others.obs[:, -1].sum() < 200
    assert (others.obs[:, :14].sum(axis=-1) == 2.0).all()
    plane = ENV.plane(14)
    assert plane.obs.shape == (14, 14, 43) and plane.obs.dtype == np.float32
    assert np.flatnonzero(plane.obs[7, 5, :14]).tolist() == [2, 7 + 3] and plane.x[5] == 2.75
    np.testing.assert_array_equal(plane.obs[7, 5, 14:], plane.obs[0, 0, 14:])
    np.testing.assert_array_equal(ENV.place(np.arange(7.0)[None]), [[0.5, 1.5]])


def test_pictures_differ_where_states_do():
    rooms = [ROOM, {**ROOM, "goal": (5, 5)}, {**ROOM, "switch": (5, 5)}]
    states = [state_at(walker, light, room) for walker in ((1, 1), (4, 3)) for light in (False, True) for room in rooms]
    pictures = [ENV.draw(np.asarray(ENV.scene_of(state))) for state in states]
    assert len({picture.tobytes() for picture in pictures}) == len(states)
    assert all(picture.shape == (240, 240, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert pictures[0].mean() < 160 < pictures[3].mean(), "dark, light"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 1}, r"env\.size=1 must be at least 2 cells"),
        ({"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
        ({"size": True}, r"env\.size=True is not valid; it must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make("env", "light_switch", **changes)
