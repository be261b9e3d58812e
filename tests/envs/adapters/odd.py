"""Environments that misbehave as users' environments do in public bug reports.

Each is given as ``env.id=tests.envs.adapters.odd:NAME``, without registration.
"""

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import PendulumEnv

REAL = spaces.Box(-10.0, 10.0, (3,), np.float32)
BYTES = spaces.Box(0, 255, (3,), np.uint8)


class Plain(gymnasium.Env):
    """A correct environment: two actions push three numbers."""

    observation_space: spaces.Space = REAL
    action_space: spaces.Space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self) -> None:
        self.elapsed, self.place = 0, np.zeros(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.elapsed, self.place = 0, self.np_random.uniform(-1.0, 1.0, 3)
        return self.observation(), self.told()

    def step(self, action):
        self.elapsed += 1
        self.place = np.clip(self.place + 0.1 * np.resize(np.asarray(action, float), 3), -10.0, 10.0)
        return self.observation(), self.reward(), self.terminated(), False, self.told()

    def observation(self):
        return self.place.astype(np.float32)

    def reward(self):
        return -float(np.abs(self.place).sum())

    def terminated(self):
        return False

    def told(self):
        return {}


class Returns(Plain):
    """Returns given values: each of observation, reward, terminated and told may be a value or a function of time.

    Before the step ``since`` it returns what it declares.
    """

    def __init__(self, space=REAL, since: int = 3, action=Plain.action_space, **odd):
        super().__init__()
        self.observation_space, self.action_space, self.since, self.odd = space, action, since, odd

    def _now(self, name, usual):
        if name not in self.odd or self.elapsed < self.since:
            return usual
        value = self.odd[name]
        return value(self.elapsed) if callable(value) else value

    def observation(self):
        space = self.observation_space
        space.seed(self.elapsed)
        return self._now("observation", super().observation() if space is REAL else space.sample())

    def reward(self):
        return self._now("reward", super().reward())

    def terminated(self):
        return self._now("terminated", False)

    def told(self):
        return self._now("told", {"is_success": False})


class Raises(Plain):
    """An environment whose simulator fails in the fourth step of an episode."""

    def step(self, action):
        if self.elapsed == 3:
            self._simulate()
        return super().step(action)

    def _simulate(self):
        raise RuntimeError("simulator diverged\nsecond line")


class RaisesAtReset(Plain):
    def reset(self, *, seed=None, options=None):
        if self.elapsed:
            raise ConnectionError("robot gone")
        return super().reset(seed=seed)


class OldReset(Plain):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class OldStep(Plain):
    def step(self, action):
        obs, reward, terminated, _, info = super().step(action)
        return obs, reward, terminated, info


class EndsEarly(Plain):
    """Ends every episode in its fifth step, by a termination or by its own truncation."""

    def __init__(self, cuts: bool = False):
        super().__init__()
        self.cuts = cuts

    def step(self, action):
        obs, reward, _, _, info = super().step(action)
        ends = self.elapsed >= 5
        return obs, reward, ends and not self.cuts, ends and self.cuts, info


class OtherGenerator(Plain):
    """Draws from a generator over the bit generator ``kind``, or a RandomState."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind, self.generator = kind, None

    def reset(self, *, seed=None, options=None):
        if seed is not None or self.generator is None:
            if self.kind == "RandomState":
                self.generator = np.random.RandomState(seed)
            else:
                self.generator = np.random.Generator(getattr(np.random, self.kind)(seed))
        self._np_random = self.generator
        self.elapsed, self.place = 0, self.generator.uniform(-1.0, 1.0, 3)
        return self.observation(), {}


class NoGenerator(Plain):
    """Keeps its random generator where the adapter cannot find it."""

    np_random = None

    def reset(self, *, seed=None, options=None):
        self.elapsed, self.place = 0, np.random.default_rng(seed).uniform(-1.0, 1.0, 3)
        return self.observation(), {}


class StartsAtOne(Plain):
    """Has three actions, 1 to 3, and remembers the last one."""

    action_space = spaces.Discrete(3, start=1)

    def step(self, action):
        assert self.action_space.contains(action), action
        self.last = action
        return super().step(0)


class Nested(Plain):
    """Observes a dict of all kinds of spaces that can be flattened."""

    observation_space = spaces.Dict(
        {
            "arm": REAL,
            "button": spaces.Discrete(3, start=1),
            "lamps": spaces.MultiBinary(2),
            "pair": spaces.Tuple((spaces.Box(0, 9, (1,), np.int64), spaces.MultiDiscrete([2, 2]))),
        }
    )

    def __init__(self, **odd):
        super().__init__()
        self.odd = odd

    def observation(self):
        usual = {
            "arm": super().observation(),
            "button": np.int64(2),
            "lamps": np.array([0, 1], np.int8),
            "pair": (np.array([7]), np.array([1, 0])),
        }
        return usual | self.odd if self.elapsed >= 3 else usual


class Twisted(PendulumEnv):
    """A Pendulum that draws from another bit generator."""

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self._np_random = np.random.Generator(np.random.MT19937(seed))
        return super().reset(options=options)


class Entropic(PendulumEnv):
    """A Pendulum whose starts are drawn from the operating system's randomness."""

    def reset(self, *, seed=None, options=None):
        self._np_random = np.random.default_rng()
        return super().reset(options=options)


class FailsLate(Plain):
    """Fails in the 500th step, counted over all copies together."""

    steps = 0

    def step(self, action):
        FailsLate.steps += 1
        if FailsLate.steps == 500:
            raise RuntimeError("diverged")
        return super().step(action)
