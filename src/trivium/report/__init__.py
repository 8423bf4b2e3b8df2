"""Reports: one record of a run, and its views in the terminal and as a page."""
