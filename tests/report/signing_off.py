"""Approvals of pages, signed by people that these tests invent."""

from __future__ import annotations

import json
from typing import Any

from pytest_golive import canonical, report
from pytest_golive.signing import dsse
from pytest_golive.signing.keys import Signer

PEOPLE = {"ada": "Ada Lovelace", "bob": "Bob Risk", "cleo": "Cleo Ops"}


def approval(page: bytes, person: str = "ada", role: str = "qa", **changes: Any) -> dict[str, Any]:
    """The statement by which a person approves a page; `changes` replace members of its predicate."""
    payload = dsse.strict_base64(json.loads(report.extract(page).envelope)["payload"])
    golive = json.loads(payload)["predicate"]["golive"]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "evidence", "digest": {"sha256": canonical.sha256(payload)}},
            {"name": "presentation", "digest": {"sha256": report.presentation(page)}},
        ],
        "predicateType": "urn:pytest-golive:approval:v0.1",
        "predicate": {
            "schema": 1,
            "environment": golive["target"]["environment"],
            "run": golive["run"]["id"],
            "word": golive["decision"]["word"],
            "person": person,
            "name": PEOPLE.get(person, person),
            "role": role,
            "meaning": "I approve this release.",
            "comment": "",
            "signed_at": "2026-11-21T11:00:00+00:00",
            "expires": "2026-11-21T22:00:05+00:00",
            **changes,
        },
    }


def signed(statement: dict[str, Any], signer: Signer) -> str:
    """The line of an approval."""
    return dsse.sign(canonical.dumps(statement), signer)
