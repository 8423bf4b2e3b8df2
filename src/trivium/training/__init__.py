"""Training: the compiled epochs, their loop and what a run leaves behind."""
