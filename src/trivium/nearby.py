"""What rows nearby add to the average of networks, where the rows of a table recur or nearly do.

A network that stops early smooths over single rows. Where a row has close kin among those of the fit, what the networks
lack there is likely lacking here too: it is averaged by nearness, and added. Whether that helps is decided on rows that
the networks have not seen, so that most tables have none of it.
Source: Nadaraya 1964, "On estimating regression", on averages by nearness; Gorishniy et al. 2024, "TabR: Tabular deep
learning meets nearest neighbors", on what they are worth beside a network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.training import devices
from trivium.training.loop import evaluate

FEWEST, MOST, MOST_NUMBERS = 200, 1 << 16, 1 << 24
"""Rows to decide by, rows of a fit, and numbers in these: fewer decide nothing, more take long."""

ASKED = 4096
"""Most rows that decide: half of them choose how, the other half whether."""

WIDTHS = tuple(2 ** (-place / 2) for place in range(12))
"""Of nearness, over the usual distance to the tenth nearest row. Each is the one before over the root of 2, so that a
nearness is the square of the one before: a fifth of the time of an exponential."""

PRIORS, SHARES = (0.03, 0.1, 0.3, 1.0, 3.0), (0.5, 0.75, 1.0)
"""How many rows that lack nothing are counted in, and how much of the average is added."""

SURE = 3.0
"""Standard errors by which it must lower the loss."""

FAR, APART = 5.0, 0.7
"""Scaled numbers are cut at FAR, lest one column decide alone; two levels of a category are APART in two columns."""

MOST_LEVELS = 4096
"""Of all categories that stand as codes."""

ROUNDING = 4e-6
"""Share of two points' sizes below which their distance is none."""

NOWHERE = 1e6
"""Where rows of no weight are put: as far from any other as need be."""

LEAST = 1e-2
"""Share of a probability that stays, whatever is taken off: of what a few rows say, one in so many may be otherwise."""

BLOCK, TILE = 256, 1024
"""Rows whose distances are held at once, and to how many rows of the fit: what fits in a cache of the CPU."""


@dataclass(frozen=True, eq=False)
class Nearby:
    """Rows of the fit with what the networks lacked on them.

    points         (n, n_dimensions) float32, see `placed`
    lacked         (n, n_outputs) float32, the truth less what the networks say, in the units of the predictions
    shares         whether predictions are probabilities
    width          distance at which a row counts 0.61 as much as one at none
    prior, share   see PRIORS
    cardinalities  of the codes at the end of encoded rows
    """

    points: np.ndarray
    lacked: np.ndarray
    shares: bool
    width: float = 1.0
    prior: float = 1.0
    share: float = 1.0
    cardinalities: tuple[int, ...] = ()

    def added(self, said: np.ndarray, rows: Any, encode: Callable[..., np.ndarray] | None = None) -> np.ndarray:
        """Predictions with what rows nearby add; rows and `encode` as `training.loop.evaluate` takes them."""

        def of_part(rows: np.ndarray) -> np.ndarray:
            return self.average(placed(rows, self.cardinalities))

        def of_block(block: np.ndarray) -> Any:
            if len(block) <= BLOCK:
                return of_part(block)
            return np.concatenate(_by_blocks(of_part, block))

        return together(said, evaluate(of_block, rows, encode), shares=self.shares)

    def traced(self, rows: Array) -> Array:
        """What is to be added to predictions, (n, n_inputs) encoded rows -> (n, n_outputs), as JAX can trace it."""
        places = placed(rows, self.cardinalities, jnp)
        near = jnp.exp(squares(places, self.points, jnp) * np.float32(-0.5 / self.width**2))
        return near @ (self.lacked * np.float32(self.share)) / (near.sum(axis=1, keepdims=True) + self.prior)

    def average(self, places: np.ndarray) -> np.ndarray:
        """The same of a few points, in NumPy."""
        ((near, lacked),) = sums(places, self.points, self._counted, self.width)
        return self.share * lacked / (near + np.float32(self.prior))

    def numbers(self) -> dict[str, Any]:
        """All but the arrays, by name."""
        names = ("shares", "width", "prior", "share", "cardinalities")
        return {name: getattr(self, name) for name in names}

    @cached_property
    def _counted(self) -> np.ndarray:
        return np.column_stack([np.ones(len(self.lacked), np.float32), self.lacked])


class Panel(NamedTuple):
    """What networks say of all rows of a fit, some of which they have not seen."""

    said: np.ndarray  # (n,) or (n, n_outputs): probabilities, or numbers
    unseen: np.ndarray  # (n_unseen,) numbers of rows
    among: np.ndarray  # (n,) which rows are asked as neighbours


class Found(NamedTuple):
    """How rows nearby are to be asked, and what each panel says of its unseen rows with what they add."""

    nearby: Nearby
    of_unseen: list[np.ndarray]


def find(
    rows: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    said: np.ndarray,
    panels: Sequence[Panel],
    *,
    classes: int | None,
    cardinalities: Sequence[int] = (),
) -> Found | None:
    """How rows nearby are to be asked; None where that does not surely lower the loss of rows unseen.

    rows     encoded, (n, n_inputs)
    y        (n,) numbers of classes; or numbers (n,) or (n, n_outputs), of which the mean is to be predicted
    said     of all rows, by the networks whose predictions are to be added to
    classes  how many; None for numbers
    Networks lack less of rows that they have seen. A row of a fold is therefore told by its neighbours in the other
    folds what the network of its fold lacks there, as a new row is told what the average of all lacks; residuals out of
    fold would be those of networks that have learned the very row which is asked for.
    """
    n = len(y)
    able = n <= MOST and rows.size <= MOST_NUMBERS and sum(cardinalities) <= MOST_LEVELS
    if not able or not all(np.isfinite(panel.said).all() for panel in panels):
        return None
    truth = y if classes is None or said.ndim == 1 else y[:, None] == np.arange(classes)
    points, shares = placed(rows, cardinalities), classes is not None
    points[weights == 0] = NOWHERE
    counted = [_counted(truth, panel) for panel in panels]
    random = np.random.default_rng(0)
    asked = [random.permutation(panel.unseen[weights[panel.unseen] > 0])[: ASKED // len(panels)] for panel in panels]
    every = np.concatenate(asked)
    usual = _usual_distance(points, every[:BLOCK]) if len(every) >= FEWEST else 0
    if usual == 0:
        return None

    def of_panels(some: Sequence[np.ndarray], width: float, n: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
        return [
            _by_blocks(lambda rows, ours=ours: sums(points[rows], points, ours, width, n, rows), rows)
            for rows, ours in zip(some, counted, strict=True)
        ]

    widths = [usual * width for width in WIDTHS]
    parts = zip(*(block for panel in of_panels(asked, widths[0], len(widths)) for block in panel), strict=True)
    plain = np.concatenate([panel.said[rows] for panel, rows in zip(panels, asked, strict=True)])
    weight = weights[every].astype(np.float64)
    choosing, deciding = slice(0, None, 2), slice(1, None, 2)
    least, best = np.inf, None
    loss_of = _losses(y[every[choosing]], classes)
    for width, part in zip(widths, parts, strict=True):
        near, lacking = (np.concatenate(column) for column in zip(*part, strict=True))
        for prior, share in product(PRIORS, SHARES):
            more = share * lacking[choosing] / (near[choosing] + np.float32(prior))
            after = loss_of(together(plain[choosing], more, shares=shares))
            mean = np.average(after, weights=weight[choosing])
            if mean < least:
                least, best = mean, (width, prior, share, near[deciding], lacking[deciding])
    if best is None:
        return None
    width, prior, share, near, lacking = best
    loss_of = _losses(y[every[deciding]], classes)
    after = loss_of(together(plain[deciding], share * lacking / (near + np.float32(prior)), shares=shares))
    if not _surely_positive((loss_of(plain[deciding]) - after) * weight[deciding]):
        return None
    of_unseen = []
    for panel, blocks in zip(panels, of_panels([panel.unseen for panel in panels], width, 1), strict=True):
        near, lacking = (np.concatenate(column) for column in zip(*(block[0] for block in blocks), strict=True))
        more = share * lacking / (near + np.float32(prior))
        of_unseen.append(together(panel.said[panel.unseen], more, shares=shares))
    lacked = (truth - said).reshape(n, -1).astype(np.float32)
    return Found(Nearby(points, lacked, shares, width, prior, share, tuple(cardinalities)), of_unseen)


def seconds(n: int) -> float:
    """About how long it takes to find what n rows of a fit tell, and to add it to them, on one core."""
    return n * (2 * min(n, ASKED) + n) * 4e-9


def sums(
    places: np.ndarray,
    points: np.ndarray,
    counted: np.ndarray,
    width: float,
    n_widths: int = 1,
    own: np.ndarray | None = None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each width how much the points count, (n, 1), and the sum of what was lacking at them, (n, n_outputs).

    counted          (n_points, 1 + n_outputs): whether a point counts, and what was lacking there
    width, n_widths  the first width, and of how many, each the one before over the root of 2
    own              numbers of the places among the points, which do not count themselves
    """
    found = np.zeros((n_widths, len(places), counted.shape[1]), np.float32)
    factor = np.float32(-0.5 / width**2)
    near = np.empty((len(places), TILE), np.float32)
    for first in range(0, len(points), TILE):
        here, of_points = points[first : first + TILE], counted[first : first + TILE]
        apart = squares(places, here)
        if own is not None:
            inside = np.flatnonzero((own >= first) & (own < first + len(here)))
            apart[inside, own[inside] - first] = np.inf
        weight = np.multiply(apart, factor, out=near[:, : len(here)])
        np.exp(weight, out=weight)
        for place, total in enumerate(found):
            if place:
                np.square(weight, out=weight)
            total += weight @ of_points
    return [(total[:, :1], total[:, 1:]) for total in found]


def _counted(truth: np.ndarray, panel: Panel) -> np.ndarray:
    lacked = (truth - panel.said).reshape(len(truth), -1)
    return (np.column_stack([np.ones(len(truth)), lacked]) * panel.among[:, None]).astype(np.float32)


def _by_blocks(function: Callable[[np.ndarray], Any], rows: np.ndarray) -> list[Any]:
    """A function of blocks of the rows, or of their numbers, side by side."""
    blocks = np.split(rows, range(BLOCK, len(rows), BLOCK))
    with devices.unthreaded(), devices.threads(devices.cores()) as pool:
        return list(pool.map(function, blocks))


def placed(rows: Any, cardinalities: Sequence[int], xp: Any = np) -> Any:
    """Encoded rows as points whose distances tell how much they differ, (n, n_dimensions) float32.

    cardinalities  of the codes that stand last; 0 of one that is told by a number already
    """
    numbers = rows.shape[1] - len(cardinalities)
    parts = [xp.clip(rows[:, :numbers], -FAR, FAR)]
    for place, cardinality in enumerate(cardinalities, start=numbers):
        if not cardinality:
            continue
        levels = np.arange(cardinality, dtype=np.float32)
        parts.append(xp.where(xp.round(rows[:, place : place + 1]) == levels[None], np.float32(APART), np.float32(0)))
    return xp.concatenate(parts, axis=1).astype(np.float32)


def squares(some: Any, others: Any, xp: Any = np) -> Any:
    """Squared distances, (n_some, n_others); 0 where the rounding of float32 leaves no more to tell."""
    sizes, of_others = ((points * points).sum(axis=1) * np.float32(1 - ROUNDING) for points in (some, others))
    one, of_one = xp.ones_like(sizes)[:, None], xp.ones_like(of_others)[:, None]
    wide = xp.concatenate([some * np.float32(-2), sizes[:, None], one], axis=1)  # so that a product is all
    return xp.maximum(wide @ xp.concatenate([others, of_one, of_others[:, None]], axis=1).T, np.float32(0))


def together(said: Any, more: Any, *, shares: bool, xp: Any = np) -> Any:
    """Predictions with what is added to them; probabilities stay above 0 and add up to 1."""
    whole = said + more.reshape(said.shape)
    if not shares:
        return whole
    whole = xp.maximum(whole, LEAST * said)
    if said.ndim == 1:
        return xp.minimum(whole, 1 - LEAST * (1 - said))
    return whole / whole.sum(axis=1, keepdims=True)


def _usual_distance(points: np.ndarray, some: np.ndarray) -> float:
    """The median distance of some points to the tenth nearest other; where that is the point again, to another one.

    0 where there are fewer than ten others.
    """
    apart = squares(points[some], points)
    usual = np.median(np.partition(apart, 10, axis=1)[:, 10])  # the nearest is the point itself
    if usual == 0:
        usual = np.median(np.partition(np.where(apart > 0, apart, np.inf), 9, axis=1)[:, 9])
    return float(np.sqrt(usual)) if np.isfinite(usual) else 0.0


def _losses(y: np.ndarray, classes: int | None) -> Callable[[np.ndarray], np.ndarray]:
    """(n,) log-losses, or squared distances over the spread of each number."""
    if classes is None:
        spread = np.maximum(y.var(axis=0), 1e-300)
        return lambda said: ((said - y) ** 2 / spread).reshape(len(y), -1).mean(axis=1)

    def log_losses(said: np.ndarray) -> np.ndarray:
        right = np.where(y == 1, said, 1 - said) if said.ndim == 1 else said[np.arange(len(y)), y]
        return -np.log(np.maximum(right, 1e-7))

    return log_losses


def _surely_positive(gains: np.ndarray) -> bool:
    """Whether their mean is above 0 by more than chance would have it."""
    return bool(gains.mean() > SURE * gains.std() / np.sqrt(len(gains)))
