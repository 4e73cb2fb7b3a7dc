"""The authorization endpoint: what requests it accepts, and where it sends users and errors."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from models import OAuthGrant
from tests.loopback_server import OK, loopback_server, respond_with
from tests.rows import audited, rows

CALLBACK = "https://shop.example.com/callback"
SHORT = "a" * 42
PLAIN = "a" * 43
WRONG_URIS = (
    *("https://shop.example.com/callback/", "https://shop.example.com/callback/..", "//e.example"),
    *("https://shop.example.com/callback/../x", "https://shop.example.com/%2e%2e/callback"),
    *("https://shop.example.com/Callback", "https://SHOP.example.com/callback", "/callback"),
    *("https://shop.example.com@e.example/callback", "https://e.example/callback", "\\\\e.example"),
    *("https://shop.example.com:443/callback", "https://shop.example.com:8443/callback"),
    *("https://shop.example.com/callback?x=1", "https://shop.example.com/callback#x", "https:e"),
    *("https://shop.example.com/callback%00", "https://shop.example.com/callback%2f"),
    *("https://a.shop.example.com/callback", "https://shop.example.com.e.example/callback"),
    *("http://shop.example.com/callback", "javascript:alert(1)", "data:text/html,x", "*", " "),
    *(f" {CALLBACK}", f"{CALLBACK} ", f"{CALLBACK}\n", "https://shop.example.com\\callback"),
)
BAD_REQUESTS = (
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_type": "none"}, "unsupported_response_type"),
    ({"response_mode": "web_message"}, "invalid_request"),
    ({"scope": "admin users:write"}, "invalid_scope"),
    ({"scope": None}, "invalid_scope"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": SHORT}, "invalid_request"),
    ({"code_challenge": "a" * 129}, "invalid_request"),
    ({"code_challenge": f"{PLAIN}="}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "dance"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "x"}, "invalid_request"),
    ({"claims": "{"}, "invalid_request"),
    ({"claims": '{"id_token": 1}'}, "invalid_request"),
    ({"id_token_hint": "x.y.z"}, "invalid_request"),
    ({"nonce": "x" * 600}, "invalid_request"),
    ({"resource": "https://other.example.com"}, "invalid_target"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ({"request_uri": "http://127.0.0.1:9/x"}, "request_uri_not_supported"),
    ({"registration": "{}"}, "registration_not_supported"),
    ({"prompt": "none"}, "login_required"),
)


@pytest.fixture
def ada(make_user):
    return make_user(email="ada@example.com")


def answer_in(page):
    """Return the parameters of a redirect to the client."""
    assert page.url.startswith(f"{CALLBACK}?"), page.url
    return dict(parse_qsl(urlsplit(page.url).query))


@pytest.mark.stores
def test_user_signs_in_and_the_client_gets_a_code(app, relying_party, ada):
    answer = relying_party.authorize(ada)

    [grant] = rows(app, OAuthGrant)
    assert answer.keys() == {"code", "state", "iss"}
    assert (grant.client_id, grant.subject, grant.scopes) == (
        "shop",
        str(grant.user_id),
        ["openid", "profile", "email"],
    )
    assert [event.name for event in audited(app, "grant.authorized")] == ["grant.authorized"]


@pytest.mark.requirement("OA-01", "OA-02")
def test_no_user_is_sent_to_an_address_that_is_not_registered(relying_party):
    for uri in WRONG_URIS:
        page = relying_party.start(redirect_uri=uri)

        assert page.response.status_code == 400, uri
        assert "Location" not in page.response.headers, uri
        assert page.response.mimetype == "text/html", uri
        assert "e.example" not in page.text, uri


@pytest.mark.requirement("OA-01")
def test_native_application_chooses_its_port(make_relying_party, ada):
    party = make_relying_party(
        id="tool",
        kind="native",
        authentication_method="none",
        redirect_uris=["http://127.0.0.1/callback", "com.example.tool:/callback"],
    )

    for uri in ("http://127.0.0.1:51234/callback", "com.example.tool:/callback"):
        assert "code" in party.authorize(ada, redirect_uri=uri), uri
    for uri in ("http://127.0.0.2:51234/callback", "http://localhost:1/callback"):
        assert party.start(redirect_uri=uri).response.status_code == 400, uri


@pytest.mark.requirement("OA-02")
def test_error_page_shows_nothing_of_the_request(relying_party, make_client):
    make_client(id="off", enabled=False)
    script = "<script>alert(1)</script>"
    for wrong in (
        {"client_id": script},
        {"client_id": None},
        {"client_id": "off"},
        {"redirect_uri": f"https://e.example/{script}"},
        {"redirect_uri": None},
        {"state": ["1", "2"]},
        {"client_id": ["shop", "shop"]},
    ):
        page = relying_party.start(**wrong)

        assert page.response.status_code == 400, wrong
        assert "Location" not in page.response.headers, wrong
        assert "script>alert" not in page.text, wrong
        assert "frame-ancestors 'none'" in page.response.headers["Content-Security-Policy"]


@pytest.mark.requirement("OA-06", "OA-07", "OA-14", "OP-07")
def test_client_gets_the_error_of_a_bad_request_with_state_and_issuer(app, relying_party):
    for wrong, error in BAD_REQUESTS:
        page = relying_party.start(**wrong)

        assert page.response.status_code == 303, wrong
        answer = answer_in(page)
        assert answer["error"] == error, wrong
        assert (answer["iss"], answer["state"]) == (relying_party.issuer, relying_party.sent.state)
        assert "code" not in answer
    assert rows(app, OAuthGrant) == []


@pytest.mark.requirement("OP-07")
@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.1")
def test_request_object_by_reference_is_not_fetched(make_relying_party):
    with loopback_server(respond_with(OK)) as server:
        url = f"http://127.0.0.1:{server.port}"
        party = make_relying_party(redirect_uris=[CALLBACK, f"{url}/callback"])
        for wanted in (f"{url}/request.jwt", f"{url}/callback"):
            assert (
                answer_in(party.start(request_uri=wanted))["error"] == "request_uri_not_supported"
            )

        assert server.connections == 0


@pytest.mark.requirement("OA-07")
def test_client_uses_only_the_grant_and_the_modes_that_it_is_registered_for(make_relying_party):
    service = make_relying_party(id="job", grant_types=["client_credentials"])
    query = make_relying_party(id="plain", response_modes=["query"])

    assert answer_in(service.start())["error"] == "unauthorized_client"
    for mode in ("fragment", "form_post"):
        page = query.start(response_mode=mode)
        assert "unauthorized_client" in page.url + page.text, mode


@pytest.mark.requirement("OA-06")
def test_confidential_client_without_pkce_needs_a_nonce(make_relying_party, ada):
    party = make_relying_party(require_pkce=False)
    spa = make_relying_party(id="spa", authentication_method="none", require_pkce=False)
    none = {"code_challenge": None}

    assert "code" in party.authorize(ada, **none)
    assert answer_in(party.start(**none, nonce=None))["error"] == "invalid_request"
    assert answer_in(party.start(**none, scope="email"))["error"] == "invalid_request"
    assert answer_in(spa.start(**none))["error"] == "invalid_request"


@pytest.mark.requirement("OA-14")
def test_answers_have_the_mode_that_the_client_asks_for(relying_party, ada):
    for mode in ("query", "fragment", "form_post"):
        answer = relying_party.authorize(ada, response_mode=mode)

        assert "code" in answer, mode
        relying_party.read_tokens(relying_party.exchange(answer["code"]))


@pytest.mark.requirement("OA-19")
def test_client_gets_no_scope_that_it_is_not_registered_for(
    app, make_relying_party, make_resource, ada
):
    make_resource()
    party = make_relying_party(
        scopes=["openid", "orders:read"], resources=["https://api.example.com"]
    )

    tokens = party.sign_in(
        ada,
        scope="openid email offline_access orders:read orders:write",
        resource="https://api.example.com",
    )

    assert rows(app, OAuthGrant)[0].scopes == ["openid", "orders:read"]
    assert tokens["scope"] == "openid orders:read"
    wider = party.refresh(tokens["refresh_token"], scope="openid orders:read orders:write")
    assert (wider.status_code, wider.json["error"]) == (400, "invalid_scope")


@pytest.mark.requirement("OP-02")
def test_unknown_parameters_are_ignored_and_requests_may_be_posted(relying_party, ada):
    assert "code" in relying_party.authorize(ada, extra="foobar", display="popup")

    request = relying_party.request(prompt="none")
    page = relying_party.browser.visit(f"{relying_party.issuer}/oauth2/authorize", request, "POST")

    assert "code" in relying_party.read_answer(page)


def test_code_without_a_sent_redirect_uri_is_redeemed_without_one(relying_party, ada):
    page = relying_party.start(ada, redirect_uri=None, scope="email", nonce=None)

    tokens = relying_party.exchange(answer_in(page)["code"], redirect_uri=None)

    assert tokens.status_code == 200, tokens.text


def test_repeated_resource_is_accepted_and_each_token_is_for_one(
    make_relying_party, make_resource, ada
):
    apis = ["https://api.example.com", "https://other.example.com"]
    for api in apis:
        make_resource(audience=api)
    party = make_relying_party(resources=apis, scopes=["openid", "orders:read"])
    answer = party.authorize(ada, scope="openid orders:read", resource=apis)

    tokens = party.read_tokens(party.exchange(answer["code"], resource=apis[1]))

    assert party.introspect(tokens["access_token"]).json["aud"] == apis[1]
