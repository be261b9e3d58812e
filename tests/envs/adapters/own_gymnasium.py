"""Environments such as a user would write; importing this module registers them."""

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco.inverted_pendulum_v5 import InvertedPendulumEnv

PICTURE = spaces.Box(0, 255, (6, 5, 3), np.uint8)
CHOICE = spaces.Discrete(3, start=1)


class Own(gymnasium.Env):
    """Observes samples of its space; it ends, with success, only on action 3."""

    def __init__(self, obs: spaces.Space = PICTURE, action: spaces.Space = CHOICE, render_mode=None):
        self.observation_space, self.action_space = obs, action
        self.render_mode, self.count = render_mode, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._obs(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.count += 1
        done = bool(np.all(action == 3))
        info = {"is_success": done, "count": np.float64(self.count), "words": "none", "pair": np.zeros(2)}
        return self._obs(), float(self.count), done, self.count == 7, info

    def _obs(self):
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        return self.observation_space.sample()


class Ball(gymnasium.Env):
    """A white ball, three pixels wide, on a black field of 12 x 12. Actions push it; success is the right half."""

    observation_space = spaces.Box(0, 255, (12, 12, 3), np.uint8)
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self, channels_first: bool = False):
        self.render_mode, self.place = None, np.zeros(2)
        if channels_first:
            self.observation_space = spaces.Box(0, 255, (3, 12, 12), np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.uniform(1.0, 5.0, 2)
        return self._obs(), {}

    def step(self, action):
        self.place = np.clip(self.place + action, 1.0, 10.0)
        success = bool(self.place[1] > 6.0)
        return self._obs(), float(success), False, False, {"is_success": success}

    def _obs(self):
        picture = np.zeros(self.observation_space.shape, np.uint8)
        row, column = self.place.round().astype(int)
        picture[row - 1 : row + 2, column - 1 : column + 2] = 255
        return picture


class HiddenState(InvertedPendulumEnv):
    """A MuJoCo environment that also depends on something outside of MuJoCo's state."""

    def reset_model(self):
        self.wind = self.np_random.normal()
        return super().reset_model()

    def step(self, action):
        return super().step(np.clip(action + self.wind, -3.0, 3.0))


DICT = spaces.Dict({"a": PICTURE})
PAIR = spaces.MultiDiscrete([2, 2])
OPEN = spaces.Box(-np.inf, np.array([np.inf, 2.0]), (2,), np.float64)

gymnasium.register("OwnPictures-v0", Own, max_episode_steps=5)
gymnasium.register("OwnBall-v0", Ball, max_episode_steps=20)
gymnasium.register("OwnChannels-v0", Ball, max_episode_steps=20, kwargs={"channels_first": True})
gymnasium.register("OwnLimit-v0", Own, max_episode_steps=50)
gymnasium.register("OwnEndless-v0", Own)
gymnasium.register("OwnDict-v0", Own, max_episode_steps=5, kwargs={"obs": DICT})
gymnasium.register("OwnPair-v0", Own, max_episode_steps=5, kwargs={"action": PAIR})
gymnasium.register("OwnOpen-v0", Own, max_episode_steps=5, kwargs={"obs": OPEN, "action": OPEN})
gymnasium.register("OwnHidden-v0", HiddenState, max_episode_steps=50)
