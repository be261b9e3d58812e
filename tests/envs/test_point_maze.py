"""point_maze: walls hold, hazards count, rewards are those of the docstring, and the expert finds every goal."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from rl_rewards.envs.point_maze.env import RADIUS, PointMaze, PointMazeState
from rl_rewards.envs.point_maze.layouts import LAYOUTS, read_layout
from tests.probes import make

OPEN = ("S..#.", ".#...", "..#.G", "#....")
"""A layout without walls around it: its border is one."""
DETOUR = ("SxG", "...")
"""Two moves across a hazard, or four around it."""


def maze(layout="corridor", **changes) -> PointMaze:
    return make("env", "point_maze", layout=layout if isinstance(layout, str) else list(layout), **changes)


def state_at(x, y) -> PointMazeState:
    return PointMazeState(position=jnp.array([x, y], jnp.float32), elapsed=jnp.zeros((), jnp.int32))


def moved(env, x, y, *actions):
    """Return the outcomes of ``actions``, one after the other, from (x, y), without resets."""
    state, outs = state_at(x, y), []
    step = jax.jit(env.step)
    for t, action in enumerate(actions):
        state, out = step(jax.random.key(t), state, jnp.array(action, jnp.float32))
        outs.append(out)
    return outs


def letters_at(rows, positions):
    """Return the letters of the cells of positions [..., 2] in cells, without any of the environment's code."""
    table = np.array([list("#" * (len(rows[0]) + 2)), *(list(f"#{row}#") for row in rows), ["#"] * (len(rows[0]) + 2)])
    x, y = np.floor(np.moveaxis(np.asarray(positions), -1, 0)).astype(int)
    return table[len(rows) - y, x + 1]


def played(env, states, act, length):
    """Return the outcomes [length, n] of ``act(obs [n, 2], key)`` from ``states`` [n], and whether each step is part of
    the first episode."""

    def step(carry, key):
        states, going = carry
        act_key, step_key = jax.random.split(key)
        action = act(jax.vmap(env.observe)(states), act_key)
        states, out = jax.vmap(env.step)(jax.random.split(step_key, len(going)), states, action)
        return (states, going & ~out.needs_reset), (out, going)

    going = jnp.ones(len(states.elapsed), bool)
    run = jax.jit(lambda keys: jax.lax.scan(step, (states, going), keys)[1])
    return jax.device_get(run(jax.random.split(jax.random.key(1), length)))


@pytest.mark.parametrize(("layout", "speed"), [("large", 0.3), ("hazards", 0.99), (OPEN, 0.7)])
def test_walls_are_never_entered_and_never_jumped(layout, speed):
    env = maze(layout, speed=speed, noise=0.3, start="anywhere", terminate_on_success=False, hazard="hurts")
    states = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 64))
    drift = jax.random.uniform(jax.random.key(2), (64, 2), minval=-2.0, maxval=2.0)  # presses on into the walls
    out, _ = played(env, states, lambda obs, key: drift * jax.random.uniform(key, (64, 1), minval=-0.5), 400)
    scene = np.concatenate([np.asarray(states.position)[None], out.info["scene"]])
    rows = LAYOUTS[layout] if isinstance(layout, str) else layout
    for corner in ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)):
        assert "#" not in letters_at(rows, scene + (RADIUS - 1e-3) * np.array(corner))
    step = np.abs(np.diff(scene, axis=0))
    assert step.max() <= speed + 1e-5, "a wall is one cell thick, so that a shorter step cannot jump it"
    assert (step < 1e-6).any(axis=-1).mean() > 0.1, "the walls were not tried"


def test_exact_moves_in_the_corridor():
    """Cells 1 to 5 along x, one cell high; walls stop the point at RADIUS = 0.2 and let it slide."""
    env = maze()
    for (x, y), action, (to_x, to_y) in [
        ((1.5, 1.5), (1.0, 0.0), (1.8, 1.5)),
        ((1.5, 1.5), (5.0, 0.0), (1.8, 1.5)),
        ((1.5, 1.5), (0.5, -0.5), (1.65, 1.35)),
        ((1.5, 1.5), (-1.0, 0.0), (1.2, 1.5)),
        ((1.3, 1.5), (-1.0, 0.0), (1.2, 1.5)),
        ((1.2, 1.5), (-1.0, 0.1), (1.2, 1.53)),
        ((3.0, 1.7), (1.0, 1.0), (3.3, 1.8)),
        ((5.7, 1.25), (1.0, -1.0), (5.8, 1.2)),
    ]:
        (out,) = moved(env, x, y, action)
        np.testing.assert_allclose(out.info["scene"], [to_x, to_y], atol=1e-6)
        np.testing.assert_allclose(out.next_obs, [to_x / 3.5 - 1.0, to_y / 1.5 - 1.0], atol=1e-6)


def test_the_move_along_x_comes_first():
    """At the corner of a wall both orders are possible, and they end on different sides of it."""
    (out,) = moved(maze("umaze"), 1.8, 1.8, (1.0, 1.0))
    np.testing.assert_allclose(out.info["scene"], [2.1, 1.8], atol=1e-6)


def test_noise_moves_the_point_and_never_faster_than_its_speed():
    env = maze(["S..", "...", "..G"], noise=0.2)

    def scenes(action):
        keys = jax.random.split(jax.random.key(0), 4000)
        act = jax.jit(jax.vmap(lambda key: env.step(key, state_at(1.5, 1.5), action)[1].info["scene"]))
        return np.asarray(act(keys))

    scene = scenes(jnp.zeros(2))
    np.testing.assert_allclose(scene.mean(axis=0), 1.5, atol=0.005)
    np.testing.assert_allclose(np.cov(scene.T) / 0.3**2, 0.2**2 * np.eye(2), atol=0.004)
    fast = scenes(jnp.ones(2))
    assert fast.max() == pytest.approx(1.8) and fast.min() < 1.7


def test_rewards_and_ends_at_the_goal():
    """The disc of radius 0.5 begins at x = 5; its edge belongs to it in every rounding."""
    actions = [(1.0, 0.0)] * 2
    for reward, before, at_goal in (("sparse", 0.0, 1.0), ("steps", -1.0, 0.0)):
        first, last = moved(maze(reward=reward), 4.4, 1.5, *actions)
        assert (first.env_reward, last.env_reward) == (before, at_goal)
        assert not first.info["success"] and not first.needs_reset
        assert last.info["success"] and last.terminated and last.needs_reset and not last.truncated
        assert first.env_reward.dtype == jnp.float32
    _, last, after = moved(maze(terminate_on_success=False), 4.4, 1.5, *actions, (0.0, 0.0))
    assert last.info["success"] and not last.needs_reset and after.env_reward == 1.0
    (near,) = moved(maze(goal_radius=0.25), 4.9, 1.5, (1.0, 0.0))
    assert not near.info["success"]


def test_the_step_limit_cuts_and_is_no_failure():
    outs = moved(maze(reward="steps", max_episode_steps=3), 1.5, 1.5, *[(0.0, 0.0)] * 3)
    assert [bool(out.truncated) for out in outs] == [False, False, True] == [bool(out.needs_reset) for out in outs]
    assert not outs[2].terminated and outs[2].env_reward == -1.0


@pytest.mark.parametrize(
    ("changes", "paid"),
    [
        ({"hazard": "ends"}, [0.0, -2.0]),
        ({"hazard": "hurts"}, [0.0, -2.0, 0.0, 0.0, -2.0]),
        ({"hazard": "ends", "reward": "steps", "failure_penalty": 30.0}, [-1.0, -30.0]),
        ({"hazard": "ends", "reward": "steps"}, [-1.0, -200.0]),
        ({"hazard": "hurts", "reward": "steps"}, [-1.0, -3.0, -1.0, -1.0, -3.0]),
    ],
)
def test_hazards_end_or_hurt(changes, paid):
    """Down onto a hazard, wait there, back up, and down again: each entry counts once."""
    down, wait, up = (0.0, -1.0), (0.0, 0.0), (0.0, 1.0)
    env = maze("hazards", hazard_penalty=2.0, max_episode_steps=200, **changes)
    outs = moved(env, 3.5, 2.5, down, down, wait, up, down)[: len(paid)]
    np.testing.assert_allclose([out.env_reward for out in outs], paid)
    ends = changes["hazard"] == "ends"
    assert [int(out.info["hazard"]) for out in outs] == [0, 1, 0, 0, 1][: len(paid)]
    assert [bool(out.terminated) for out in outs] == [ends and at == 1 for at in range(len(paid))]
    assert not any(out.info["success"] for out in outs) and env.spec.ends_early


def test_costs_of_the_shortest_ways():
    """Counted by hand; an unavoidable hazard costs as much as all cells."""
    medium = read_layout("medium").costs
    assert (medium[7, 1], medium[1, 1], medium[1, 7], medium[7, 7]) == (10.0, 12.0, 6.0, 0.0)
    assert read_layout(DETOUR).costs[1, 0] == 4.0
    assert read_layout(["SxG"]).costs[0].tolist() == [5.0, 1.0, 0.0]
    assert read_layout(["SG#."]).costs[0, 3] == np.inf
    assert (maze("umaze").spec.max_episode_steps, maze("medium").spec.max_episode_steps) == (80, 220)


def from_everywhere(layout, **changes):
    """Return an environment, and states of which half are where its episodes start and half are anywhere."""
    kinds = [maze(layout, start=start, **changes) for start in ("layout", "anywhere")]
    states = [jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 64)) for env in kinds]
    return kinds[0], jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *states)


@pytest.mark.parametrize("layout", [*LAYOUTS, OPEN, DETOUR], ids=[*LAYOUTS, "open", "detour"])
def test_a_slow_expert_solves_every_layout_from_everywhere_and_touches_no_hazard(layout):
    env, states = from_everywhere(layout)
    out, going = played(env, states, lambda obs, key: env.expert(obs, 0.3), env.spec.max_episode_steps)
    assert (out.info["success"] & going).any(axis=0).all()
    assert not (out.info["hazard"] * going).any()


@pytest.mark.parametrize(("layout", "least"), [("large", 1.0), ("hazards", 0.9)])
def test_a_noisy_expert_arrives_nearly_always(layout, least):
    env, states = from_everywhere(layout, noise=0.3)
    out, going = played(env, states, lambda obs, key: env.expert(obs), env.spec.max_episode_steps)
    assert (out.info["success"] & going).any(axis=0).mean() >= least


def test_the_experts_actions():
    """It takes 3.5 cells at 0.3 a step, within the action's bounds, and slowly at a part of it."""
    env = maze()
    outs = moved(env, 1.5, 1.5, *[(1.0, 0.0)] * 12)
    assert [bool(out.info["success"]) for out in outs] == [False] * 11 + [True]
    obs = jnp.stack([env.observe(state_at(1.5, 1.5)), env.observe(state_at(5.5, 1.5)), env.observe(state_at(5.6, 1.5))])
    np.testing.assert_allclose(env.expert(obs), [[1.0, 0.0], [0.0, 0.0], [-1.0 / 3.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(env.expert(obs, 0.3)[0], [0.3, 0.0], atol=1e-6)
    for speed in (0.0, 1.5):
        with pytest.raises(ConfigError, match=rf"expert's speed={speed} must be above 0 and at most 1"):
            env.expert(obs, speed)
    with pytest.raises(ConfigError, match="point has no scripted expert"):
        make("env", "point").expert(jnp.zeros(2))


def test_the_expert_goes_around_hazards_or_across_where_it_must():
    env = maze(DETOUR, hazard="hurts")
    out, going = played(
        env, jax.tree.map(lambda leaf: leaf[None], state_at(0.5, 1.5)), lambda obs, _: env.expert(obs), 30
    )
    assert not out.info["hazard"].any() and (out.info["success"] & going).any()
    env = maze(["SxG"], hazard="hurts")
    out, _ = played(env, jax.tree.map(lambda leaf: leaf[None], state_at(0.5, 0.5)), lambda obs, _: env.expert(obs), 10)
    assert out.info["hazard"].sum() == 1.0 and out.terminated.any()


def test_starts():
    def cells(**changes):
        env = maze(**changes)
        position = np.asarray(jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 2000)).position)
        inside = position % 1.0
        assert inside.min() == pytest.approx(RADIUS, abs=0.01) and inside.max() == pytest.approx(1.0 - RADIUS, abs=0.01)
        return {tuple(cell) for cell in np.floor(position).astype(int).tolist()}

    assert cells(layout="medium") == {(1, 7), (1, 1), (7, 1)}
    assert cells(layout="corridor", start="anywhere") == {(x, 1) for x in range(1, 5)}
    closed = ["S.x.#.", "...G#."]
    assert cells(layout=closed, start="anywhere") == {(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (3, 1)}
    assert cells(layout=["Sx.xG", "....."], start="anywhere") == {(0, 1), (2, 1), *((x, 0) for x in range(5))}
    behind = ["S.x.", "G.x."]
    assert cells(layout=behind, start="anywhere") == {(0, 1), (1, 0), (1, 1)}
    assert cells(layout=behind, start="anywhere", hazard="hurts") == {(0, 1), (1, 0), (1, 1), (3, 0), (3, 1)}


def test_spec(tmp_path):
    env = maze("hazards")
    spec = env.spec
    (out,) = moved(env, 3.5, 2.5, (0.0, 0.0))
    assert {name: value.shape for name, value in out.info.items()} == spec.info
    assert out.info["cell"] == 2 * 9 + 3 and spec.cells == 81, "the cells of a square as large as the longer side"
    np.testing.assert_array_equal(env.goal_features(state_at(3.5, 2.5)), [3.5, 2.5])
    spec.save(tmp_path / "spec.json")
    assert EnvSpec.load(tmp_path / "spec.json") == spec
    assert env.spec.ends_early and maze("hazards", terminate_on_success=False).spec.ends_early
    assert not maze("hazards", terminate_on_success=False, hazard="hurts").spec.ends_early
    assert not maze("umaze", terminate_on_success=False).spec.ends_early


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "maze"}, r"env\.layout=maze is not a layout; choose corridor, umaze, .* or give rows such as"),
        ({"layout": []}, r"env\.layout has no cells"),
        ({"layout": ["S.G", "...."]}, r"has 3 letters in row 1 and 4 in row 2; all rows must be equally long"),
        ({"layout": ["S.G", ".q."]}, r"has the letter 'q' in row 2; the letters are # \(wall\), \. \(free\), S"),
        ({"layout": ["..G"]}, r"has no start; mark at least one cell with S"),
        ({"layout": ["S.."]}, r"has no cells G; mark exactly one"),
        ({"layout": ["SGG"]}, r"has 2 cells G; mark exactly one"),
        (
            {"layout": ["SG#S"], "hazard": "hurts"},
            r"has a start in row 1, column 4, from which no way leads to the goal; open a way",
        ),
        (
            {"layout": ["SxG"]},
            r"row 1, column 1, .* no way leads to the goal without crossing a hazard, and env\.hazard",
        ),
        ({"layout": ["S" + "." * 99 + "G"]}, r"has 101 by 1 cells; each side must have at most 100"),
        ({"layout": 3}, r"env\.layout=3 is not valid; it must be a text or a list, each entry a text"),
        ({"speed": 1.0}, r"env\.speed=1\.0 must be above 0 and below 1 cell"),
        ({"goal_radius": 0.6}, r"env\.goal_radius=0\.6 must be above 0 and at most 0\.5"),
        ({"noise": -0.1}, r"env\.noise=-0\.1 must not be negative"),
        ({"failure_penalty": -1.0}, r"env\.failure_penalty=-1\.0 must not be negative"),
        ({"max_episode_steps": 0}, r"env\.max_episode_steps=0 must be at least 1"),
        ({"reward": "dense"}, r"env\.reward=dense is not valid; it must be sparse or steps"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make("env", "point_maze", **changes)


def test_examples_are_judged_as_what_they_are():
    env = maze("hazards", hazard="hurts")
    rng = np.random.default_rng(0)
    goals, others = (env.collect_examples(rng, 500, goal) for goal in (True, False))
    assert goals.obs.dtype == others.obs.dtype == np.float32 and goals.action.shape == (500, 2)
    assert (np.asarray(env.reward_of(others.obs, None, goals.obs)) == 1.0).all()
    assert (np.asarray(env.reward_of(others.obs, None, others.obs)) == 0.0).all()
    letters = letters_at(LAYOUTS["hazards"], (others.obs + 1.0) * np.array([4.5, 3.5]))
    assert set(letters) == {".", "S", "x"}


def test_plane_and_description():
    env = maze("hazards")
    plane = env.plane(4)
    np.testing.assert_allclose(plane.x, [1.125, 3.375, 5.625, 7.875])
    np.testing.assert_allclose(plane.obs[1, 2], [5.625 / 4.5 - 1.0, plane.y[1] / 3.5 - 1.0], atol=1e-6)
    scene = np.array([[1.5, 2.5], [3.5, 2.5], [3.5, 1.9]])
    np.testing.assert_array_equal(env.place(scene), scene)
    told = env.describe(SimpleNamespace(info={"scene": scene}, action=np.tile([3.0, 0.0], (3, 1))))
    assert "In 3 steps the point goes from (1.50, 2.50) to (3.50, 1.90), in a maze of 9 by 7 cells." in told
    assert "in cells: 6 at first, 5 at last, 5 on average, 4 at the least" in told
    assert "on a hazard after 1 of the 3 steps" in told and "speed wanted: 1.00" in told
    plain = maze("umaze").describe(SimpleNamespace(info={"scene": scene}, action=np.zeros((3, 2))))
    assert "hazard after" not in plain


def test_the_picture_shows_the_maze():
    """Cells of 48 pixels: a wall, the point, the start, the goal and a free cell have their colours in the middle."""
    env = maze("umaze")
    picture = env.draw(np.array([2.5, 1.5]))
    assert picture.shape == (240, 240, 3) and picture.dtype == np.uint8
    seen = {(x, y): tuple(picture[239 - (48 * y + 24), 48 * x + 24].tolist()) for x in range(5) for y in range(5)}
    assert seen[2, 2] == seen[0, 4] == (90, 90, 90) and seen[2, 1] == (40, 90, 200)
    assert seen[1, 3] == (228, 228, 228) and seen[3, 3] == (150, 210, 150) and seen[1, 1] == (255, 255, 255)
    hatched = maze("hazards").draw(np.array([1.5, 2.5]))
    assert hatched.shape == (186, 240, 3)
    red = (hatched == (210, 80, 70)).all(axis=-1)
    side = 240 / 9
    for x, y, share in ((3, 1, 1.0), (3, 2, 0.0), (4, 3, 1.0)):
        cell = red[
            round(186 - (y + 1) * side) + 1 : round(186 - y * side) - 1, round(x * side) + 1 : round((x + 1) * side)
        ]
        assert (cell.mean() > 0.1) == bool(share)
