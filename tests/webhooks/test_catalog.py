"""The catalogue of public events: each is published, and matches its JSON Schema."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from gatehouse.core.events import subscribe
from gatehouse.hooks import catalog
from tests.audit import role_scenarios  # noqa: F401 - registers its scenarios
from tests.audit.event_scenarios import ADA, NEW, NUMBER, SCENARIOS, Scenario
from tests.client import PASSWORD
from tests.tokens.forgery import case

CAUSED = {
    "registration.verified": {"user.created"},
    "invitation.accepted": {"user.created"},
    "user.created": {"user.created"},
    "user.updated": {"user.changed"},
    "user.email_verified": {"user.changed"},
    "user.disabled": {"user.disabled"},
    "user.enabled": {"user.enabled"},
    "user.deleted": {"user.deleted"},
    "user.restored": {"user.restored"},
    "user.erased": {"user.erased"},
    "login.succeeded": {"user.signed_in"},
    "role.assigned": {"user.roles_changed"},
    "role.unassigned": {"user.roles_changed"},
    "account.profile_changed": {"user.changed"},
    "account.password_changed": {"password.changed"},
    "account.ownership_verified": {"user.changed"},
    "password_reset.completed": {"password.changed"},
    "email.changed": {"user.changed"},
    "email.change_reverted": {"user.changed", "password.changed"},
    "phone.verified": {"user.changed"},
    "phone.removed": {"user.changed"},
    "factor.confirmed": {"factor.added"},
    "factor.removed": {"factor.removed"},
    "factor.reset": {"factor.removed"},
    "factor.recovery_codes_replaced": {"factor.added", "factor.removed"},
    "session.ended": {"session.ended"},
}
"""What the scenario of an audit event must publish, among others."""


@pytest.fixture
def published(app):
    """The bodies of the public events that the application publishes."""
    bodies = []

    def keep(event):
        for public in catalog.find_events(event):
            actor = event.context.actor.kind
            data = public.build_data(event)
            bodies.append(catalog.Occurrence(public, uuid4(), datetime.now(UTC), actor, data).body)

    for source in {public.source for public in catalog.EVENTS.values() if public.source}:
        subscribe(app, source, keep)
    return bodies


def require_valid(body):
    """Check a body against the schema of its event."""
    schema = catalog.build_schema(catalog.EVENTS[body["type"]])
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(body)


def without(values, name):
    """Return a copy of a dict without one key."""
    return {key: value for key, value in values.items() if key != name}


def test_public_event_has_a_schema_that_its_example_matches():
    for event in catalog.EVENTS.values():
        with case(event=event.name):
            Draft202012Validator.check_schema(catalog.build_schema(event))
            require_valid(catalog.build_example(event))


def test_public_event_requires_every_field_and_allows_later_ones():
    for event in catalog.EVENTS.values():
        example = catalog.build_example(event)
        require_valid(example | {"later": 1, "data": example["data"] | {"later": 1}})
        broken = [without(example, name) for name in example]
        broken += [example | {"data": without(example["data"], name)} for name in example["data"]]
        validator = Draft202012Validator(catalog.build_schema(event))
        assert not any(validator.is_valid(body) for body in broken)


def test_public_event_of_every_kind_is_caused_by_a_scenario():
    assert set().union(*CAUSED.values()) == set(catalog.SELECTABLE)


@pytest.mark.alters_the_application
@pytest.mark.parametrize("name", CAUSED)
def test_public_event_is_published_where_it_happens(app, client, published, name):
    SCENARIOS[name](Scenario(app, client))

    assert CAUSED[name] <= {body["type"] for body in published}
    for body in published:
        require_valid(body)
    for personal in (ADA, NEW, NUMBER, PASSWORD, "127.0.0.1"):
        assert personal not in str(published)


@pytest.mark.alters_the_application
def test_deleted_user_is_not_reported_as_disabled(app, client, published):
    SCENARIOS["user.deleted"](Scenario(app, client))

    assert "user.disabled" not in {body["type"] for body in published}
