"""Tables of the OAuth 2.0 authorization server: clients, resources, consents, grants."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Integer, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from gatehouse.core import clock
from gatehouse.database.session import Base, UTCDateTime
from models.columns import AUTOINCREMENT, DIGEST, creation_time, new_id, owner, partial_index

CLIENT_ID = String(64)
URI = String(2000)
AUDIENCE = String(255)
PENDING = "state = 'pending'"


def _client() -> Mapped[str]:
    """Return a reference to the client with which the row is deleted."""
    client = ForeignKey("oauth_clients.id", ondelete="CASCADE")
    return mapped_column(CLIENT_ID, client, index=True)


class OAuthClient(Base):
    """An application that gets tokens for its users, or for itself."""

    __tablename__ = "oauth_clients"

    id: Mapped[str] = mapped_column(CLIENT_ID, primary_key=True)
    """The `client_id`."""
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(16))
    """`web`, `spa`, `native` or `service`."""
    authentication_method: Mapped[str] = mapped_column(String(32))
    """`client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`."""
    jwks: Mapped[dict[str, object] | None] = mapped_column(JSON)
    """The public keys of `private_key_jwt`: a JWK Set (RFC 7517 section 5)."""
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    post_logout_redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    backchannel_logout_uri: Mapped[str | None] = mapped_column(URI)
    grant_types: Mapped[list[str]] = mapped_column(JSON)
    response_modes: Mapped[list[str]] = mapped_column(JSON)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    resources: Mapped[list[str]] = mapped_column(JSON)
    """The audiences that it may get tokens for, besides the userinfo endpoint."""
    consent: Mapped[str] = mapped_column(String(16))
    """`first_party` (never asked for), `once`, or `always` (for each request)."""
    require_pkce: Mapped[bool] = mapped_column(default=True)
    subject_type: Mapped[str] = mapped_column(String(16))
    """`public` or `pairwise` (OpenID Connect Core section 8)."""
    sector: Mapped[str | None] = mapped_column(String(255))
    """Clients of one sector see the same pairwise subjects."""
    id_token_algorithm: Mapped[str] = mapped_column(String(8))
    access_token_lifetime: Mapped[int] = mapped_column(Integer)
    """Seconds, as the next two."""
    refresh_token_lifetime: Mapped[int] = mapped_column(Integer)
    """How long a refresh token is valid unless it is used."""
    grant_lifetime: Mapped[int] = mapped_column(Integer)
    """How long a user's grant lasts at the latest."""
    uri: Mapped[str | None] = mapped_column(URI)
    logo_uri: Mapped[str | None] = mapped_column(URI)
    terms_uri: Mapped[str | None] = mapped_column(URI)
    privacy_uri: Mapped[str | None] = mapped_column(URI)
    service_account_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("service_accounts.id", ondelete="CASCADE"), index=True
    )
    """The service account that it acts as with client credentials."""
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = creation_time()
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, onupdate=clock.now)
    version: Mapped[int] = mapped_column(default=1)


class OAuthClientSecret(Base):
    """A secret of a client: the digest of it. A client has at most two live ones."""

    __tablename__ = "oauth_client_secrets"

    id: Mapped[UUID] = new_id()
    client_id: Mapped[str] = _client()
    digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    created_at: Mapped[datetime] = creation_time()
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    days_announced: Mapped[int | None] = mapped_column(Integer)
    """How many days before its end the operators were last notified."""


class OAuthResource(Base):
    """An API that accepts our access tokens: an audience, and its scopes (RFC 8707)."""

    __tablename__ = "oauth_resources"

    id: Mapped[UUID] = new_id()
    audience: Mapped[str] = mapped_column(AUDIENCE, unique=True)
    name: Mapped[str] = mapped_column(String(100))
    scopes: Mapped[dict[str, str]] = mapped_column(JSON)
    """What each scope allows, in words for the consent page, by its name."""
    created_at: Mapped[datetime] = creation_time()
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, onupdate=clock.now)
    version: Mapped[int] = mapped_column(default=1)


class OAuthConsent(Base):
    """What a user has allowed a client, also for its next requests."""

    __tablename__ = "oauth_consents"
    __table_args__ = (UniqueConstraint("user_id", "client_id"),)

    id: Mapped[UUID] = new_id()
    user_id: Mapped[UUID] = owner()
    client_id: Mapped[str] = _client()
    scopes: Mapped[list[str]] = mapped_column(JSON)
    resources: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = creation_time()
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now, onupdate=clock.now)


class OAuthGrant(Base):
    """The access of one client to one user: an authorization code, then the tokens it gave.

    One row from the authorization until it is ended or expires, so that what happens to it (a used
    code, an ended session, a disabled user) needs one UPDATE.
    """

    __tablename__ = "oauth_grants"

    id: Mapped[UUID] = new_id()
    """The claim `grant_id` of its tokens, by which they are revoked."""
    client_id: Mapped[str] = _client()
    user_id: Mapped[UUID] = owner()
    session_id: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    """The user's session that it ends with; None if offline access was granted. No foreign key:
    sessions are deleted earlier."""
    authorized_session_id: Mapped[UUID | None] = mapped_column(Uuid, index=True)
    """The session in which it was authorized, of offline access, too: when that ends, the client is
    notified."""
    sid: Mapped[UUID] = mapped_column(Uuid)
    """The `sid` of ID and logout tokens: one for all grants of a client in a session."""
    subject: Mapped[str] = mapped_column(String(255))
    """The `sub` of its tokens: the user's id, or a pairwise one."""
    scopes: Mapped[list[str]] = mapped_column(JSON)
    resources: Mapped[list[str]] = mapped_column(JSON)
    authenticated_at: Mapped[datetime] = mapped_column(UTCDateTime)
    amr: Mapped[list[str]] = mapped_column(JSON)
    acr: Mapped[str] = mapped_column(String(8))
    request: Mapped[dict[str, object]] = mapped_column(JSON)
    """What the code is bound to and the ID token repeats: redirect URI, code challenge, nonce,
    requested claims."""
    code_digest: Mapped[str] = mapped_column(DIGEST, unique=True)
    code_expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    code_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    current_token_id: Mapped[UUID | None] = mapped_column(Uuid)
    """The `jti` of its unused refresh token, if it has one."""
    token_issued_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    used_tokens: Mapped[str] = mapped_column(String(960), default="", server_default="")
    """Refresh tokens used within the reuse interval (see `sessions.refresh_tokens`)."""
    idle_at: Mapped[datetime] = mapped_column(UTCDateTime)
    """When it ends unless it is refreshed."""
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    """When it ends at the latest."""
    created_at: Mapped[datetime] = creation_time()
    last_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(32))


class GrantStatusEntry(Base):
    """The index of a grant in the token status lists; indexes are ascending and never reused.

    They count on their own, in lists with numbers of their own (see `tokens.status_list`).
    """

    __tablename__ = "grant_status_entries"
    __table_args__ = ({"sqlite_autoincrement": True},)

    status_index: Mapped[int] = mapped_column(AUTOINCREMENT, primary_key=True, autoincrement=True)
    grant_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("oauth_grants.id", ondelete="CASCADE"), unique=True
    )


class PairwiseSubject(Base):
    """The subject by which the clients of a sector know a user; random, and never reused."""

    __tablename__ = "pairwise_subjects"
    __table_args__ = (UniqueConstraint("sector", "user_id"),)

    subject: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    sector: Mapped[str] = mapped_column(String(255))
    user_id: Mapped[UUID] = owner()
    created_at: Mapped[datetime] = creation_time()


class UsedClientAssertion(Base):
    """A client assertion that was used (RFC 7523 section 3): a `jti` works once."""

    __tablename__ = "used_client_assertions"

    digest: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class LogoutNotification(Base):
    """A logout token on its way to a client (OpenID Connect Back-Channel Logout)."""

    __tablename__ = "logout_notifications"
    __table_args__ = (
        partial_index("ix_logout_notifications_due", "next_attempt_at", "id", where=PENDING),
    )

    id: Mapped[int] = mapped_column(AUTOINCREMENT, primary_key=True)
    client_id: Mapped[str] = _client()
    user_id: Mapped[UUID] = mapped_column(Uuid, index=True)
    """Not a foreign key: clients are notified that a deleted user is signed out."""
    subject: Mapped[str] = mapped_column(String(255))
    sid: Mapped[UUID] = mapped_column(Uuid)
    created_at: Mapped[datetime] = creation_time()
    state: Mapped[str] = mapped_column(String(16), default="pending")
    """`pending`, `delivered` or `abandoned`."""
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = creation_time()
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_attempt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(String(200))
