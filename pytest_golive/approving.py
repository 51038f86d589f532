"""Approving a page: what a person is shown, the approval that is signed, and the one file that it is put into.

What is shown comes from the signed payload and never from the page. The finished page is read again by the code that verifies,
under a lock and before it takes the place of the old one, so that a failure of any kind leaves the file as it was.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from pytest_golive import approval, report
from pytest_golive.approval import Policy, Rejected, Report, Standing
from pytest_golive.errors import ApprovalRejected, GoliveError, Misuse, ReportRejected
from pytest_golive.events import APPROVED
from pytest_golive.journal import Journal
from pytest_golive.report.signoff import unapprovable
from pytest_golive.report.verify import VerifiedReport
from pytest_golive.signing import dsse
from pytest_golive.signing.approval import AHEAD, MAX_COMMENT, MEANINGS, Approval, build, claimed
from pytest_golive.signing.keys import PublicKey, Signer

PATIENCE = 10.0
"""Seconds to wait for somebody else who writes into the same folder at this moment."""

_AGAIN = "run pytest --golive again and approve its page"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A page that verified in every byte: what was signed, the report in it, and how it stands."""

    verified: VerifiedReport
    envelope: str
    report: Report
    standing: Standing

    @property
    def golive(self) -> dict[str, Any]:
        """The go-live part of the signed statement."""
        part: dict[str, Any] = self.verified.payload["predicate"]["golive"]
        return part


def open_page(page: bytes, keys: Sequence[PublicKey], policy: Policy, now: datetime) -> Opened:
    """The page, if one of `keys` signed its evidence and every byte is what that renders to; ReportRejected otherwise."""
    verified = report.verify(page, keys)
    told = approval.report_of(
        verified.payload,
        evidence=verified.payload_sha256,
        presentation=verified.presentation_sha256,
        signers=verified.keyids,
    )
    standing = approval.stand(told, verified.approvals, policy, now)
    return Opened(verified=verified, envelope=report.extract(page).envelope, report=told, standing=standing)


def draft(
    opened: Opened,
    *,
    policy: Policy,
    signer: Signer,
    role: str,
    comment: str,
    valid_for: timedelta | None,
    now: datetime,
) -> Approval:
    """What this signer would sign about the report as it is now; a GoliveError with what to do if nobody or not they can."""
    golive, roster = opened.golive, policy.roster
    if opened.report.environment != policy.environment or policy.trouble or roster is None:
        raise Misuse(
            opened.standing.trouble or "there is no roster here", hint=opened.standing.hint or "write one (golive roster)"
        )
    if why := unapprovable(golive):
        raise ReportRejected(why, hint="mend what its page names, and run pytest --golive again")
    _refuse_untimely(golive["decision"], now)
    held = roster.holder(signer.public)
    if held is None:
        raise ApprovalRejected(
            f"your key {signer.fingerprint} is not on the roster",
            hint="name another key with --key, or let somebody add yours to the roster",
        )
    person, key = held
    if not key.valid_at(now):
        raise ApprovalRejected(
            f"your key {signer.fingerprint} does not count: {key.standing(now)}",
            hint="name another key of yours with --key, or let somebody put it right on the roster",
        )
    if role not in person.roles:
        raise ApprovalRejected(f"{person.id} does not hold the role {role!r}", hint=f"you hold: {', '.join(person.roles)}")
    quorum = policy.quorum
    if quorum is not None and not quorum.operator_counts and approval.is_operator(person, opened.report):
        raise ApprovalRejected(
            f"{person.id} ran this gate, and the operator of the run does not count", hint="let somebody else approve it"
        )
    if len(comment) > MAX_COMMENT or "\x00" in comment:
        raise Misuse(f"a comment has at most {MAX_COMMENT} characters", hint="say it shorter")
    life = policy.at_most if valid_for is None else valid_for
    if not timedelta(0) < life <= policy.at_most:
        raise Misuse(
            f"an approval holds for some time and at most {policy.at_most}", hint="see signoff.max_approval in golive.yaml"
        )
    return Approval(
        evidence=opened.report.evidence,
        presentation=opened.report.presentation,
        environment=opened.report.environment,
        run=opened.report.run,
        word=opened.report.word,
        person=person.id,
        name=person.name,
        role=role,
        meaning=MEANINGS[opened.report.word],
        comment=comment,
        signed_at=now,
        expires=now + life,
    )


def seal(made: Approval, *, signer: Signer) -> str:
    """The signed line of an approval."""
    return dsse.sign(build(made), signer)


def put(
    path: Path, made: Approval, line: str, *, keys: Sequence[PublicKey], policy: Policy, journal: Journal, now: datetime
) -> Opened:
    """Put the approval into the page at `path`, beside whatever others have put there meanwhile; the page as it is then.

    It takes the place of an older one of the same person and role. A GoliveError leaves the file as it was.
    """
    path = Path(os.path.realpath(path))
    with alone_in(path.parent):
        before = open_page(read(path), keys, policy, now)
        if before.verified.payload_sha256 != made.evidence or before.verified.presentation_sha256 != made.presentation:
            raise ReportRejected("the file has become another report meanwhile", hint="read it again and approve again")
        _refuse_untimely(before.golive["decision"], now)
        kept = [old for old in before.verified.approvals if claimed(old) != (made.person, made.role)]
        page = report.render(before.envelope, [*kept, line])
        after = open_page(page, keys, policy, now)
        if not any(one.line == line for one in after.standing.believed):
            reasons = [one.reason for one in after.standing.rejected if one.line == line]
            raise ApprovalRejected(f"your approval would not be believed: {(reasons or [after.standing.line])[0]}", hint=_AGAIN)
        detail = {
            "person": made.person,
            "role": made.role,
            "expires": made.expires,
            "environment": made.environment,
            "evidence": made.evidence,
            "presentation": made.presentation,
            "approval": dsse.payload_digest(line),
        }
        replace(path, page, first=lambda: journal.append(APPROVED, detail, now))
    return after


def merge(
    pages: Sequence[bytes], keys: Sequence[PublicKey], policy: Policy, now: datetime, *, drop: bool = False
) -> tuple[bytes, Opened, tuple[Rejected, ...]]:
    """One page with the approvals of all copies, how it stands, and what was left out; ReportRejected for different reports.

    An approval that does not hold is left out where the same person and role has one that does, which replaced it, or with
    `drop`; any other is refused, because nobody may take it for one that counts, nor lose it without being told.
    """
    opened = [open_page(page, keys, policy, now) for page in pages]
    first = opened[0]
    for other in opened[1:]:
        if (other.envelope, other.report.presentation) != (first.envelope, first.report.presentation):
            raise ReportRejected(
                f"they are different reports: run {first.report.run} and run {other.report.run}",
                hint="merge copies of one report",
            )
    standing = approval.stand(first.report, dict.fromkeys(line for one in opened for line in one.verified.approvals), policy, now)
    if standing.trouble:
        raise ReportRejected(standing.trouble, hint=standing.hint)
    good = {(one.approval.person, one.approval.role) for one in standing.believed}
    for one in standing.rejected:
        if not drop and (one.person, one.role) not in good:
            raise ReportRejected(f"the approval of {one.who} does not hold: {one.reason}", hint=one.hint)
    page = report.render(first.envelope, [one.line for one in standing.believed])
    return page, open_page(page, keys, policy, now), standing.rejected


def read(path: Path) -> bytes:
    """The bytes of a page; Misuse for what is no file or too large to be one."""
    with open(path, "rb", opener=_opened) as stream:
        content = stream.read(report.MAX_PAGE + 1)
    if len(content) > report.MAX_PAGE:
        raise Misuse(f"{path} is larger than {report.MAX_PAGE:,} bytes", hint="this is no sign-off page")
    return content


def _opened(path: str, flags: int) -> int:
    """A descriptor of a regular file; a pipe that nobody writes into must not keep anybody waiting."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise Misuse(f"{path} is not a file", hint="name a report.html that a run has left behind")


def replace(path: Path, content: bytes, *, first: Callable[[], object] = lambda: None) -> None:
    """Put a whole page in the place of the one at `path`, with its mode; `first` is done when only the renaming is left."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    try:
        with draft.open("xb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        first()
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _refuse_untimely(decision: dict[str, Any], now: datetime) -> None:
    if now >= datetime.fromisoformat(decision["valid_until"]):
        raise ReportRejected(f"the report was valid until {decision['valid_until']}, and that is over", hint=_AGAIN)
    if datetime.fromisoformat(decision["at"]) > now + AHEAD:
        raise ReportRejected(f"the report is dated in the future: {decision['at']}", hint="set the clocks right")


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder against everybody else who writes a page there, from before it is read until after it is replaced.

    The lock is on the folder, because the file is replaced under it.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise GoliveError(f"somebody else keeps {folder} locked", hint="try again in a moment") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(fd)
