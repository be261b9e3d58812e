"""Ranking by comparisons: merge sorts that ask one question at a time, many of them side by side."""

import math
from collections.abc import Callable, Generator, Sequence

import numpy as np
from jaxtyping import Bool, Int

Sorting = Generator[tuple[int, int], bool, list[int]]
"""Yields a pair, is sent True if its first is better, and returns all items from worst to best."""


def merge_sort(items: Sequence[int]) -> Sorting:
    """Sort ``items`` by answers; no two of them are compared twice."""
    if len(items) < 2:
        return list(items)
    middle = len(items) // 2
    left = yield from merge_sort(items[:middle])
    right = yield from merge_sort(items[middle:])
    merged = []
    while left and right:
        first_is_better = yield left[0], right[0]
        merged.append(right.pop(0) if first_is_better else left.pop(0))
    return merged + left + right


def sort_all(
    items: Int[np.ndarray, "R K"], better: Callable[[Int[np.ndarray, "Q 2"]], Bool[np.ndarray, " Q"]]
) -> tuple[Int[np.ndarray, "R K"], Int[np.ndarray, " R"]]:
    """Sort every row; return the rank of each item, 0 for the worst, and each row's number of comparisons.

    Args:
        better: tells of each of Q pairs of items if the first is better; called with a pair of every unfinished row.
    """
    sorts = [merge_sort(row.tolist()) for row in items]
    compared = np.zeros(len(items), int)
    orders: dict[int, list[int]] = {}
    answers: dict[int, bool | None] = dict.fromkeys(range(len(sorts)))
    while len(orders) < len(sorts):
        questions = {}
        for row, answer in answers.items():
            try:
                questions[row] = sorts[row].send(answer)
            except StopIteration as done:
                orders[row] = done.value
        for row in questions:
            compared[row] += 1
        told = better(np.array(list(questions.values()))) if questions else np.zeros(0, bool)
        answers = dict(zip(questions, told.tolist(), strict=True))
    ranks = np.array([[orders[row].index(item) for item in of] for row, of in enumerate(items.tolist())])
    return ranks, compared


def least_comparisons(k: int) -> int:
    """Return ceil(log2 k!), which no sort can always stay below: an answer halves the possible orders at best."""
    return math.ceil(math.log2(math.factorial(k)))
