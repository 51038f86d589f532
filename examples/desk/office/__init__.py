"""The office of the desk: its documents and their history, its operational log, its alerts, its schedule and its records.

What people would write, read and keep around a trading desk lies here as files that a checklist can look at. What can be
done by the desk itself, it does: a record is written by whoever did the work, when it was done.
"""
