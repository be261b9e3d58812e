"""What ``pencil_case`` shows of its true state, in pure formulas that both physics engines share.

``points`` are the true positions of pusher and case [*batch, 2, 2] in metres, ``yaw`` the case's [*batch] in radians,
``fix`` what the tracker reports of the case [*batch, 5], ``lamp`` whether it is lit [*batch]. numpy or JAX arrays.
"""

from jaxtyping import Bool, Float

from rl_rewards.envs.pencil_case import layout
from rl_rewards.envs.pencil_case.layout import Either, Positions, functions

Points = Float[Either, "*batch 2 2"]
Numbers = Float[Either, "*batch"]
Fix = Float[Either, "*batch 5"]
Lamp = Bool[Either, "*batch"] | Numbers


def tracker_obs(fix: Fix, pusher: Positions, lamp: Lamp) -> Float[Either, "*batch 8"]:
    """f32: the tracker's fix, the pusher in the frame, the background (-1 dark, 1 lit)."""
    xp = functions(fix)
    return xp.concatenate([fix, pusher, 2.0 * lamp[..., None] - 1.0], axis=-1).astype(xp.float32)


def true_obs(points: Points, yaw: Numbers) -> Float[Either, "*batch 6"]:
    """f32: the case over half the table's size, sine and cosine of its yaw, the pusher likewise."""
    xp = functions(points)
    scaled = points / xp.asarray(layout.TABLE_HALF_SIZE, points.dtype)
    turn = xp.stack([xp.sin(yaw), xp.cos(yaw)], axis=-1)
    return xp.concatenate([scaled[..., 1, :], turn, scaled[..., 0, :]], axis=-1).astype(xp.float32)


def lamp_is_lit(points: Points, background_cue: bool) -> Bool[Either, "*batch"]:
    """Whether the pusher stands on the lamp's button, where there is a lamp."""
    if not background_cue:
        return functions(points).zeros(points.shape[:-2], bool)
    return layout.on_button(points[..., 0, :])


def scene_of(points: Points, yaw: Numbers, fix: Fix, lamp: Lamp) -> Float[Either, "*batch 9"]:
    """f32: case x, y, yaw; pusher x, y; reported u, v; visible; lamp."""
    xp = functions(points)
    parts = [points[..., 1, :], yaw[..., None], points[..., 0, :], fix[..., :2], fix[..., 4:], lamp[..., None]]
    return xp.concatenate(parts, axis=-1).astype(xp.float32)
