"""The peer of self-play inside jit: the same rooms and the same rules of the game, one step at a time in plain Python.

Both players move at random, and nobody learns: what an environment loop costs before there is a network. Observations
are NumPy arrays, as a policy would want them.
"""

import random

import numpy as np

from scripts.benchmarks.worker import serve

SIZE, HORIZON, ALICE_MOVES = 8, 80, 40
MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))
USE, STOP = 4, 5
STEPS = 20_000
"""Of one piece of work."""


class Room:
    """``env=key_door`` for one walker."""

    def __init__(self, chance: random.Random) -> None:
        wall = chance.randrange(1, SIZE - 1)
        left, right = range(wall), range(wall + 1, SIZE)
        near, far = (left, right) if chance.random() < 0.5 else (right, left)
        places = [(x, y) for x in near for y in range(SIZE)]
        self.key, self.walker = chance.sample(places, 2)
        self.door = (wall, chance.randrange(SIZE))
        self.goal = (chance.choice(far), chance.randrange(SIZE))
        self.has_key = self.door_open = False

    def save(self) -> tuple:
        return self.walker, self.has_key, self.door_open

    def restore(self, saved: tuple) -> None:
        self.walker, self.has_key, self.door_open = saved

    def step(self, action: int) -> None:
        x, y = self.walker
        if action == USE:
            if not self.has_key and self.walker == self.key:
                self.has_key = True
            elif self.has_key and abs(x - self.door[0]) + abs(y - self.door[1]) == 1:
                self.door_open = not self.door_open
            return
        dx, dy = MOVES[action]
        aim = (min(max(x + dx, 0), SIZE - 1), min(max(y + dy, 0), SIZE - 1))
        if aim[0] != self.door[0] or (aim == self.door and self.door_open):
            self.walker = aim

    def observe(self) -> np.ndarray:
        """x and y of walker, key (until it is picked up), door and goal, one-hot; has_key, door_open."""
        seen = np.zeros(8 * SIZE + 2, np.float32)
        for i, (x, y) in enumerate((self.walker, self.key, self.door, self.goal)):
            if i != 1 or not self.has_key:
                seen[2 * i * SIZE + x] = seen[(2 * i + 1) * SIZE + y] = 1.0
        seen[-2:] = self.has_key, self.door_open
        return seen


def play(room: Room, chance: random.Random) -> tuple[int, list[np.ndarray]]:
    """One game; its steps, and what the players saw."""
    start, began = room.save(), room.observe()
    seen, t_alice, steps = [], 0, 0
    while t_alice < ALICE_MOVES:
        seen.append(np.concatenate([room.observe(), began, (1.0, 0.0)]))
        steps += 1
        action = chance.randrange(6)
        if action == STOP:
            break
        room.step(action)
        t_alice += 1
    goal, shown, t_bob = room.save(), room.observe(), 0
    room.restore(start)
    while room.save() != goal and t_alice + t_bob < HORIZON:
        seen.append(np.concatenate([room.observe(), shown, (0.0, 0.0)]))
        room.step(chance.randrange(5))
        t_bob += 1
        steps += 1
    return steps, seen


def main() -> None:
    chance = random.Random(0)

    def piece() -> int:
        steps = 0
        while steps < STEPS:
            steps += play(Room(chance), chance)[0]
        return steps

    serve(piece)


if __name__ == "__main__":
    main()
