"""The front door in a shell: one function per verb, heavy imports inside them, so that help comes at once."""

from trivium.cli import catalogs, diagnosis, models, training  # noqa: F401  # each adds its verbs
from trivium.cli.root import app

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line."""
    app()
