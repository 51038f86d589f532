"""The forge: what the server of the source repository tells about its branches, in the form of GitHub's REST API.

Source: GitHub REST API, "Get branch protection". It tells what the remote repository really enforces by its settings and its
update hook, and only to those who have the token.
"""

from __future__ import annotations

import configparser
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from examples.desk.routing.repository import PROJECT, REMOTE
from examples.desk.settings import FORGE_TOKEN, Settings
from examples.desk.web import Answer, Refused, Request, Routes, answer


def routes(settings: Settings) -> Routes:
    """The addresses under /forge."""

    def protection(request: Request, owner: str, name: str, branch: str) -> Answer:
        _admit(settings.environ.get(FORGE_TOKEN, ""), request)
        if f"{owner}/{name}" != PROJECT:
            raise Refused(404, "Not Found")
        found = _enforced(settings.home.path / REMOTE, branch)
        if found is None:
            raise Refused(404, "Branch not protected")
        return answer(found)

    return (("GET", "/forge/repos/{owner}/{name}/branches/{branch}/protection", protection),)


def _admit(token: str, request: Request) -> None:
    sent = request.headers.get("authorization", "")
    if not token or not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
        raise Refused(401, "Requires authentication")


def _enforced(remote: Path, branch: str) -> dict[str, Any] | None:
    """What git would do at a push to this branch; None if nothing stands in the way of anything."""
    hook = remote / "hooks" / "update"
    config = remote / "config"
    if not config.is_file():
        raise Refused(404, "Not Found")
    names, reviews, denies = _config(config)
    works = hook.is_file() and os.access(hook, os.X_OK) and "helios.protected" in hook.read_text(encoding="utf-8")
    if branch not in names or not works:
        return None
    return {
        "required_pull_request_reviews": {"required_approving_review_count": reviews},
        "allow_force_pushes": {"enabled": False},
        "allow_deletions": {"enabled": not denies},
        "enforce_admins": {"enabled": True},
    }


def _config(path: Path) -> tuple[Sequence[str], int, bool]:
    """Protected branches, reviews that are required, and whether deletions are denied, as git's settings have them."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read_string("\n".join(line.strip() for line in path.read_text(encoding="utf-8").splitlines()))
    names = [parser.get("helios", "protected", fallback="")]
    reviews = parser.get("helios", "reviews", fallback="0")
    return names, int(reviews) if reviews.isdecimal() else 0, parser.get("receive", "denydeletes", fallback="") == "true"
