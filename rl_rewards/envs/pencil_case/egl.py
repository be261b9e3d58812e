"""Image observations of ``pencil_case``, rendered by MuJoCo's OpenGL through EGL, without a window.

Colours and shapes are added to a copy of the model; the physics use another copy.
"""

# mujoco is written in C and has no stubs:
# pyright: reportAttributeAccessIssue=false

import atexit
import logging
from functools import cached_property
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from jaxtyping import Bool, Float, UInt8

from rl_rewards.core.errors import ConfigError, one_line
from rl_rewards.envs.pencil_case import layout
from rl_rewards.envs.pencil_case.camera import ASPECT, FOCAL, FORWARD, POSITION, UP
from rl_rewards.envs.pencil_case.scene import (
    BULB,
    CASE_TOP,
    COVER,
    DARK_WALL,
    HAND,
    LIT_WALL,
    LIT_WOOD,
    STICK,
    TABLE,
    WOOD,
    Frame,
)

OVERSAMPLE = 2
"""The picture is rendered this many times larger and averaged."""
SENSOR_METRES = 0.1
"""Focal length of the camera in the model; only ratios to it matter."""


class EGLCamera:
    """A camera that renders with OpenGL; see ``pencil_case.image.Camera``.

    Raises:
        ConfigError: if EGL does not work on this machine.
    """

    def __init__(self, model: Path, size: int, frame: Frame, has_hand: bool, has_lamp: bool) -> None:
        self.size, self.frame, self.has_lamp = size, frame, has_lamp
        self.model = self._looks(model, has_hand)
        self._data = mujoco.MjData(self.model)
        try:
            self._gl  # noqa: B018
        except Exception as error:  # a missing library or driver fails in many ways
            raise ConfigError(
                f"env.renderer=egl does not work on this machine: {one_line(error)}; env.renderer=pillow needs no "
                "OpenGL."
            ) from error

    def pictures(
        self, points: Float[np.ndarray, "B 2 2"], yaw: Float[np.ndarray, " B"], lamp: Bool[np.ndarray, " B"]
    ) -> UInt8[np.ndarray, "B H W 3"]:
        gl, scene, context, camera, option = self._gl
        gl.make_current()  # another environment's context may be current
        pixels = self.size * OVERSAMPLE
        buffer, view = np.empty((pixels, pixels, 3), np.uint8), mujoco.MjrRect(0, 0, pixels, pixels)
        result = np.empty((len(points), self.size, self.size, 3), np.uint8)
        for i in range(len(points)):
            self._data.qpos[:] = [*points[i].reshape(-1), yaw[i]]
            mujoco.mj_kinematics(self.model, self._data)
            mujoco.mj_camlight(self.model, self._data)
            self._light(bool(lamp[i]))
            everything = mujoco.mjtCatBit.mjCAT_ALL
            mujoco.mjv_updateScene(self.model, self._data, option, None, camera, everything, scene)
            mujoco.mjr_render(view, scene, context)
            mujoco.mjr_readPixels(buffer, None, view, context)
            cells = buffer[::-1].reshape(self.size, OVERSAMPLE, self.size, OVERSAMPLE, 3)
            result[i] = cells.mean(axis=(1, 3), dtype=np.float32).round()
        return result

    @cached_property
    def _gl(self) -> tuple[Any, ...]:
        """Return the OpenGL context, the scene, MuJoCo's context, the camera and the options.

        ``mujoco.Renderer`` is not used, since it chooses the kind of OpenGL by the value that the environment variable
        MUJOCO_GL had when mujoco was first imported.
        """
        logging.getLogger("OpenGL").setLevel(logging.WARNING)  # it logs every accelerator that is missing
        from mujoco import egl

        pixels = self.size * OVERSAMPLE
        gl = egl.GLContext(pixels, pixels)
        gl.make_current()
        scene = mujoco.MjvScene(self.model, maxgeom=100)
        scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        camera = mujoco.MjvCamera()
        camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, 0
        atexit.register(gl.free)
        atexit.register(context.free)  # runs before gl.free
        return gl, scene, context, camera, mujoco.MjvOption()

    def _light(self, lit: bool) -> None:
        self.model.geom("table").rgba[:3] = np.array(LIT_WOOD if lit else WOOD) / 255
        self.model.geom("wall").rgba[:3] = np.array(LIT_WALL if lit else DARK_WALL) / 255
        if self.has_lamp:
            self.model.geom("bulb").rgba[:] = (1.0, 0.94, 0.55, 1.0) if lit else (0.27, 0.28, 0.31, 1.0)

    def _looks(self, path: Path, has_hand: bool) -> mujoco.MjModel:
        """Return the physics' model with a camera and with everything that is only seen."""
        spec = mujoco.MjSpec.from_file(str(path))
        world, kinds = spec.worldbody, mujoco.mjtGeom
        self._add_camera(world)
        spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.55] * 3, [0.45] * 3
        spec.visual.headlight.specular = [0.0] * 3
        spec.visual.global_.offwidth = spec.visual.global_.offheight = self.size * OVERSAMPLE
        spec.visual.quality.offsamples = 0  # averaged here
        half_height = layout.NOTEBOOK_HEIGHT / 2
        for geom in spec.geoms:
            colour = {"notebook": COVER, "case": CASE_TOP, "pusher": STICK}[geom.name]
            geom.rgba = _rgba(colour)
            if geom.name == "notebook":
                geom.pos, geom.size = [0, 0, half_height], [*layout.NOTEBOOK_HALF_SIZE, half_height]
        world.add_geom(name="table", type=kinds.mjGEOM_BOX, size=[*TABLE, 0.01], pos=[0, 0, -0.01], rgba=_rgba(WOOD))
        world.add_geom(name="wall", type=kinds.mjGEOM_BOX, size=[9, 0.1, 9], pos=[0, 3, 0], rgba=_rgba(DARK_WALL))
        if self.has_lamp:
            button = [layout.BUTTON_RADIUS, 0.001, 0]
            world.add_geom(
                name="button",
                type=kinds.mjGEOM_CYLINDER,
                size=button,
                pos=[*layout.BUTTON, 0.0],
                rgba=_rgba((150, 60, 150)),
            )
            world.add_geom(name="bulb", type=kinds.mjGEOM_SPHERE, size=[0.02, 0, 0], pos=self._bulb())
        pusher = spec.body("pusher")
        height = layout.HAND_HEIGHT
        below = -pusher.pos[2]
        pusher.add_geom(
            type=kinds.mjGEOM_CAPSULE, fromto=[0, 0, below, 0, 0, below + height], size=[0.006, 0, 0], rgba=_rgba(STICK)
        )
        if has_hand:
            size = [layout.HAND_RADIUS, 0, 0]
            pusher.add_geom(type=kinds.mjGEOM_SPHERE, pos=[0, 0, below + height], size=size, rgba=_rgba(HAND))
        return spec.compile()

    def _add_camera(self, world: Any) -> None:
        """Add the pinhole camera of ``pencil_case.camera``, whose sensor is the recorded frame."""
        centre, half = self.frame
        rotation, quaternion = np.stack([[1.0, 0.0, 0.0], UP, -FORWARD], axis=1), np.empty(4)
        mujoco.mju_mat2Quat(quaternion, rotation.reshape(-1))
        camera = world.add_camera(name="camera", pos=POSITION, quat=quaternion)
        scale = np.array([ASPECT, 1.0]) * SENSOR_METRES / FOCAL
        camera.resolution, camera.focal_length = [self.size * OVERSAMPLE] * 2, [SENSOR_METRES] * 2
        camera.sensor_size, camera.principal_length = 2 * half * scale, centre * scale * [1.0, -1.0]

    def _bulb(self) -> np.ndarray:
        """Return a point on the line of sight to the bulb's place in the frame, about 0.8 m from the camera."""
        u, v = BULB * self.frame[1] + self.frame[0]
        direction = FORWARD + u * ASPECT / FOCAL * np.array([1.0, 0.0, 0.0]) + v / FOCAL * UP
        return POSITION + 0.8 * direction


def _rgba(colour: tuple[int, int, int]) -> list[float]:
    return [*(np.array(colour) / 255), 1.0]
