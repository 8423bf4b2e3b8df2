"""What the examples share: a table in the terminal and a picture on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

PICTURES = Path(__file__).parent / "pictures"


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Rows under their heads; numbers with four digits."""
    table = Table()
    for name in head:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
    console = Console(width=118)
    console.print(title, style="italic", highlight=False)
    console.print(table)


def save_picture(figure: plt.Figure, name: str) -> Path:
    """Save a figure under its name and say where it went."""
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
    print(f"Picture: {path}")
    return path
