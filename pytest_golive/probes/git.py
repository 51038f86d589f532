"""A git repository: what is committed, tagged, pushed and left lying about, as git itself tells it.

Git is asked with lists of words and a bounded environment: no settings of the user, no hooks, no prompt, no lock, so that a look
changes nothing. What the remote holds is asked of the remote, because the copy of it that lies here is as old as the last fetch.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, final
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_validator

from pytest_golive.errors import ProbeError
from pytest_golive.model import Context, Facts
from pytest_golive.probes.base import Lane, Names, ProbeModel, Text, cut, plain_text, spoken
from pytest_golive.probes.paths import absolute
from pytest_golive.probes.process import run

SECRET_FILES = (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.asc.key",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", ".pgpass", ".git-credentials", ".npmrc", ".pypirc", ".htpasswd",
    "credentials", "credentials.json", "secrets.*", "*service-account*.json", "*api_key*.txt", "*apikey*.txt",
)  # fmt: skip
"""Names of files that usually hold secrets; templates of them do not count."""

_TEMPLATES = (".example", ".sample", ".template", ".dist", ".md", ".pub")
_QUIET = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.askPass", ""),
    ("credential.helper", ""),
    ("protocol.ext.allow", "never"),
    ("maintenance.auto", "false"),
    ("log.showSignature", "false"),
    ("core.quotePath", "false"),
)
_PASSED = ("PATH", "HOME", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
_MAX_OUTPUT = 16_000_000
_SHOWN = 200
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@{}^~+-]*\Z")


class Git(ProbeModel):
    """What does this repository hold, and has it been pushed?

    ```yaml
    git: {path: "${repository}", remote: origin, tags: "v*", ignored: [.env, data/desk.sqlite]}
    expect: {clean: true, pushed: true, tags_here: {len: {ge: 1}}, tags_unpushed: {len: 0}, not_ignored: {len: 0}}
    ```

    `path` is the root of the work tree: a folder inside another repository is an error, because that would be a look at
    something else. `remote` is the name of a remote that is asked by `git ls-remote`; without it nothing is told about it.
    `tags` is a pattern that limits the tags. `ignored` are paths that should be ignored. `log` (0 to 1,000) is how many
    commits are told, `since` the commit or tag they come after, `paths` what they touch. `history: true` also looks for
    secret files in every past commit. `secrets` are further patterns of file names. `foreign_owner: true` allows a
    repository of another user.

    Not a repository, no commit, a remote that cannot be asked and an owner that git does not trust are errors.

    Facts: `root`, `commit`, `tree`, `subject`, `body`, `author`, `committed_at`, `parents` (number); `branch` (absent when
    `detached`), `branches`; `clean` (nothing modified, staged, untracked, in conflict or hidden), `modified`, `staged`,
    `untracked`, `conflicts`, `hidden` (marked so that git does not look at them) (paths, 200 of each at most;
    `modified_count` and so on tell how many); `tags`, `tags_here`
    (at this commit), `annotated`; `remotes` (name to address, without passwords); `upstream`, `ahead`, `behind` (as of the
    last fetch, absent without an upstream or in a shallow clone); `shallow`; `submodules` (`path`, `present`); `tracked`
    (number of files), `tracked_secrets` (list of `path`: names of files that look
    like secrets); with ignored `ignored` and `not_ignored` (a tracked
    file is not ignored); with log, since or paths `commits` (`commit`, `subject`, `at`, `author`, `merge`); with history
    `history_secrets`; with remote `remote_branches` (name to commit), `remote_tags`, `remote_head`, `pushed` (the branch
    there is at this commit), `tags_unpushed` (tags that are not there), `tags_differ` (there at another commit) and
    `remote_has_root` (the default branch there begins where this one does; absent if its commits are not here).
    """

    word: ClassVar[str] = "git"
    lane: ClassVar[Lane] = "process"

    path: Text
    remote: Text | None = None
    tags: Text = "*"
    ignored: Names = ()
    log: Annotated[int, Field(ge=0, le=1_000)] = 0
    since: Text | None = None
    paths: Names = ()
    history: bool = False
    secrets_: Names = Field(default=(), alias="secrets")
    foreign_owner: bool = False

    @field_validator("remote", "since")
    @classmethod
    def _is_no_option(cls, name: str | None) -> str | None:
        if name is not None and not _REF.match(name):
            raise ValueError("must be a name: a remote, a tag or a commit")
        return name

    def look(self, context: Context) -> Facts:
        root = os.path.realpath(absolute(context.root, self.path))
        if not os.path.isdir(root):
            raise ProbeError(f"the folder {root} does not exist", hint="correct the path")
        git = _Git(root=root, context=context, trusted=self.foreign_owner)
        shallow = _opened(git)
        facts: dict[str, Any] = {"root": root, "shallow": shallow}
        facts |= _status(git, shallow)
        facts |= _head(git)
        tags = self._refs(git, facts)
        facts["remotes"] = _remotes(git)
        facts |= self._tracked(git)
        if self.ignored:
            facts |= self._ignored(git)
        if self.log or self.since or self.paths:
            facts["commits"] = self._commits(git)
        if self.history:
            names = git.ask("log", "--all", "--no-renames", "--diff-filter=A", "--name-only", "-z", "--format=").split("\0")
            facts["history_secrets"] = self._secret(sorted({name.strip("\n") for name in names} - {""}))
        if self.remote is not None:
            facts |= self._there(git, facts, tags)
        return facts

    def _refs(self, git: _Git, facts: dict[str, Any]) -> dict[str, str]:
        """Branches and tags are entered into the facts; the commit of each tag is returned."""
        form = "%(refname)%00%(objecttype)%00%(objectname)%00%(*objectname)"
        branches, annotated = [], []
        tags: dict[str, str] = {}
        for line in _lines(git.ask("for-each-ref", f"--format={form}", "refs/heads", "refs/tags")):
            name, kind, commit, peeled = line.split("\0")
            if name.startswith("refs/heads/"):
                branches.append(name.removeprefix("refs/heads/"))
            elif fnmatch.fnmatchcase(tag := name.removeprefix("refs/tags/"), self.tags):
                tags[tag] = peeled or commit
                if kind == "tag":
                    annotated.append(tag)
        here = [tag for tag, commit in tags.items() if commit == facts["commit"]]
        facts |= {"branches": branches, "tags": list(tags), "tags_here": here, "annotated": annotated}
        return tags

    def _tracked(self, git: _Git) -> dict[str, Any]:
        names, modules = [], []
        for entry in git.ask("ls-files", "--stage", "-z").split("\0"):
            if not entry:
                continue
            described, _, name = entry.partition("\t")
            if described.startswith("160000"):
                modules.append({"path": name, "present": os.path.exists(os.path.join(git.root, name, ".git"))})
            else:
                names.append(name)
        return {"tracked": len(names), "tracked_secrets": self._secret(names), "submodules": modules}

    def _secret(self, names: Sequence[str]) -> list[dict[str, str]]:
        """Each as a mapping, because a bare text under a name that says secret would be redacted."""
        patterns = (*SECRET_FILES, *self.secrets_)
        found = []
        for name in names:
            base = os.path.basename(name).lower()
            if not base.endswith(_TEMPLATES) and any(fnmatch.fnmatchcase(base, pattern.lower()) for pattern in patterns):
                found.append({"path": name})
        return found

    def _ignored(self, git: _Git) -> dict[str, Any]:
        told = _lines(git.ask("check-ignore", "--", *self.ignored, fine=(0, 1)))
        return {
            "ignored": [name for name in self.ignored if name in told],
            "not_ignored": [name for name in self.ignored if name not in told],
        }

    def _commits(self, git: _Git) -> list[dict[str, Any]]:
        range_ = f"{self.since}..HEAD" if self.since else "HEAD"
        form = "--format=%H%x00%s%x00%cI%x00%an%x00%P"
        told = git.ask("log", f"--max-count={self.log or 200}", form, range_, "--", *self.paths)
        commits = []
        for line in _lines(told):
            commit, subject, at, author, parents = line.split("\0")
            merge = " " in parents
            commits.append({"commit": commit, "subject": subject, "at": at, "author": author, "merge": merge})
        return commits

    def _there(self, git: _Git, facts: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
        assert self.remote is not None
        if self.remote not in facts["remotes"]:
            known = ", ".join(facts["remotes"]) or "none"
            raise ProbeError(
                f"{git.root} has no remote {self.remote!r} (it has: {known})", hint=f"git remote add {self.remote} ADDRESS"
            )
        branches: dict[str, str] = {}
        there: dict[str, str] = {}
        told: dict[str, Any] = {}
        for line in _lines(git.ask("ls-remote", "--", self.remote)):
            commit, _, name = line.partition("\t")
            if name == "HEAD":
                told["remote_head"] = commit
            elif name.startswith("refs/heads/"):
                branches[name.removeprefix("refs/heads/")] = commit
            elif name.startswith("refs/tags/") and fnmatch.fnmatchcase(
                tag := name.removeprefix("refs/tags/").removesuffix("^{}"), self.tags
            ):
                # the peeled line comes after the tag's own and is the one that names a commit
                there[tag] = commit
        told |= {
            "remote_branches": branches,
            "remote_tags": list(there),
            "tags_unpushed": [tag for tag in tags if tag not in there],
            "tags_differ": [tag for tag, commit in tags.items() if there.get(tag, commit) != commit],
        }
        if "branch" in facts:
            told["pushed"] = branches.get(facts["branch"]) == facts["commit"]
        if "remote_head" in told and not facts["shallow"] and git.has(told["remote_head"]):
            roots = git.ask("rev-list", "--max-parents=0", "HEAD").split()
            told["remote_has_root"] = set(git.ask("rev-list", "--max-parents=0", told["remote_head"]).split()) >= set(roots)
        return told


@final
@dataclass(frozen=True, slots=True)
class _Git:
    """Git in one folder, asked within the deadline of the look."""

    root: str
    context: Context
    trusted: bool

    def ask(self, *words: str, fine: Sequence[int] = (0,)) -> str:
        """What git answers; `ProbeError` with its own words if its exit status is not fine."""
        return self._asked(words, fine)[1]

    def has(self, commit: str) -> bool:
        """Whether the commit lies here."""
        return self._asked(("cat-file", "-e", f"{commit}^{{commit}}"), (0, 1, 128))[0] == 0

    def _asked(self, words: Sequence[str], fine: Sequence[int]) -> tuple[int, str]:
        allowed = self.context.remaining()
        literal = () if words[0] == "check-ignore" else ("--literal-pathspecs",)  # which that one refuses, and does not need
        ran = run(
            ["git", "--no-pager", *literal, *words],
            cwd=self.root,
            env=self._environment(),
            deadline=self.context.deadline,
            limit=_MAX_OUTPUT,
        )
        what = f"git {words[0]}"
        if ran.overrun:
            raise ProbeError(f"{what} timed out after {spoken(allowed)}", hint="see whether the remote answers, or raise timeout")
        if ran.cut[0]:
            raise ProbeError(f"{what} told more than {_MAX_OUTPUT} bytes", hint="limit it: log, paths, tags")
        if ran.exit not in fine:
            raise _refused(what, self.root, plain_text(ran.outputs[1].decode("utf-8", "replace")).strip(), ran.exit)
        return ran.exit, ran.outputs[0].decode("utf-8", "replace")

    def _environment(self) -> dict[str, str]:
        env = {name: self.context.environ[name] for name in _PASSED if name in self.context.environ}
        env |= {
            "LC_ALL": "C",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": os.path.dirname(self.root),
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        }
        settings = [*_QUIET, ("safe.directory", self.root)] if self.trusted else _QUIET
        env["GIT_CONFIG_COUNT"] = str(len(settings))
        for index, (name, value) in enumerate(settings):
            env |= {f"GIT_CONFIG_KEY_{index}": name, f"GIT_CONFIG_VALUE_{index}": value}
        return env


def _lines(told: str) -> list[str]:
    """Lines as git ends them; a subject may hold what Unicode counts as the end of one."""
    return [line for line in told.split("\n") if line]


def _refused(what: str, root: str, said: str, exit_: int) -> ProbeError:
    if "not a git repository" in said:
        return ProbeError(f"{root} is not the root of a git repository", hint="correct the path: name the folder that holds .git")
    if "dubious ownership" in said:
        return ProbeError(
            f"{root} belongs to another user, so git does not trust it",
            hint="run the gate as its owner, or write foreign_owner: true",
        )
    last = said.removeprefix("fatal: ").replace("\n", " ")
    return ProbeError(f"{what} in {root} failed (exit {exit_}): {cut(last, 400)}", hint="run the same command there by hand")


def _opened(git: _Git) -> bool:
    """Whether the clone is shallow; `ProbeError` if this is no work tree, or not its root."""
    told = git.ask("rev-parse", "--is-inside-work-tree", "--is-shallow-repository").split()
    if told[0] != "true":
        raise ProbeError(f"{git.root} is a bare repository or inside .git, not a work tree", hint="name the work tree")
    top = git.ask("rev-parse", "--show-toplevel").rstrip("\n")
    if os.path.realpath(top) != git.root:
        raise ProbeError(f"the root of the repository is {top}, not {git.root}", hint="write that path")
    return told[1] == "true"


def _status(git: _Git, shallow: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    paths: dict[str, list[str]] = {"modified": [], "staged": [], "untracked": [], "conflicts": []}
    entries = iter(
        git.ask("status", "--porcelain=v2", "-z", "--branch", "--untracked-files=all", "--ignore-submodules=none").split("\0")
    )
    for entry in entries:
        sign, _, rest = entry.partition(" ")
        if sign == "#":
            name, _, value = rest.partition(" ")
            facts[name] = value
        elif sign == "?":
            paths["untracked"].append(rest)
        elif sign == "u":
            paths["conflicts"].append(rest.split(" ", 9)[-1])
        elif sign in ("1", "2"):
            name = rest.split(" ", 7 if sign == "1" else 8)[-1]
            if sign == "2":
                next(entries)  # the name it had before
            if rest[0] != ".":
                paths["staged"].append(name)
            if rest[1] != ".":
                paths["modified"].append(name)
    if facts.get("branch.oid") == "(initial)":
        raise ProbeError(f"the repository {git.root} has no commit yet", hint="commit something")
    branch = facts.get("branch.head", "(detached)")
    paths["hidden"] = _hidden(git)
    told: dict[str, Any] = {"detached": branch == "(detached)", "clean": not any(paths.values())}
    if branch != "(detached)":
        told["branch"] = branch
    if "branch.upstream" in facts:
        told["upstream"] = facts["branch.upstream"]
    if "branch.ab" in facts and not shallow:
        ahead, behind = facts["branch.ab"].split()
        told |= {"ahead": abs(int(ahead)), "behind": abs(int(behind))}
    for name, found in paths.items():
        told |= {name: found[:_SHOWN], f"{name}_count": len(found)}
    return told


def _hidden(git: _Git) -> list[str]:
    """Files that are there and that git was told not to look at (assume-unchanged, skip-worktree): they may hold anything."""
    marked = (entry.partition(" ") for entry in git.ask("ls-files", "-v", "-z").split("\0") if entry)
    return [name for tag, _, name in marked if (tag.islower() or tag == "S") and os.path.lexists(os.path.join(git.root, name))]


def _head(git: _Git) -> dict[str, Any]:
    told = git.ask("log", "--max-count=1", "--format=%H%x00%T%x00%P%x00%an%x00%cI%x00%s%x00%b", "HEAD")
    commit, tree, parents, author, at, subject, body = told.split("\0")
    return {
        "commit": commit,
        "tree": tree,
        "parents": len(parents.split()),
        "author": author,
        "committed_at": at,
        "subject": subject,
        "body": cut(body.strip(), 4_000),
    }


def _remotes(git: _Git) -> dict[str, str]:
    """Name to address; what stands before the @ of a URL is left out, because it may be a password."""
    told: dict[str, str] = {}
    for entry in git.ask("config", "--local", "--null", "--get-regexp", r"^remote\..*\.url$", fine=(0, 1)).split("\0"):
        if entry:
            key, _, url = entry.partition("\n")
            told.setdefault(key.removeprefix("remote.").removesuffix(".url"), _without_user(url))
    return told


def _without_user(url: str) -> str:
    if "://" not in url or "@" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
