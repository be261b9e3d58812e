"""key_door: every step agrees with a second model in plain Python, and every room can be solved."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.envs.rooms.key_door import KeyDoorState
from tests.envs.rooms.shared import check_solvable, check_spec, shortest
from tests.probes import make

ENV = make("env", "key_door")
STEP = jax.jit(ENV.step)
RIGHT, UP, LEFT, DOWN, USE = range(5)
MOVES = {RIGHT: (1, 0), UP: (0, 1), LEFT: (-1, 0), DOWN: (0, -1)}
ROOM = {"key": (1, 1), "door": (4, 3), "goal": (6, 6)}


def state_at(walker, has_key=False, door_open=False, room=ROOM):
    return KeyDoorState(
        walker=np.array(walker, np.int32),
        **{name: np.array(place, np.int32) for name, place in room.items()},
        has_key=np.array(has_key),
        door_open=np.array(door_open),
        touched=np.zeros(3, bool),
        elapsed=np.array(0, np.int32),
    )


def model(room, walker, has_key, door_open, action, size=8):
    """Return walker, has_key and door_open after a step, without any of the environment's code."""
    if action == USE:
        if walker == room["key"] and not has_key:
            return walker, True, door_open
        (x, y), (door_x, door_y) = walker, room["door"]
        if has_key and (x, y) in [
            (door_x - 1, door_y),
            (door_x + 1, door_y),
            (door_x, door_y - 1),
            (door_x, door_y + 1),
        ]:
            return walker, has_key, not door_open
        return walker, has_key, door_open
    x, y = walker[0] + MOVES[action][0], walker[1] + MOVES[action][1]
    blocked = x not in range(size) or y not in range(size)
    blocked |= x == room["door"][0] and not (y == room["door"][1] and door_open)
    return (walker if blocked else (x, y)), has_key, door_open


def solve(room, walker):
    """Return the actions of a shortest path to the goal."""
    return shortest(
        (walker, False, False),
        is_end=lambda state: state[0] == room["goal"],
        after=lambda state, action: model(room, *state, action),
        actions=range(5),
    )


def after(state, *actions):
    out = None
    for action in actions:
        state, out = STEP(jax.random.key(0), state, jnp.int32(action))
    return state, out


def test_every_step_is_what_the_model_says():
    places = [(x, y) for x in range(8) for y in range(8)]
    rooms = [ROOM, {"key": (6, 0), "door": (5, 0), "goal": (0, 7)}]  # in the second room the key is next to the door
    cases = [
        (room, place, has_key, door_open, action)
        for room in rooms
        for place in places
        for has_key in (False, True)
        for door_open in (False, True)
        for action in range(5)
        if place[0] != room["door"][0] or (place == room["door"] and door_open)
    ]
    states = [state_at(place, has_key, door_open, room=room) for room, place, has_key, door_open, _ in cases]
    states = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
    actions = np.array([case[-1] for case in cases])
    keys = jax.random.split(jax.random.key(0), len(cases))
    reached, out = jax.jit(jax.vmap(ENV.step))(keys, states, actions)
    features = np.asarray(jax.jit(jax.vmap(ENV.goal_features))(reached))
    expected = [model(*case) for case in cases]
    goals = [case[0]["goal"] for case in cases]
    np.testing.assert_array_equal(features, [(*walker, has, is_open) for walker, has, is_open in expected])
    np.testing.assert_array_equal(out.info["cell"], [y * 8 + x for (x, y), _, _ in expected])
    success = np.array([walker == goal for (walker, _, _), goal in zip(expected, goals, strict=True)])
    for found in (out.info["success"], out.terminated, out.env_reward, ENV.reward_of(None, None, out.next_obs)):
        np.testing.assert_array_equal(found, success)
    np.testing.assert_array_equal(out.next_obs, jax.jit(jax.vmap(ENV.observe))(reached))
    scene = np.asarray(out.info["scene"])
    np.testing.assert_array_equal(scene[:, [0, 1, 8, 9]], features)
    np.testing.assert_array_equal(scene[:, 2:8], np.concatenate([states.key, states.door, states.goal], axis=-1))


def test_the_door_opens_closes_and_is_never_closed_on_the_walker():
    state, _ = after(state_at((3, 3)), RIGHT, USE)
    assert state.walker.tolist() == [3, 3] and not state.door_open, "the door is closed, and the walker has no key"
    state, _ = after(state_at((3, 3), has_key=True), USE, RIGHT)
    assert state.walker.tolist() == [4, 3] and state.door_open
    state, _ = after(state, USE, UP, DOWN)
    assert state.walker.tolist() == [4, 3] and state.door_open, "in the doorway, with walls above and below"
    state, _ = after(state, RIGHT, USE, LEFT)
    assert state.walker.tolist() == [5, 3] and not state.door_open, "the door was closed from the other side and blocks"
    state, _ = after(state_at((3, 2), has_key=True), USE)
    assert not state.door_open, "diagonally next to the door does not count"


def test_what_has_been_touched():
    state, out = after(state_at((1, 1)), USE, USE)
    assert state.has_key and out.info["touched"] == 1
    way = (UP, UP, RIGHT, RIGHT)
    state, out = after(state, *way, USE, USE, USE)
    assert out.info["touched"] == 2 and state.door_open, "opening the door twice counts once"
    state, out = after(state, *(RIGHT,) * 3, *(UP,) * 3)
    assert out.info["touched"] == 3 and out.terminated
    state, out = after(state, LEFT, RIGHT)
    assert out.info["touched"] == 3 and out.terminated, "counting continues after the end"
    state, out = after(state_at((5, 6), door_open=True), RIGHT)
    assert out.info["touched"] == 1 and out.info["success"], "only the goal was touched"


def test_what_is_seen():
    obs = np.asarray(ENV.observe(state_at((2, 3))))
    names = np.array(ENV.spec.obs_names)
    things = {"walker": (2, 3), "key": (1, 1), "door": (4, 3), "goal": (6, 6)}
    expected = [f"{thing} at {axis}={i}" for thing, at in things.items() for axis, i in zip("xy", at, strict=True)]
    assert names[obs == 1.0].tolist() == expected and obs.sum() == 8.0
    obs = np.asarray(ENV.observe(state_at((2, 3), has_key=True, door_open=True)))
    assert names[obs == 1.0].tolist() == [*expected[:2], *expected[4:], "has key", "door open"]


@pytest.mark.parametrize("size", [3, 8])
def test_rooms_are_legal_and_of_all_kinds(size):
    env = make("env", "key_door", size=size)
    states = jax.device_get(jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.key(1), 4000)))
    places = np.stack([states.walker, states.key, states.door, states.goal])
    assert places.min() == 0 and places.max() == size - 1
    wall = states.door[:, 0]
    assert set(wall) == set(range(1, size - 1)) and set(states.door[:, 1]) == set(range(size))
    side = np.sign(places[..., 0] - wall)
    assert set(side[0]) == {-1, 1}
    np.testing.assert_array_equal(side[0], side[1])
    np.testing.assert_array_equal(side[0], -side[3])
    assert (states.walker != states.key).any(axis=-1).all()
    assert not states.has_key.any() and not states.door_open.any() and not states.touched.any()
    for place in (states.walker, states.key, states.goal):
        assert len(np.unique(place, axis=0)) == size**2 - (size if size == 3 else 0), (
            "every cell occurs, except those of the wall if its column is fixed"
        )


def test_every_room_is_solvable_in_time():
    check_solvable(ENV, solve, most=35, touched=3)


def test_a_state_put_back_goes_on_as_before_and_episodes_are_cut():
    state = ENV.reset(jax.random.key(3))
    for t in range(1, 61):
        back = jax.device_put(jax.device_get(state))
        action = jnp.int32(USE if t % 2 else t % 4)
        state, out = STEP(jax.random.key(t), state, action)
        assert bool(out.truncated) == bool(out.needs_reset) == (t == 60)
    jax.tree.map(np.testing.assert_array_equal, (state, out), STEP(jax.random.key(60), back, action))


def test_spec_fits_what_is_given(tmp_path):
    check_spec(ENV, 4 * 16 + 2, state_at((0, 0)), tmp_path)
    assert not ENV.reversible


def test_what_people_are_given():
    rng = np.random.default_rng(0)
    goals, others = (ENV.collect_examples(rng, 900, goal) for goal in (True, False))
    assert ENV.reward_of(None, None, goals.obs).all() and not ENV.reward_of(None, None, others.obs).any()
    assert goals.obs.dtype == np.float32 and others.action.dtype == np.int32 and set(others.action) == set(range(5))
    assert goals.obs[:, -2:].all()
    has_key, door_open = others.obs[:, -2:].T
    assert 200 < door_open.sum() < 400 < has_key.sum() < 800
    at = others.obs[:, :-2].reshape(-1, 4, 2, 8).argmax(axis=-1)
    walker, _, door, goal = np.moveaxis(at, 1, 0)
    side = np.sign(walker - door)[:, 0]
    assert (side[door_open == 0] == -np.sign(goal - door)[door_open == 0, 0]).all(), "the door was closed"
    assert set(side[door_open == 1]) == {-1, 0, 1} and (walker[side == 0] == door[side == 0]).all()
    plane = ENV.plane(16)
    assert plane.obs.shape == (16, 16, 66) and plane.obs.dtype == np.float32
    assert np.flatnonzero(plane.obs[7, 5, :16]).tolist() == [2, 8 + 3] and plane.x[5] == 2.75
    np.testing.assert_array_equal(plane.obs[7, 5, 16:], plane.obs[0, 0, 16:])
    np.testing.assert_array_equal(ENV.place(np.arange(10.0)[None]), [[0.5, 1.5]])


def test_pictures_differ_where_states_do():
    states = [state_at((1, 1)), state_at((1, 2)), state_at((1, 1), has_key=True), state_at((1, 1), True, True)]
    states += [
        state_at((4, 3), True, True),
        state_at((6, 6), True, True),
        state_at((1, 1), room={**ROOM, "goal": (6, 5)}),
    ]
    states += [state_at((1, 1), room={**ROOM, "door": (4, 4)}), state_at((1, 1), room={**ROOM, "key": (1, 2)})]
    pictures = [ENV.draw(np.asarray(ENV.scene_of(state))) for state in states]
    assert len({picture.tobytes() for picture in pictures}) == len(states)
    assert all(picture.shape == (240, 240, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert pictures[0][195, 45].tolist() == [40, 90, 200], "the walker, at the lower left"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 2}, r"env\.size=2 must be at least 3 cells"),
        ({"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
        ({"size": "big"}, r"env\.size=big is not valid; it must be a whole number"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make("env", "key_door", **changes)
