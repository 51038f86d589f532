"""The desk drill: a real fault for every automated item, switched on, seen red, switched off, seen green.

`breaks` are the ways to break something, `table` says which fault belongs to which item, `bench` is the desk on which it is
done, and `drill` does it. `python -m examples.desk.drill` prints the table of what was seen.
"""
