"""The way back, step by step: a plan that is data, a walk that the journal remembers, and the table of all ways back.

`plan` reads what is to be done, `story` knows from the journal how far it came, `walk` does one step after the other. Nothing
here asks a person or prints: whoever walks hands in how to ask and how to tell, a watch that acts alone as well as a command
line.
"""
