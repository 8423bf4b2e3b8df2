"""When to look at a run: often at first, then as often as a share of its work pays for. Counted, not timed, so that the
same run gives the same record."""

STEP, SCORE, LOOK = (1e7, 8e6), (4e6, 2e6), (5e6, 1.2e7)
"""What a framework's own handling costs, in additions and multiplications' worth: once, and per array of parameters."""

FREE_LOOKS, FREE_SCORES = (25, 3e9), (35, 4e9)
"""Looks, and scores, worth this many training steps are free, up to so much work: a short run has to be seen too.

Where a single step is heavy, two of them are free.
"""


class Budget:
    """Spends a share of the training's work on looking: two parts in five on looks, three on scores.

    parameters, arrays  of the network
    share               of the work
    """

    def __init__(self, parameters: int, arrays: int, share: float) -> None:
        self._parameters, self._arrays, self._share = max(parameters, 1), max(arrays, 2), share
        self._looks = self._scores = 0.0  # what is left of each
        self._begun = False
        self._next = 0

    def trained(self, rows: int) -> None:
        """One more step on a batch of so many rows."""
        cost = self._handling(STEP) + 6 * self._parameters * rows
        first = self._share > 0 and not self._begun
        self._looks += 0.4 * self._share * cost + first * _free(FREE_LOOKS, cost)
        self._scores += 0.6 * self._share * cost + first * _free(FREE_SCORES, cost)
        self._begun = True

    def due(self, step: int) -> bool:
        """Whether the step is one to measure: the first five, then ever further apart."""
        return step < 5 or step >= self._next

    def looked(self, step: int, rows: int) -> None:
        """Pay for a look after `step` updates, and say when the next one is."""
        self._looks -= self._handling(LOOK) + 4 * self._parameters * rows
        gap = max(1, round(0.2 * step)) if self._looks > 0 else max(8, step)
        self._next = step + gap

    def affords(self, rows: int) -> bool:
        """Whether scores on so many rows are paid for; they then are."""
        cost = self._handling(SCORE) + 2 * self._parameters * rows
        if cost > self._scores:
            return False
        self._scores -= cost
        return True

    def _handling(self, cost: tuple[float, float]) -> float:
        return cost[0] + cost[1] * self._arrays


def _free(allowance: tuple[int, float], step: float) -> float:
    steps, work = allowance
    return min(steps * step, max(work, 2 * step))
