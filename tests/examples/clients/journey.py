"""From registration to logout with the client that openapi-python-client generates."""

import sys
import time

import httpx
from gatehouse_client import AuthenticatedClient, Client
from gatehouse_client.api.auth import (
    log_in,
    log_out,
    read_me,
    refresh_tokens,
    register_user,
    verify_email,
)
from gatehouse_client.models import (
    PasswordLogin,
    Problem,
    RefreshRequest,
    RegistrationRequestWithPassword,
    RegistrationResponse,
    TokenResponse,
    User,
    VerificationResponse,
    VerifyEmailWithCodeEmailRegistrationToken,
)

base_url, email, password = sys.argv[1:]
client = Client(base_url=base_url)

registration = RegistrationRequestWithPassword(email=email, password=password)
answer = register_user.sync(client=client, body=registration)
assert isinstance(answer, RegistrationResponse), answer

accepted = {"Accept": "application/json"}
mailbox = httpx.get(f"{base_url}/dev/mailbox", params={"to": email}, headers=accepted)
code = mailbox.json()["items"][0]["variables"]["code"]
token = answer.registration_token
verification = VerifyEmailWithCodeEmailRegistrationToken(
    email=email, code=code, registration_token=token
)
# The generator takes optional security for required; without a token both clients are alike.
verified = verify_email.sync(client=client, body=verification)  # type: ignore[arg-type]
assert isinstance(verified, VerificationResponse), verified

credentials = PasswordLogin(identifier=email, password=password)
login = log_in.sync(client=client, body=credentials)
assert isinstance(login, TokenResponse), login
signed_in = AuthenticatedClient(base_url=base_url, token=str(login.access_token))

me = read_me.sync(client=signed_in)
assert isinstance(me, User), me
assert me.email == email

refresh = RefreshRequest(refresh_token=login.refresh_token)
refreshed = refresh_tokens.sync(client=client, body=refresh, x_device_token=login.device_token)
assert isinstance(refreshed, TokenResponse), refreshed

assert log_out.sync_detailed(client=signed_in).status_code == 204
end = time.monotonic() + 10
rejected = read_me.sync(client=signed_in)
while isinstance(rejected, User) and time.monotonic() < end:
    rejected = read_me.sync(client=signed_in)  # other workers follow within a second
assert isinstance(rejected, Problem), rejected
assert rejected.code == "token_revoked"
print("logged out")
