"""Model files: the record of a fitted estimator, and the file that holds it."""
