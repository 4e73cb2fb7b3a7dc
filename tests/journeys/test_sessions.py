"""Journeys: a session over days and devices, until it ends."""

from datetime import UTC, datetime, timedelta

from tests.journeys.conftest import ADA
from tests.journeys.device import outcome

ENDED = (401, "session_ended")
REUSED = (401, "refresh_token_reused")
SIGNED_IN = (200, "authenticated")


def sign_in_everywhere(new_device, user, number=3):
    """Return devices on which the user is signed in."""
    devices = [new_device() for _ in range(number)]
    for device in devices:
        assert outcome(device.log_in(user)) == SIGNED_IN
    return devices


def test_login_accepts_every_identifier_of_a_user(device, ada_with_phone):
    ada = ada_with_phone

    for identifier in (ada.email, "ADA@Example.com", "ada", "Ada", "+4915112345678"):
        assert outcome(device.log_in(ada, identifier)) == SIGNED_IN, identifier
        assert device.me["username"] == "ada"
        device.log_out()
        assert not device.is_signed_in


def test_session_list_shows_each_device_and_ends_one(new_device, ada):
    laptop, phone, stranger = sign_in_everywhere(new_device, ada)
    items = laptop.get("/auth/sessions").json["items"]
    assert [item["current"] for item in items] == [False, False, True]
    assert {item["ip_address"] for item in items} == {"127.0.0.1"}

    [newest, *_] = items
    assert laptop.delete(f"/auth/sessions/{newest['id']}").status_code == 204

    assert not stranger.is_signed_in
    assert outcome(stranger.refresh()) == ENDED
    assert laptop.is_signed_in
    assert outcome(phone.refresh()) == SIGNED_IN
    assert len(phone.get("/auth/sessions").json["items"]) == 2


def test_logout_ends_one_session_the_others_or_all(new_device, ada):
    for scope, remaining in (
        ("local", [False, True, True]),
        ("others", [True, False, False]),
        ("global", [False, False, False]),
    ):
        devices = sign_in_everywhere(new_device, ada)

        assert devices[0].log_out(scope).status_code == 204

        assert [device.is_signed_in for device in devices] == remaining, scope
        refreshed = [outcome(device.refresh()) == SIGNED_IN for device in devices[1:]]
        assert refreshed == remaining[1:], scope


def test_session_that_is_used_lasts_thirty_days_and_no_longer(device, ada, wait):
    device.log_in(ada)
    session_id = device.session["id"]

    for _ in range(2):
        wait(days=13)
        assert not device.is_signed_in  # the access token lives for minutes
        assert outcome(device.refresh()) == SIGNED_IN
        assert device.session["id"] == session_id
    wait(days=5)
    assert outcome(device.refresh()) in {ENDED, (401, "token_expired")}

    assert outcome(device.log_in(ada)) == SIGNED_IN
    assert device.session["id"] != session_id


def test_session_that_is_not_used_for_two_weeks_ends(device, ada, wait):
    device.log_in(ada)
    wait(days=14, minutes=1)

    assert outcome(device.refresh()) in {ENDED, (401, "token_expired")}
    assert outcome(device.log_in(ada)) == SIGNED_IN


def test_refresh_in_two_tabs_logs_none_of_them_out(device, ada, time_machine):
    time_machine.move_to(datetime.now(UTC), tick=False)  # the reuse interval is ten seconds
    device.log_in(ada)
    tab = device.duplicate()

    for first, second in ((device, tab), (tab, device)):
        time_machine.shift(timedelta(minutes=9))
        assert outcome(first.refresh()) == SIGNED_IN
        time_machine.shift(timedelta(seconds=9))
        assert outcome(second.refresh()) == SIGNED_IN
        assert (first.is_signed_in, second.is_signed_in) == (True, True)
        assert first.session["id"] == second.session["id"]


def test_refresh_token_of_a_thief_ends_the_session_and_the_user_logs_in_again(
    new_device, ada, wait
):
    mine = new_device()
    mine.log_in(ada)
    thief = mine.duplicate()
    thief.ip_address = "198.51.100.1"
    assert outcome(mine.refresh()) == SIGNED_IN
    wait(minutes=1)
    assert outcome(mine.refresh()) == SIGNED_IN

    assert outcome(thief.refresh()) == REUSED
    assert (mine.is_signed_in, thief.is_signed_in) == (False, False)
    assert outcome(mine.refresh()) == ENDED
    assert outcome(mine.log_in(ada)) == SIGNED_IN
    assert mine.me["email"] == ADA


def test_profile_is_changed_and_cleared_by_its_user(device, ada):
    device.log_in(ada)

    form = {"name": "Ada Lovelace", "locale": "de-AT", "username": "lovelace"}
    assert device.patch("/auth/me", **form).json.items() >= form.items()
    assert outcome(device.log_in(ada, "ada")) == (401, "invalid_credentials")
    assert outcome(device.log_in(ada, "lovelace")) == SIGNED_IN

    assert device.patch("/auth/me", name=None).json["name"] is None
    assert device.me.items() >= {"name": None, "locale": "de-AT", "username": "lovelace"}.items()
    device.patch("/auth/me", locale=None, username=None)
    assert device.me.items() >= {"name": None, "locale": None, "username": None}.items()
    assert outcome(device.log_in(ada, "lovelace")) == (401, "invalid_credentials")
    assert outcome(device.log_in(ada)) == SIGNED_IN


def test_profile_update_rejects_the_username_of_another_user(new_device, ada, make_user):
    device = new_device()
    device.log_in(make_user(username="grace"))

    assert outcome(device.patch("/auth/me", username="ADA")) == (409, "username_taken")
    assert device.me["username"] == "grace"
