"""The status page: how the release stands, for people in front of a browser and for programs, and one button that stops it.

It shows what documents 000 (lines 104 to 125) and 001 (lines 522 to 533) ask of a panel. What is dear to read is read beside the
requests, so that a page never waits for a file, and everything that is shown passes the redactor once more.
Nothing can be changed through it but one thing: real trading can be stopped.
"""

from __future__ import annotations

from pytest_golive.serving.halting import TOKEN, Halt
from pytest_golive.serving.observer import Observer
from pytest_golive.serving.routes import Routes
from pytest_golive.serving.server import Server

__all__ = ["TOKEN", "Halt", "Observer", "Routes", "Server"]
