"""Database models: every table and its columns, by section; no behaviour.

Ids are UUIDv7, times are UTC. Columns made by `encrypted` hold AES-GCM ciphertext (see
`gatehouse.core.crypto`) whose associated data is `label:id`. Digests are 64 hexadecimal
characters; no table holds a secret in clear.
"""

from models.audit import AuditEvent
from models.authorization import (
    ApiKey,
    ApiKeyVersion,
    Permission,
    Role,
    RoleAssignment,
    RoleCatalogVersion,
    RoleParent,
    RolePermission,
    ServiceAccount,
)
from models.counters import (
    CredentialStuffingCounter,
    FailedAttemptCounter,
    IdempotencyKey,
    LimitCounter,
    UsedCaptchaAnswer,
)
from models.credentials import Credential, Device, OneTimeCode, Password
from models.hooks import Hook, WebhookDelivery, WebhookEvent
from models.messaging import OutboxMessage, SmsPrefix
from models.oauth import (
    GrantStatusEntry,
    LogoutNotification,
    OAuthClient,
    OAuthClientSecret,
    OAuthConsent,
    OAuthGrant,
    OAuthResource,
    PairwiseSubject,
    UsedClientAssertion,
)
from models.sessions import AuthorizationChange, Revocation, Session, SigningKey, TokenStatusEntry
from models.users import PROFILE_LENGTHS, ExternalIdentity, ProfileSchema, User

__all__ = [
    "PROFILE_LENGTHS",
    "ApiKey",
    "ApiKeyVersion",
    "AuditEvent",
    "AuthorizationChange",
    "Credential",
    "CredentialStuffingCounter",
    "Device",
    "ExternalIdentity",
    "FailedAttemptCounter",
    "GrantStatusEntry",
    "Hook",
    "IdempotencyKey",
    "LimitCounter",
    "LogoutNotification",
    "OAuthClient",
    "OAuthClientSecret",
    "OAuthConsent",
    "OAuthGrant",
    "OAuthResource",
    "OneTimeCode",
    "OutboxMessage",
    "PairwiseSubject",
    "Password",
    "Permission",
    "ProfileSchema",
    "Revocation",
    "Role",
    "RoleAssignment",
    "RoleCatalogVersion",
    "RoleParent",
    "RolePermission",
    "ServiceAccount",
    "Session",
    "SigningKey",
    "SmsPrefix",
    "TokenStatusEntry",
    "UsedCaptchaAnswer",
    "UsedClientAssertion",
    "User",
    "WebhookDelivery",
    "WebhookEvent",
]
