"""Flows of one user in parallel take their locks in one order, so that none of them fails."""

import time

import pytest

from gatehouse.one_time_codes import sending
from tests.account.conftest import ADA
from tests.client import Client
from tests.parallel import run_in_parallel


@pytest.mark.stores
def test_password_reset_beside_an_email_change_does_not_deadlock(app, client, ada, monkeypatch):
    tokens = client.log_in(ada)
    delete_older = sending._delete_older

    def delete_older_slowly(request):
        if request.code_type.template == "password_reset":
            time.sleep(1)  # until the other request waits for a lock
        delete_older(request)

    monkeypatch.setattr(sending, "_delete_older", delete_older_slowly)

    def forgot():
        return Client(app.test_client).post("/auth/password/forgot", {"email": ADA})

    def change():
        time.sleep(0.3)  # after the first lock of the other request
        return Client(app.test_client).as_(tokens).post("/auth/email/change", {"email": ADA})

    responses = run_in_parallel(forgot, change)

    assert [response.status_code for response in responses] == [202, 202]
