"""Python checks of the lists: each looks at a target and returns the facts that it observed; the expectation in the list decides.

They run in a process of their own, speak to the target as any client would, and never import it.
"""
