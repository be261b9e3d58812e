"""The base of labelers whose queries and answers go through a label store.

The store decides once which answers a round receives, so that a run that was killed receives the same ones again.
"""

from collections.abc import Callable

import jax
import numpy as np

from rl_rewards.core.errors import CannotDraw, ConfigError
from rl_rewards.core.queries import Labels, Query
from rl_rewards.core.types import EnvSpec
from rl_rewards.labelers.base import Assignment, Labeler
from rl_rewards.labelers.records import as_queries, label_arrays
from rl_rewards.labelers.run_store import RunStore
from rl_rewards.labelers.store import STORE_NAME, LabelStore

WHAT_PEOPLE_SEE = ("obs", "action", "info.scene")
"""The parts of a transition that a labeler needs to show clips or texts to people."""
RUN = "run"
"""The name of a run in a store that no other run shares."""
FRAMES_PER_SECOND = 20.0
"""The highest frame rate. Clips play in real time, but not at fewer than SLOWEST frames per second."""
SLOWEST = 10.0
WIDEST = 320
"""The longer side of a frame, in pixels, as the page shows it. 900 pairs of full MuJoCo frames take gigabytes."""


class StoredLabeler(Labeler):
    """Submits queries to a label store and collects its answers; it has no other state to save.

    Args:
        shows: true if people must see the segments, or read them if they are texts.
        store: of this labeler alone or of several runs; None opens a store in the run folder.
        run: the name of the run in this store.
    """

    def __init__(
        self, assignment: Assignment, shows: bool = False, store: RunStore | None = None, run: str = RUN
    ) -> None:
        self.assignment, self._shows, self.run = assignment, shows, run
        self.store: RunStore = store or LabelStore(assignment.folder / STORE_NAME)
        self.store.set_budget(self.run, assignment.seed, assignment.budget)

    def submit(self, query: Query, round: int) -> None:
        asked, segments = self.assignment, query.segments
        if not np.any(query.id >= 0):
            return
        draws = self._shows and asked.passage is None
        draw, frames_per_second = drawer(query, asked.spec, asked.draw) if draws else (None, 1.0)
        queries, clips = as_queries(
            np.asarray(query.id),
            np.asarray(segments.obs),
            np.asarray(segments.action),
            run=self.run,
            seed=asked.seed,
            round=round,
            env=asked.spec.name,
            acquisition=asked.acquisition,
            draw=draw,
            frames_per_second=frames_per_second,
            details={
                "next_obs": np.asarray(segments.next_obs)[:, :, -1],  # the others equal the obs of the next step
                "env_reward": np.asarray(segments.env_reward),
                **{f"info.{key}": np.asarray(value) for key, value in segments.info.items()},
            },
            question=asked.question,
            read=self._reader(query) if self._shows else None,
        )
        self.store.submit(queries, clips)

    def _reader(self, query: Query) -> Callable[[int, int], tuple[str, str]] | None:
        """Return a function (row, k) -> prompt and response of a segment; None if segments are not texts."""
        passage = self.assignment.passage
        if passage is None:
            return None
        return lambda row, k: passage(jax.tree.map(lambda x: np.asarray(x)[row, k], query.segments))

    def open(self, round: int) -> int:
        return self.store.open(self.run, self.assignment.seed, round)

    def collect(self, round: int) -> Labels:
        asked = self.assignment
        absorbed = self.store.absorb(self.run, asked.seed, round, asked.answers)
        return Labels(**label_arrays(absorbed, asked.answers, asked.clips))

    def close(self) -> None:
        self.store.close()


def drawer(
    query: Query, spec: EnvSpec, draw: Callable[[np.ndarray], np.ndarray]
) -> tuple[Callable[[int, int], np.ndarray], float]:
    """Return a function (row, k) -> frames uint8 [F, H, W, 3] of a segment of ``query``, and the frames per second.

    Raises:
        ConfigError: by that function, when the environment cannot be drawn.
    """
    every = max(1, round(1.0 / (FRAMES_PER_SECOND * spec.step_seconds)))  # steps per frame
    scenes = np.asarray(query.segments.info["scene"])

    def frames(row: int, k: int) -> np.ndarray:
        try:
            return np.stack([_shrunk(draw(scene)) for scene in scenes[row, k, ::every]])
        except CannotDraw as error:
            raise ConfigError(f"People must see the segments that they judge, but {error}.") from error

    return frames, float(np.clip(1.0 / (every * spec.step_seconds), SLOWEST, FRAMES_PER_SECOND))


def _shrunk(frame: np.ndarray) -> np.ndarray:
    """Return the frame [H, W, 3], scaled down so that no side is longer than WIDEST."""
    from PIL import Image

    height, width, _ = frame.shape
    scale = WIDEST / max(height, width)
    if scale >= 1.0:
        return frame
    size = (round(width * scale), round(height * scale))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))
