"""`/gateway/verify?require=`: permissions, roles and levels that a gateway demands."""

import pytest

from tests.tokens.forgery import case


@pytest.mark.requirement("AZ-01")
def test_forward_auth_requires_permissions_roles_and_levels(client, make_user, sign_in_as):
    support, plain = sign_in_as("support"), client.as_(client.log_in(make_user()))
    outcomes = {
        "": (200, 200),
        "?require=users:read": (200, 403),
        "?require=role:support": (200, 403),
        "?require=role:user": (200, 200),
        "?require=aal1": (200, 200),
        "?require=aal2": (200, 401),
        "?require=aal3": (401, 401),
        "?require=users:read&require=role:support&require=aal2": (200, 403),
        "?require=users:read&require=users:delete": (403, 403),
        "?require=role:admin": (403, 403),
        "?require=support": (403, 403),
        "?require=anything": (403, 403),
        "?require=users:read%20users:write": (403, 403),
        "?require=USERS:READ": (403, 403),
        "?require=": (400, 400),
        "?require=users:read&require=": (400, 400),
        "?requires=users:read": (400, 400),
        "?require=users:read&x": (400, 400),
        "?Require=users:read": (400, 400),
        "?require[]=users:read": (400, 400),
        "?require=" + "x" * 200: (400, 400),
    }

    for query, expected in outcomes.items():
        with case(query=query):
            answers = [one.get(f"/gateway/verify{query}") for one in (support, plain)]
            assert tuple(answer.status_code for answer in answers) == expected
            passed = [answer for answer in answers if "X-Auth-User" in answer.headers]
            assert len(passed) == expected.count(200)


def test_forward_auth_says_which_level_is_required(client, make_user):
    response = client.as_(client.log_in(make_user())).get("/gateway/verify?require=aal2")

    assert response.json["code"] == "insufficient_user_authentication"
    assert 'acr_values="aal2"' in response.headers["WWW-Authenticate"]
    assert "max_age" not in response.headers["WWW-Authenticate"]
