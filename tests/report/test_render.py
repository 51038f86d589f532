"""What the page says, read from its bytes."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from pytest_golive import report
from pytest_golive.errors import ReportRejected

Make = Callable[..., dict[str, Any]]
Render = Callable[[dict[str, Any]], str]


class Tags(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the tag."""
        self.found.append((tag, dict(attrs)))


def text_of(fragment: str) -> str:
    """What a reader sees of a piece of HTML, with single spaces."""
    without = re.sub(r"<(style|script)\b.*?</\1>", "", fragment, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", without)).split())


def unopened(fragment: str) -> str:
    """A piece of HTML without what a reader has to open first."""
    inner = re.compile(r"<details(?![^>]* open)[^>]*>(?:(?!<details|</details>).)*</details>", re.DOTALL)
    while inner.search(fragment):
        fragment = inner.sub("", fragment)
    return fragment


def section(page: str, key: str) -> str:
    """One section of the page; empty if it is not there."""
    found = re.search(rf'<section [^>]*?id="{key}".*?</section>', page, flags=re.DOTALL)
    return found[0] if found else ""


def first_screen(page: str) -> str:
    """The verdict box, as a reader sees it."""
    found = re.search(r'<header class="verdict.*?</header>', page, flags=re.DOTALL)
    assert found
    return text_of(found[0])


def first_strip(page: str) -> str:
    """The strip of ticks in the verdict box."""
    return page[page.index('<svg class="strip"') :].partition("</svg>")[0]


@pytest.fixture(scope="module")
def render(sign: Callable[[dict[str, Any]], str]) -> Render:
    """The text of a statement's page."""
    return lambda statement: report.render(sign(statement)).decode("ascii")


@pytest.fixture(scope="module")
def mixed(statement: Make, item: Make, failed: Make) -> dict[str, Any]:
    """A NO-GO with an item of every kind."""
    items = [
        item("ok-1"),
        failed("broken"),
        item("held-up", outcome="blocked", verdict="warned", severity="warning", reason="needs broken", checks=[], evidence=None),
        item("unseen", outcome="error", verdict="blocking", reason="connection refused", checks=[], evidence=None),
        failed("old-backup", severity="warning"),
        failed(
            "short-tls",
            verdict="waived",
            waiver={
                "reason": "The new certificate is ordered.",
                "until": "2026-12-01T00:00:00+00:00",
                "approved_by": ["Bob Risk", "Cleo Ops"],
            },
        ),
        item("rehearsed", kind="attestation"),
        item("no-okx", outcome="not-applicable", reason="no account at OKX", checks=[], evidence=None),
        item("ok-2", checklist="quantum"),
    ]
    aside = [{"id": "watch", "title": "Latency is watched", "severity": "warning", "phase": "monitoring", "checklist": "nija"}]
    return statement("NO-GO", items, aside=aside)


@pytest.mark.parametrize("word", ["GO", "GO WITH WARNINGS", "NO-GO", "INCOMPLETE"])
def test_the_word_comes_first(word: str, statement: Make, item: Make, failed: Make, render: Render) -> None:
    """The title and the only h1 start with the word of the decision."""
    items = [item("a"), failed("b", severity="warning" if word == "GO WITH WARNINGS" else "critical")]
    page = render(statement(word, [item("a")] if word == "GO" else items))
    assert re.findall(r"<title>([^:<]*):", page) == [word]
    (heading,) = re.findall(r"<h1>.*?</h1>", page, flags=re.DOTALL)
    assert text_of(heading).startswith(f"{word} Embedded")


def test_first_screen_tells_who_what_when(statement: Make, render: Render) -> None:
    """Target, version, commit, times with zone, how many items ran and who ran them stand in the verdict box."""
    seen = first_screen(render(statement()))
    for fact in (
        "Embedded trading desk, production",
        "pytest-golive 0.1.0",
        "4f0c1c2ab5a1e8b7c90d3f6e21b4a5d6c7e8f901",
        "Run began 2026-11-21 10:00:01 UTC",
        "Valid until 2026-11-21 22:00:05 UTC",
        "4 of 4 ran",
        "Ada Operator on desk-1",
        "4 of 4 items pass.",
    ):
        assert fact in seen


def test_times_are_told_to_machines_as_well(statement: Make, render: Render) -> None:
    """Each time stands as ISO 8601 with its zone in the markup, and other zones are kept."""
    made = statement()
    made["predicate"]["golive"]["decision"]["valid_until"] = "2026-11-22T00:00:05.250000+02:00"
    page = render(made)
    assert '<time datetime="2026-11-22T00:00:05.250000+02:00">2026-11-22 00:00:05 +02:00</time>' in page
    assert '<time datetime="2026-11-21T10:00:01+00:00">' in page


def test_uncommitted_changes_are_told(statement: Make, render: Render) -> None:
    """A dirty tree and an unknown commit stand beside the word."""
    made = statement()
    made["predicate"]["golive"]["manifest"]["dirty"] = True
    assert "with uncommitted changes" in first_screen(render(made))
    made["predicate"]["golive"]["manifest"].update(commit="", dirty=None)
    assert "Commit unknown" in first_screen(render(made))


def test_demo_is_told_in_the_verdict_box(statement: Make, render: Render) -> None:
    """A target without real money is called DEMO in box and title, and a real one never is."""
    page = render(statement())
    assert "0.1.0 DEMO GO" in first_screen(page)
    assert "DEMO: this target trades no real money" in first_screen(page)
    assert "(DEMO)</title>" in page
    real = statement(target={"name": "Desk", "environment": "production", "demo": False})
    assert "DEMO" not in render(real)


def test_a_run_of_other_phases_says_that_it_opens_no_gate(statement: Make, render: Render) -> None:
    """A GO over phases that do not gate cannot be taken for one that does: box and title say so, and silence is refused."""
    run = statement()["predicate"]["golive"]["run"]
    page = render(statement(run={**run, "gates": False, "phases": ["rollback", "activation"]}))
    assert "NO GATE: this run judged only rollback, activation, and opens no gate." in first_screen(page)
    assert "(NO GATE)" in page
    assert "NO GATE" not in render(statement())
    with pytest.raises(ReportRejected):
        render(statement(run={**run, "gates": None}))


def test_partial_reasons_stand_in_the_verdict_box(statement: Make, item: Make, render: Render) -> None:
    """An INCOMPLETE run says PARTIAL and each phrase of why, once."""
    made = statement("INCOMPLETE", [item("a"), item("b", outcome="not-run", verdict="blocking", evidence=None, checks=[])])
    golive = made["predicate"]["golive"]
    golive["run"]["partial"] = ["deselected by -k: 7", "stopped by -x"]
    golive["decision"]["reasons"] = ["Partial run: deselected by -k: 7.", "Partial run: stopped by -x.", "1 of 2 items pass."]
    seen = first_screen(render(made))
    assert "PARTIAL deselected by -k: 7 PARTIAL stopped by -x 1 of 2 items pass." in seen
    assert seen.count("deselected by -k") == 1


def test_sections_stand_in_their_order(mixed: dict[str, Any], render: Render) -> None:
    """What needs a decision comes first, what passed comes late, and the environment is last and closed."""
    page = render(mixed)
    order = re.findall(r'<section (?:class="folded" )?id="([a-z-]+)"', page)
    assert order == [
        "blocking", "unchecked", "warnings", "waived", "attested", "absent", "passed", "aside", "previous", "time", "sign-off",
    ]  # fmt: skip
    assert page.index("</main>") < page.index("Environment and versions")
    assert "9.2.0" in page
    assert "9.2.0" not in unopened(page)


def test_every_item_stands_once_in_its_section(mixed: dict[str, Any], render: Render) -> None:
    """Each item has one node, in the section that its outcome and verdict ask for; there, what blocks comes first."""
    page = render(mixed)
    places = {key: re.findall(r'id="item-([a-z0-9-]+)"', section(page, key)) for key in report_sections()}
    assert places == {
        "blocking": ["broken"],
        "unchecked": ["unseen", "held-up"],
        "warnings": ["old-backup"],
        "waived": ["short-tls"],
        "attested": ["rehearsed"],
        "absent": ["no-okx"],
        "passed": ["ok-1", "ok-2"],
    }
    assert len(re.findall(r'id="item-', page)) == 9


def report_sections() -> list[str]:
    """The sections that hold the items of the decision."""
    return ["blocking", "unchecked", "warnings", "waived", "attested", "absent", "passed"]


def test_numbers_add_up(mixed: dict[str, Any], render: Render) -> None:
    """The counters of the first screen are the sizes of the sections, and add up to all items."""
    page = render(mixed)
    counts = re.findall(r'<li class="([a-z]+)(?: zero)?">(?:<a[^>]*>)?<b>(\d+)</b>', page)
    assert {key: int(count) for key, count in counts} == {
        key: len(re.findall(r'id="item-', section(page, key))) for key in report_sections()
    }
    assert sum(int(count) for _, count in counts) == 9
    assert "8 of 9 ran" in first_screen(page)


def test_failing_cards_need_no_click(mixed: dict[str, Any], render: Render) -> None:
    """Title, wanted, found, what to do, owner, document and line of a failing item stand there without opening anything."""
    seen = text_of(unopened(section(render(mixed), "blocking")))
    for words in (
        "Failed critical, blocks",
        "Every broker is healthy",
        "body.state Wanted equal to 'healthy' Found 'degraded'",
        "What to do Set DRY_RUN_MODE=false in the service's .env",
        "Why it matters Orders of a dry run",
        "Owner platform",
        "document 000, Pre-flight, line 12 checklists/nija.yaml:12",
    ):
        assert words in seen


def test_commands_and_addresses_are_marked(mixed: dict[str, Any], render: Render) -> None:
    """A command in the fix is code, and a web address is a link without its full stop."""
    card = section(render(mixed), "blocking")
    assert "<code>DRY_RUN_MODE=false</code>" in card
    assert '<a href="https://desk.example/runbook" rel="noreferrer">https://desk.example/runbook</a>.' in card


def test_what_could_not_be_checked_is_not_called_passed(mixed: dict[str, Any], render: Render) -> None:
    """An error tells what happened, says that it blocks, and stands in no section that sounds good."""
    seen = text_of(unopened(section(render(mixed), "unchecked")))
    assert "Could not be checked critical, blocks" in seen
    assert "What happened connection refused" in seen
    assert "Blocked warning, does not block" in seen


def test_blocking_none_is_said_only_if_nothing_blocks(statement: Make, item: Make, render: Render) -> None:
    """ "Blocking: None." stands on a page without blocking items, and never over a critical item that was not checked."""
    assert "Blocking: None." in text_of(render(statement()))
    unseen = item("b", outcome="error", verdict="blocking", reason="no answer", checks=[], evidence=None)
    seen = text_of(render(statement("NO-GO", [item("a"), unseen])))
    assert "Blocking: None." not in seen
    assert "1 critical item could not be checked, and that blocks as well" in seen
    assert "1 Could not be checked, 1 blocking" in seen


def test_waived_cards_tell_the_waiver(mixed: dict[str, Any], render: Render) -> None:
    """A waived item says why, until when and by whom, and that it failed."""
    seen = text_of(unopened(section(render(mixed), "waived")))
    assert "Waived critical, failed" in seen
    assert "The new certificate is ordered. Until 2026-12-01 00:00:00 UTC Approved by Bob Risk, Cleo Ops" in seen


def test_not_applicable_has_its_reason(mixed: dict[str, Any], render: Render) -> None:
    """Why an item does not apply stands beside its title."""
    summary = re.search(r"<summary>[^<]*<code>no-okx</code>.*?</summary>", render(mixed))
    assert summary
    assert "no account at OKX" in summary[0]


def test_evidence_is_there(mixed: dict[str, Any], render: Render) -> None:
    """Behind a failing card stand facts with exact decimals, duration, looks and the whole digest."""
    seen = text_of(section(render(mixed), "blocking"))
    assert '{"seconds": 0.20, "value": "false"}' in seen
    assert "in 0.103 s, 1 look." in seen
    assert mixed["predicate"]["golive"]["items"][1]["evidence"]["sha256"] in seen
    assert "status: wanted equal to 200, found 200" in seen


def test_long_facts_are_cut_and_say_so(statement: Make, failed: Make, render: Render) -> None:
    """Facts beyond the cap end with how much is missing, and what was cut before signing is told as well."""
    evidence = {
        "facts": {"text": "x" * 10_000}, "began": "2026-11-21T10:00:01+00:00", "seconds": "0.1", "attempts": 3,
        "sha256": "f" * 64, "cut": 77,
        "history": [
            {"at": "2026-11-21T10:00:01+00:00", "outcome": "failed", "reason": f"look {number}"} for number in range(12)
        ],
    }  # fmt: skip
    page = render(statement("NO-GO", [failed("a", evidence=evidence)]))
    seen = text_of(section(page, "blocking"))
    assert "more characters]" in seen
    assert "x" * 4_000 not in seen
    assert "77 characters were cut before signing" in seen
    assert "3 looks" in seen
    assert "2 earlier looks" in seen
    assert "look 11" in seen
    assert "look 1 " not in seen


def test_long_lines_are_cut_and_say_so(statement: Make, failed: Make, render: Render) -> None:
    """A finding of ten thousand characters does not flood the page."""
    checks = [{"path": f"p{n}", "wanted": "w" * 10_000, "found": "f" * 10_000, "met": False} for n in range(30)]
    made = statement("NO-GO", [failed("a", title="t" * 10_000, checks=checks, why="y" * 10_000)])
    page = render(made).partition('<script type="application/vnd.in-toto+dsse"')[0]
    assert len(page) < 120_000
    seen = text_of(page)
    assert "[9,400 more characters]" in seen
    assert "10 more are not met either" in seen


def test_unsigned_says_so(statement: Make, render: Render) -> None:
    """A page without approvals says "Not signed", and names the digest of what there is to sign."""
    page = render(statement())
    seen = text_of(section(page, "sign-off"))
    assert "Not signed" in seen
    envelope = report.extract(page.encode()).envelope
    payload = base64.b64decode(re.findall(r'"payload":"([^"]+)"', envelope)[0])
    assert f"sha256:{hashlib.sha256(payload).hexdigest()}" in seen


def test_previous_report(statement: Make, render: Render) -> None:
    """The page tells the word and time of the previous run, or that there is none."""
    assert "No previous report." in text_of(section(render(statement()), "previous"))
    before = {"run": "77aa", "at": "2026-11-20T09:00:00+00:00", "word": "NO-GO"}
    seen = text_of(section(render(statement(previous=before)), "previous"))
    assert "The previous run said NO-GO , at 2026-11-20 09:00:00 UTC" in seen
    assert "The verdict has changed." in seen


def test_the_slowest_five(statement: Make, item: Make, render: Render) -> None:
    """The five slowest items stand in their order, with the time of all probes and of the session."""
    items = [item(f"i{n}", title=f"title {n}") for n in range(8)]
    for number, one in enumerate(items):
        one["evidence"] = {**one["evidence"], "seconds": f"{number * 3}.000"}
    seen = text_of(section(render(statement("GO", items)), "time"))
    assert re.findall(r"title (\d) (\d+)\.000", seen) == [("7", "21"), ("6", "18"), ("5", "15"), ("4", "12"), ("3", "9")]
    assert "session took 3.214 s, all probes together 14.028 s" in seen


def test_what_did_not_run_is_a_list(statement: Make, item: Make, render: Render) -> None:
    """Items that did not run stand as rows under what could not be checked; a long list of them is folded."""
    unrun = [
        item(f"late-{n}", outcome="not-run", verdict="blocking", reason="did not run", checks=[], evidence=None)
        for n in range(30)
    ]
    page = render(statement("INCOMPLETE", [item("a"), *unrun]))
    assert "Not run 30" in text_of(section(page, "unchecked"))
    assert 'class="fold">' in section(page, "unchecked")
    assert 'class="fold" open>' in section(render(statement("INCOMPLETE", [item("a"), *unrun[:3]])), "unchecked")


def test_other_phases_are_told_apart(mixed: dict[str, Any], render: Render) -> None:
    """Items of other phases are listed and stand in none of the numbers."""
    seen = text_of(section(render(mixed), "aside"))
    assert "Latency is watched watch warning, phase monitoring, checklist nija" in seen
    assert "none of the numbers" in seen


def test_a_long_list_leaves_the_facts_of_what_passed_to_the_evidence(
    statement: Make, item: Make, failed: Make, render: Render
) -> None:
    """Beyond two thousand items the rows keep wanted, found and digest, the cards keep everything, and the page says so."""
    items = [item(f"i{number}") for number in range(1_999)]
    short = text_of(render(statement("NO-GO", [*items, failed("b")])))
    assert short.count('"seconds": 0.20') == 2_000
    assert "stand in the signed evidence alone" not in short
    page = render(statement("NO-GO", [*items, item("bare", checks=[]), failed("b")]))
    long = text_of(page)
    assert long.count('"seconds": 0.20') == 2
    assert '"seconds": 0.20' in section(page, "blocking")
    assert long.count("value: wanted equal to 'false', found 'false'") == 1_999
    assert "beyond wanted and found, the facts that were seen stand in the signed evidence alone" in long


def test_five_thousand_items_are_less_than_two_megabytes(
    statement: Make, item: Make, sign: Callable[[dict[str, Any]], str]
) -> None:
    """Beside the signed evidence, the page of a long list stays small enough for any browser."""
    facts = {f"fact-{number}": "x" * 40 for number in range(20)}
    evidence = {**item()["evidence"], "facts": facts}
    envelope = sign(statement("GO", [item(f"quantum-item-{number}", evidence=evidence) for number in range(5_000)]))
    assert len(report.render(envelope)) - len(envelope) < 2_000_000


def test_same_evidence_same_bytes(mixed: dict[str, Any], sign: Callable[[dict[str, Any]], str]) -> None:
    """One envelope always renders to the same bytes."""
    envelope = sign(mixed)
    assert report.render(envelope) == report.render(envelope)


def test_bytes_are_plain(statement: Make, item: Make, sign: Callable[[dict[str, Any]], str]) -> None:
    """The page is ASCII with line feeds only, and begins with its doctype."""
    page = report.render(sign(statement("GO", [item("a", title="Größe – 限度 ✓")])))
    assert page.startswith(b"<!DOCTYPE html>\n")
    assert page.isascii()
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", page)
    assert "Größe – 限度 ✓" in html.unescape(page.decode())


def test_content_policy(mixed: dict[str, Any], render: Render) -> None:
    """The page forbids itself everything but its one style sheet, whose digest is right."""
    page = render(mixed)
    style = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert (
        f"""content="default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'">"""
        in page
    )
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_nothing_runs_and_nothing_is_fetched(mixed: dict[str, Any], render: Render) -> None:
    """There is no style attribute, no handler, no script but the two data blocks, and no address to load from."""
    for tag, attributes in Tags(render(mixed)).found:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        if tag == "script":
            assert attributes["type"] in ("application/vnd.in-toto+dsse", "application/vnd.in-toto.bundle")
        assert "src" not in attributes
        if tag == "link":
            assert attributes["href"] == "data:,"
        assert tag not in ("img", "iframe", "object", "embed", "form", "base")


def test_headings_have_no_gaps(mixed: dict[str, Any], render: Render) -> None:
    """There is one h1, and no heading is more than one level below the one before it."""
    levels = [int(tag[1]) for tag, _ in Tags(render(mixed)).found if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_landmarks_language_and_labels(mixed: dict[str, Any], render: Render) -> None:
    """The page has a language, a skip link first, one of each landmark, a labelled strip, and labels that exist."""
    tags = Tags(render(mixed)).found
    names = [tag for tag, _ in tags]
    assert all(names.count(name) == 1 for name in ("header", "main", "footer"))
    assert dict(tags)["html"] == {"lang": "en"}
    assert tags[names.index("body") + 1] == ("a", {"class": "skip", "href": "#main"})
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {str(attributes["href"])[1:] for _, attributes in tags if str(attributes.get("href", "")).startswith("#")}
    labels = {attributes["aria-labelledby"] for _, attributes in tags if "aria-labelledby" in attributes}
    assert links | labels <= set(ids)
    strip = [attributes for tag, attributes in tags if tag == "svg" and attributes.get("role") == "img"]
    assert all(one["aria-label"] for one in strip)
    assert "1 blocking, 2 could not be checked, 1 warnings" in str(strip[0]["aria-label"])


def test_every_item_links_to_itself(statement: Make, item: Make, failed: Make, render: Render) -> None:
    """Each item has an anchor of its own and a link to it, whatever its id is made of."""
    ids = ["plain", "loop[coin base]", "loop[a/b]", 'q"><img src=x onerror=alert(1)>', "ü", "loop[coin%20base]", "loop[\u202e]"]
    page = render(statement("NO-GO", [*map(item, ids), failed("bad[a b]")]))
    tags = Tags(page).found
    anchors = [str(attributes["id"]) for _, attributes in tags if str(attributes.get("id", "")).startswith("item-")]
    links = [str(attributes["href"])[1:] for tag, attributes in tags if tag == "a"]
    assert len(set(anchors)) == len(ids) + 1
    assert set(anchors) <= set(links)
    assert all(re.fullmatch(r"[!-~]+", anchor) and not set(anchor) & set("\"'<>&` ") for anchor in anchors)


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    "</script><!--<script>",
    "<!--golive:approvals-->",
    "-->]]>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "\x00\x1b[31mred\x9b0m\r\n",
    "&lt;b&gt; &#60;",
    "\ud800",
    "\u200b\u2066\ufeff\u00ad\U000e0041",
    '`<b>x</b>` javascript:alert(1) https://x.example/"onmouseover=alert(1)',
)


def hostile_fields(value: Any, poison: str) -> Any:
    """The same shape with every free text poisoned."""
    free = {
        "title", "owner", "section", "note", "place", "why", "fix", "kind", "checklist", "reason", "path", "wanted", "found",
        "operator", "host", "command", "name", "environment", "reasons", "partial", "approved_by", "facts", "document", "id",
        "run", "commit", "tree", "config", "journal_head", "sha256",
    }  # fmt: skip

    def poisoned(key: str, inner: Any) -> Any:
        if isinstance(inner, str) and key in free:
            return f"{inner} {poison}"
        if isinstance(inner, list) and inner and isinstance(inner[0], str):
            return [f"{one} {poison}" for one in inner]
        if key in ("versions", "facts", "checklists") and isinstance(inner, dict):
            return {**inner, poison: poison}
        return hostile_fields(inner, poison)

    if isinstance(value, dict):
        return {key: poisoned(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hostile_fields(inner, poison) for inner in value]
    return value


@pytest.mark.parametrize("poison", HOSTILE)
def test_whatever_is_written_stays_text(
    poison: str, mixed: dict[str, Any], render: Render, sign: Callable[[dict[str, Any]], str]
) -> None:
    """Hostile text in every free field changes no tag, no attribute name and no byte that is not printable ASCII."""
    clean = mixed["predicate"]["golive"]
    made = {**mixed, "predicate": {**mixed["predicate"], "golive": hostile_fields({**clean}, poison)}}
    page = render(made)
    assert sorted(name_tags(page)) == sorted(name_tags(render(with_links_of(mixed, poison))))
    assert not re.search(r"[^\n -~]", page)
    assert report.extract(page.encode()).envelope == sign(made)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\ufeff\x00\x1b\x9b]", html.unescape(page))


def with_links_of(mixed: dict[str, Any], poison: str) -> dict[str, Any]:
    """The clean statement with as many commands and addresses in `fix` and `why`, and as many facts, as the poisoned one."""
    harmless = {"`<b>x</b>`": "`x`", 'https://x.example/"': "https://x.example/ "}
    mark = "harmless " + " ".join(good for bad, good in harmless.items() if bad in poison)
    golive = hostile_fields({**mixed["predicate"]["golive"]}, mark)
    return {**mixed, "predicate": {**mixed["predicate"], "golive": golive}}


def name_tags(page: str) -> Iterator[tuple[str, ...]]:
    """Every tag with the names of its attributes."""
    return ((tag, *sorted(attributes)) for tag, attributes in Tags(page).found)


def test_what_cannot_be_seen_is_spelled_out(statement: Make, item: Make, render: Render) -> None:
    """A character that turns the reading direction stands as its code."""
    page = render(statement("GO", [item("a", title="pay \u202e to\u200b \x1b[31m \ud800 \U000e0041")]))
    assert r"pay \u202e to\u200b \u001b[31m \ud800 \ue0041" in page


def test_only_web_addresses_become_links(statement: Make, failed: Make, render: Render) -> None:
    """No other scheme than http and https becomes a link."""
    page = render(
        statement("NO-GO", [failed("a", fix="javascript:alert(1) file:///etc/passwd data:text/html,x http://a.example.")])
    )
    hrefs = [str(attributes["href"]) for tag, attributes in Tags(page).found if tag == "a"]
    assert [href for href in hrefs if not href.startswith("#")] == ["http://a.example"]


@pytest.mark.parametrize(
    ("word", "change"),
    [
        ("GO", {"outcome": "failed", "verdict": "blocking"}),
        ("GO", {"outcome": "failed", "verdict": "warned", "severity": "warning"}),
        ("GO WITH WARNINGS", {"outcome": "error", "verdict": "blocking"}),
        ("GO WITH WARNINGS", {"outcome": "not-run", "verdict": "warned", "severity": "warning"}),
        ("GO", {"outcome": "error", "verdict": "clear"}),
        ("GO", {"outcome": "not-run", "verdict": "clear"}),
        ("NO-GO", {"outcome": "passed", "verdict": "blocking"}),
    ],
)
def test_a_word_softer_than_its_items_is_refused(
    word: str, change: dict[str, str], statement: Make, item: Make, sign: Callable[[dict[str, Any]], str]
) -> None:
    """Evidence whose word or verdicts contradict its outcomes makes no page."""
    with pytest.raises(ReportRejected, match=r"contradicts itself|not a go-live statement"):
        report.render(sign(statement(word, [item("a"), item("b", **change)])))


def test_go_over_nothing_critical_is_refused(statement: Make, item: Make, sign: Callable[[dict[str, Any]], str]) -> None:
    """GO over a list without a critical item, or over a partial run, makes no page."""
    with pytest.raises(ReportRejected, match="contradicts itself"):
        report.render(sign(statement("GO", [item("a", severity="warning")])))
    made = statement()
    made["predicate"]["golive"]["run"]["partial"] = ["interrupted"]
    with pytest.raises(ReportRejected, match="contradicts itself"):
        report.render(sign(made))


@pytest.mark.parametrize(
    "change",
    [
        {"items": [{}]},
        {"items": "none"},
        {"decision": {}},
        {"run": None},
        {"previous": {"word": "GO"}},
        {
            "decision": {
                "word": "YES",
                "reasons": [],
                "at": "2026-11-21T10:00:05+00:00",
                "valid_until": "2026-11-21T10:00:05+00:00",
            }
        },
        {"decision": {"word": "GO", "reasons": [], "at": "2026-11-21T10:00:05", "valid_until": "2026-11-21T10:00:05"}},
    ],
)
def test_another_shape_is_refused(change: dict[str, Any], statement: Make, sign: Callable[[dict[str, Any]], str]) -> None:
    """Evidence that is not a go-live statement is refused with a reason and a hint, and no other error."""
    with pytest.raises(ReportRejected, match="not a go-live statement") as refused:
        report.render(sign(statement(**change)))
    assert refused.value.hint


def test_an_item_that_stands_twice_is_refused(statement: Make, item: Make, sign: Callable[[dict[str, Any]], str]) -> None:
    """Two items of one id make no page."""
    with pytest.raises(ReportRejected, match="twice"):
        report.render(sign(statement("GO", [item("a"), item("a")])))


@pytest.mark.parametrize("version", [0, 3, True, "1", None])
def test_unknown_templates_are_refused(version: object, statement: Make, sign: Callable[[dict[str, Any]], str]) -> None:
    """A page that wants another template than those that are here is not rendered with one that it did not ask for."""
    with pytest.raises(ReportRejected, match="template"):
        report.render(sign(statement(template=version)))


@pytest.mark.parametrize(
    "envelope", ["", "no", "[]", "{}", '{"payload":7}', '{"payload":"%%"}', '{"payload":"W10="}', '{"payload":"eA=="}']
)
def test_what_is_no_envelope_is_refused(envelope: str) -> None:
    """Text that holds no signed JSON object is refused in one line."""
    with pytest.raises(ReportRejected) as refused:
        report.render(envelope)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("poison", ["</script>", "\\u0000<", "\n", "é", "\x7f"])
def test_an_envelope_cannot_break_out(poison: str, statement: Make, sign: Callable[[dict[str, Any]], str]) -> None:
    """An envelope that is more than one line of plain text, or holds a tag, is refused."""
    envelope = sign(statement()).replace('{"payload"', '{"note":"' + poison + '","payload"')
    with pytest.raises(ReportRejected):
        report.render(envelope)


def test_ten_thousand_items_are_seven_paths(statement: Make, item: Make, failed: Make, render: Render) -> None:
    """The strip draws a long list in one path per section, and the failing one is drawn last."""
    items = [item(f"i{n}") for n in range(700)]
    items[350] = failed("i350")
    page = render(statement("NO-GO", items))
    paths = re.findall(r'<path class="([a-z]+)" d="([^"]*)"', first_strip(page))
    assert [name for name, _ in paths] == ["passed", "blocking"]
    assert paths[1][1] == "M350 0h1V20H350z"
    assert paths[0][1].startswith("M0 11h350V20")


def palettes(style: str) -> dict[str, dict[str, str]]:
    """The colours of the light and the dark scheme."""
    light, dark = (
        dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    )
    return {"light": light, "dark": {**light, **dark}}


def luminance(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str, statement: Make, render: Render) -> None:
    """Every text colour has a contrast of at least 4.5 to 1 against every ground that it stands on."""
    colours = palettes(render(statement()))[scheme]
    pairs = [
        (colours[ink], colours[ground])
        for ink in ("ink", "soft", "link", "ok", "warn", "bad", "waived")
        for ground in ("paper", "sheet", "sunk")
    ]
    pairs += [("#ffffff", colours[band]) for band in ("band-ok", "band-bad", "band-open")]
    pairs += [("#241900", colours["band-warn"]), (colours["on-loud"], colours["loud"])]
    for ink, ground in pairs:
        lighter, darker = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)
