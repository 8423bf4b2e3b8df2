"""Training: compiled epochs, the populations that run them, where they run, and what a run leaves behind."""
