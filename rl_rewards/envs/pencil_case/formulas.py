"""Pure formulas for what ``pencil_case`` shows of its true state; both physics engines share them.

``points`` are the true positions of pusher and case [*batch, 2, 2] in metres, ``yaw`` is the case's yaw [*batch] in
radians, ``fix`` is the tracker's report of the case [*batch, 5], and ``lamp`` is True where the lamp is lit [*batch].
They are numpy or JAX arrays.
"""

from jaxtyping import Bool, Float

from rl_rewards.envs.pencil_case import layout
from rl_rewards.envs.pencil_case.layout import Either, Positions, functions

Points = Float[Either, "*batch 2 2"]
Numbers = Float[Either, "*batch"]
Fix = Float[Either, "*batch 5"]
Lamp = Bool[Either, "*batch"] | Numbers


def tracker_obs(fix: Fix, pusher: Positions, lamp: Lamp) -> Float[Either, "*batch 8"]:
    """Return the tracker's fix, the pusher's u and v, and the background (-1 dark, 1 lit), in f32."""
    xp = functions(fix)
    return xp.concatenate([fix, pusher, 2.0 * lamp[..., None] - 1.0], axis=-1).astype(xp.float32)


def true_obs(points: Points, yaw: Numbers) -> Float[Either, "*batch 6"]:
    """Return the case's position, sine and cosine of its yaw, and the pusher's position, in f32; positions are divided
    by half the table's size."""
    xp = functions(points)
    scaled = points / xp.asarray(layout.TABLE_HALF_SIZE, points.dtype)
    turn = xp.stack([xp.sin(yaw), xp.cos(yaw)], axis=-1)
    return xp.concatenate([scaled[..., 1, :], turn, scaled[..., 0, :]], axis=-1).astype(xp.float32)


def lamp_is_lit(points: Points, background_cue: bool) -> Bool[Either, "*batch"]:
    """Return True where the pusher stands on the lamp's button; False everywhere if there is no lamp."""
    if not background_cue:
        return functions(points).zeros(points.shape[:-2], bool)
    return layout.on_button(points[..., 0, :])


def scene_of(points: Points, yaw: Numbers, fix: Fix, lamp: Lamp) -> Float[Either, "*batch 9"]:
    """Return case x, y, yaw; pusher x, y; reported u, v; visible; lamp, in f32."""
    xp = functions(points)
    parts = [points[..., 1, :], yaw[..., None], points[..., 0, :], fix[..., :2], fix[..., 4:], lamp[..., None]]
    return xp.concatenate(parts, axis=-1).astype(xp.float32)
