"""Endpoints: which events they want, how long to wait, when they are disabled, secrets, and addresses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.adapters.webhook.signatures import signing_key
from jifen.domain import endpoints as book
from jifen.domain.addresses import is_public, problem_of
from jifen.domain.endpoints import (
    ATTEMPTS_MAX,
    WAITS,
    Delivery,
    DeliveryStatus,
    Endpoint,
    EndpointStatus,
    Reply,
    Secret,
)

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
SHOP = Endpoint("shop", "https://shop.example/", secrets=(Secret("whsec_YQ=="),))
LINE = Delivery("shop", "ev_1", "points.earned", "2026-11-26", NOW, version=1)
TAKEN, REFUSED, GONE = Reply(200), Reply(500, "answered 500"), Reply(410, "answered 410")


@pytest.mark.parametrize(
    ("types", "kind", "expected"),
    [
        ((), "points.earned", True),
        (("*",), "points.earned", True),
        (("points.*",), "points.earned", True),
        (("points.*",), "pointsx", False),
        (("points.earned",), "points.earned", True),
        (("points.earned",), "points.earned.late", False),
        (("tier.*", "points.e*"), "points.expired", True),
        (("tier.*",), "points.expired", False),
    ],
)
def test_types_mean_themselves_or_what_begins_so(types: tuple[str, ...], kind: str, expected: bool) -> None:  # noqa: FBT001
    """None at all are all."""
    assert expected == book.takes(types, kind)


def test_a_type_that_means_nothing_is_named() -> None:
    """A misspelt one would be waited for for ever."""
    known = ("points.earned", "tier.reached")
    assert ["points.earnt", "", "x*"] == book.unknown_types(("points.earnt", "*", "", "tier.*", "x*"), known)


def test_the_waits_are_those_of_the_docs() -> None:
    """5 s, 1 min, 5 min, 30 min, 2 h, 5 h, then 10 h: thirteen attempts in two days and twenty hours."""
    assert [5, 60, 300, 1800, 7200, 18000, *[36000] * 6] == [int(one.total_seconds()) for one in WAITS]
    assert (13, timedelta(days=2, hours=19, minutes=36, seconds=5)) == (ATTEMPTS_MAX, sum(WAITS, timedelta()))
    assert sum(WAITS, timedelta()) < book.DISABLED_AFTER


@given(st.integers(1, 50), st.floats(0, 1), st.none() | st.timedeltas(timedelta(), timedelta(days=400)))
def test_a_wait_is_never_shorter_than_the_table_nor_longer_than_a_message_can_hide(
    attempt: int, jitter: float, retry_after: timedelta | None
) -> None:
    """SQS hides a message for twelve hours; a tenth is jitter; what the endpoint asks for is bounded."""
    wait = book.wait_before(attempt, jitter, retry_after)
    usual = WAITS[min(attempt, len(WAITS)) - 1]
    assert usual <= wait <= timedelta(hours=11)
    if retry_after and usual * 1.1 <= retry_after <= book.WAIT_MAX:
        assert retry_after == wait


@given(st.lists(st.tuples(st.sampled_from([TAKEN, REFUSED]), st.integers(1, 40)), max_size=60))
def test_an_endpoint_is_disabled_only_after_five_days_with_nothing_delivered(
    course: list[tuple[Reply, int]],
) -> None:
    """Whatever the course of answers and hours between them."""
    endpoint, now, last_taken, first = SHOP, NOW, NOW, None
    for reply, hours in course:
        now += timedelta(hours=hours)
        if reply.taken:
            endpoint, last_taken, first = book.succeeded(endpoint), now, None
        else:
            endpoint, first = book.failed(endpoint, reply, now), first or now
        assert (endpoint.status is EndpointStatus.DISABLED) == (
            first is not None and now - first >= book.DISABLED_AFTER
        )
        if endpoint.status is EndpointStatus.DISABLED:
            assert now - last_taken >= book.DISABLED_AFTER
            return


def test_an_endpoint_known_to_be_failing_rests_twice_as_long_each_time() -> None:
    """From ten seconds to five minutes; the first four failures mean nothing yet."""
    endpoint, rests = SHOP, []
    for _ in range(12):
        endpoint = book.failed(endpoint, REFUSED, NOW)
        rests.append((endpoint.retry_at - NOW).seconds if endpoint.retry_at else None)
    assert [None, None, None, None, 10, 20, 40, 80, 160, 300, 300, 300] == rests
    assert book.resting(endpoint, NOW)
    assert not book.resting(endpoint, NOW + timedelta(minutes=5))
    assert not book.probing(book.succeeded(endpoint))


def test_gone_disables_and_an_operator_enables() -> None:
    """What it missed is remembered, unless it is not wanted."""
    gone = book.behind(book.failed(SHOP, GONE, NOW), NOW)
    assert (EndpointStatus.DISABLED, "answered 410 Gone") == (gone.status, gone.disabled_why)
    again = book.enabled(gone, catch_up=True)
    assert (EndpointStatus.ACTIVE, "", 0, NOW) == (again.status, again.disabled_why, again.failures, again.behind_since)
    assert None is book.enabled(gone, catch_up=False).behind_since


def test_the_oldest_of_what_was_missed_is_remembered() -> None:
    """Events come in no particular order."""
    older = NOW - timedelta(hours=1)
    assert older == book.behind(book.behind(book.behind(SHOP, NOW), older), NOW).behind_since


def test_the_secret_before_signs_along_for_a_day() -> None:
    """And the one before that no longer than it had; five at most."""
    first = book.rotated(SHOP, book.secret_of(b"1" * 32), NOW)
    second = book.rotated(first, book.secret_of(b"2" * 32), NOW + timedelta(hours=1))
    assert 3 == len(book.signing(second, NOW + timedelta(hours=23)))
    assert [2, 1] == [len(book.signing(second, NOW + timedelta(hours=hours))) for hours in (24, 25)]
    assert (book.secret_of(b"2" * 32),) == book.signing(second, NOW + timedelta(days=400))
    endpoint = SHOP
    for number in range(20):
        endpoint = book.rotated(endpoint, book.secret_of(bytes([number]) * 32), NOW)
    assert 5 == len(endpoint.secrets)
    assert b"2" * 32 == signing_key(book.secret_of(b"2" * 32).text)


def test_attempts_of_two_workers_both_count_and_a_delivery_stays_one() -> None:
    """In whichever order they write."""
    for first, second in ((TAKEN, REFUSED), (REFUSED, TAKEN)):
        line = book.noted(book.noted(LINE, first, NOW, 0.0), second, NOW, 0.0)
        assert (DeliveryStatus.DELIVERED, 2, None) == (line.status, line.attempts, line.next_at)


def test_what_was_given_up_is_given_up_after_thirteen_attempts() -> None:
    """And not before."""
    line = LINE
    for number in range(1, ATTEMPTS_MAX + 1):
        line = book.noted(line, REFUSED, NOW, 0.0)
        assert (DeliveryStatus.FAILED if number == ATTEMPTS_MAX else DeliveryStatus.WAITING) is line.status
    assert (13, "answered 500") == (line.attempts, line.problem)


RUNS = st.sampled_from(["", "20261126-a", "20261127-b"])


@given(RUNS, RUNS, st.sampled_from(list(DeliveryStatus)), st.booleans())
def test_a_run_goes_on_with_a_line_or_leaves_it(run: str, other: str, status: DeliveryStatus, missing: bool) -> None:  # noqa: FBT001
    """An earlier run has nothing to do; the same one while it waits; a later one, and gaps, always."""
    line = Delivery("shop", "ev_1", "t", "d", NOW, status=status, attempts=3, run=other, version=1)
    done = book.over(line, run, missing=missing)
    if missing and status is DeliveryStatus.SKIPPED:
        assert not done
        assert (run, DeliveryStatus.WAITING, 3) == (
            (after := book.begun(line, run, missing=missing)).run,
            after.status,
            after.attempts,
        )
    elif run < other:
        assert done
    elif run == other:
        assert done == (status is not DeliveryStatus.WAITING)
    else:
        assert done == (missing and status in {DeliveryStatus.DELIVERED, DeliveryStatus.FAILED})
        after = book.begun(line, run, missing=missing)
        assert (run, DeliveryStatus.WAITING, 3 if missing else 0) == (after.run, after.status, after.attempts)


def test_a_later_replay_has_the_greater_id() -> None:
    """Whatever tells it apart; a clock that is behind makes no later one an earlier."""
    later, written = NOW + timedelta(microseconds=1), replace(SHOP, version=10)
    assert book.run_id(SHOP, NOW, "zz") < book.run_id(SHOP, later, "aa") < book.run_id(written, NOW, "aa")


@given(st.text(max_size=60))
def test_no_text_is_taken_for_an_address_that_is_none(text: str) -> None:
    """Nothing raises, and what is taken begins as it has to."""
    if not problem_of(text):
        assert text.lower().startswith("https://")
    assert not is_public(text) or "." in text or ":" in text


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example",
        "https://shop.example:8443/a/b?c=d",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
        "https://xn--mller-kva.example/",
    ],
)
def test_addresses_of_the_public_internet_will_do(url: str) -> None:
    """By name or by number."""
    assert "" == problem_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "https://localhost/",
        "https://intranet/",
        "https://10.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[fd00:ec2::254]/",
        "https://192.0.0.192/",
        "https://192.88.99.1/",
        "https://[3fff::1]/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://a@shop.example/",
        "https://shop.example\\@10.0.0.1/",
        "HTTPS:shop.example",
        "//shop.example",
        "javascript:alert(1)",
    ],
)
def test_other_addresses_will_not(url: str) -> None:
    """However they are written."""
    assert problem_of(url)


def test_a_laptop_may_call_itself() -> None:
    """With the setting for it, and nothing else changes."""
    assert "" == problem_of("http://127.0.0.1:9000/hook", private=True)
    assert "" == problem_of("http://localhost:9000/hook", private=True)
    assert problem_of("ftp://localhost/", private=True)
