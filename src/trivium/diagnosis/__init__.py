"""The diagnosis of a run: what was measured, what is wrong, why, and what to change.

record -> signals -> rules -> findings, ranked. Rules see arrays and JSON only, so any framework can fill a record.
"""
