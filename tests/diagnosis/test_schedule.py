"""Looking costs a bounded share of the work, and is dense at the start."""

import pytest

from trivium.diagnosis.schedule import Budget


def spent(parameters: int, arrays: int, rows: int, steps: int) -> tuple[float, int]:
    """(work of looks and scores / work of training, looks) of a run with ten scores in a hundred steps."""
    budget, looks, work = Budget(parameters, arrays, 0.03), 0, 0.0
    step_work = 1e7 + 8e6 * arrays + 6 * parameters * rows
    for step in range(steps):
        due = budget.due(step)
        budget.trained(rows)
        if due:
            looks += 1
            work += 5e6 + 1.2e7 * arrays + 4 * parameters * 256
            budget.looked(step + 1, 256)
        if step % 10 == 9 and budget.affords(1000):
            work += 4e6 + 2e6 * arrays + 2 * parameters * 1000
    return work / (steps * step_work), looks


@pytest.mark.parametrize(("parameters", "arrays", "rows"), [(565_000, 8, 256), (5_000, 4, 32), (20_000_000, 60, 64)])
def test_the_share_is_kept_in_a_long_run(parameters, arrays, rows):
    share, looks = spent(parameters, arrays, rows, 3000)
    assert share < 0.05
    assert looks >= 12


def test_the_first_steps_are_all_looked_at():
    budget = Budget(1000, 4, 0.03)
    assert all(budget.due(step) for step in range(5))
    assert spent(1000, 4, 32, 30)[1] >= 10
