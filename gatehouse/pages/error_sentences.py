"""What the pages say about errors, in the words of users."""

from collections.abc import Mapping

from gatehouse.account.email_change import EmailChangePasswordWrong
from gatehouse.account.errors import (
    EmailRevertFailed,
    MfaRecoveryFailed,
    MfaRecoveryPasswordWrong,
    PasswordResetFailed,
    PhoneTaken,
    ProofsNotIndependent,
    RestorationFailed,
)
from gatehouse.account.password_change import CurrentPasswordWrong
from gatehouse.authorization.errors import LastAdministrator
from gatehouse.captcha.service import CaptchaRequired
from gatehouse.core.errors import (
    ApiError,
    CsrfFailed,
    MalformedRequest,
    NotFound,
    RateLimited,
    ServiceBusy,
    ServiceUnavailable,
    ValidationFailed,
)
from gatehouse.core.i18n import gettext_noop
from gatehouse.federation.errors import (
    FederationDenied,
    FederationExpired,
    IdentityNotAllowed,
    IdentityNotLinked,
    IdentityTaken,
    LastSignInMethod,
    ProviderRejected,
    ProviderUnavailable,
)
from gatehouse.hooks.errors import LoginDenied, RegistrationDenied
from gatehouse.lockout.errors import FactorLocked, PasswordLocked, TooManyAttempts
from gatehouse.login.account_checks import (
    AccountAwaitsErasure,
    AccountDisabled,
    EmailUnverified,
    PasswordCompromised,
)
from gatehouse.login.reauthentication import ReauthenticationPasswordWrong
from gatehouse.login.risk import LoginRejected
from gatehouse.mfa.challenges import LoginNotPending
from gatehouse.mfa.errors import (
    FactorUnavailable,
    FactorVerificationFailed,
    MfaEnrolmentOverdue,
    PhoneUnverified,
    ResetNotPending,
    TooManyFactors,
)
from gatehouse.oauth.authorization_validation import UnknownClient, UnregisteredRedirectUri
from gatehouse.oauth.errors import InvalidRequest
from gatehouse.oauth.sealed_request import SignInExpired, TooManyPages
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.pages.security_headers import current_locale, gettext
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.sessions.errors import SessionEnded
from gatehouse.tokens.errors import TokenMissing
from gatehouse.users.errors import (
    EmailVerificationFailed,
    InvitationFailed,
    RegistrationClosed,
    RegistrationPasswordWrong,
    UsernameTaken,
)

SENTENCES: dict[type[ApiError], str] = {
    InvalidCredentials: gettext_noop("The identifier or the password is wrong."),
    ReauthenticationPasswordWrong: gettext_noop("The password is wrong."),
    EmailChangePasswordWrong: gettext_noop("The password is wrong."),
    RegistrationPasswordWrong: gettext_noop(
        "The code or link is right, but this is not the password that you chose when you created"
        " the account."
    ),
    MfaRecoveryPasswordWrong: gettext_noop("The code is right, but the password is wrong."),
    InvalidCode: gettext_noop("This code is wrong, has expired, or was used before."),
    FactorVerificationFailed: gettext_noop(
        "This code is wrong, has expired, or was used before. If it comes from an app, check that"
        " the clock of that device is right."
    ),
    EmailVerificationFailed: gettext_noop(
        "This code or link is wrong, has expired, or was used before. If you have confirmed your"
        " e-mail address already, sign in."
    ),
    PasswordResetFailed: gettext_noop(
        "This code or link is wrong, has expired, or was used before. If you have set a new"
        " password already, sign in with it."
    ),
    InvitationFailed: gettext_noop(
        "This invitation is wrong, has expired, or was used before. If you have accepted it"
        " already, sign in."
    ),
    MfaRecoveryFailed: gettext_noop(
        "This code is wrong, has expired, or was requested on another page. Request a new one."
    ),
    EmailRevertFailed: gettext_noop(
        "This link is wrong, has expired or was used before, or the address has a new account."
    ),
    RestorationFailed: gettext_noop(
        "This link is wrong or was used before, or the account has been erased."
    ),
    ProofsNotIndependent: gettext_noop(
        "Code and password are right, but this password was itself set with a message, so it does"
        " not count here. Enter one of your recovery codes instead, or contact the operator of the"
        " service."
    ),
    RegistrationClosed: gettext_noop("No new accounts can be created here."),
    RegistrationDenied: gettext_noop(
        "The operator of the service does not allow this account. Please contact the operator."
    ),
    LoginNotPending: gettext_noop(
        "This sign-in is over: it took too long or had too many wrong codes. Please sign in again."
    ),
    TooManyAttempts: gettext_noop(
        "Too many attempts failed, so this one was not checked. Wait a while, or use a device on"
        " which you have signed in before."
    ),
    PasswordLocked: gettext_noop(
        "Too many passwords were wrong, so this one was not checked. Use a device on which you have"
        " signed in before, or reset your password."
    ),
    FactorLocked: gettext_noop(
        "Too many codes were wrong, so this one was not checked. Use a device on which you have"
        " signed in before, or contact the operator of the service."
    ),
    AccountDisabled: gettext_noop(
        "This account is disabled. Please contact the operator of the service."
    ),
    AccountAwaitsErasure: gettext_noop(
        "This account is deleted, and its data is erased soon. To keep it, open the link in the"
        " e-mail about its deletion."
    ),
    EmailUnverified: gettext_noop(
        "Your e-mail address is not confirmed yet. Open the e-mail that was sent when you signed"
        " up, or reset your password."
    ),
    PasswordCompromised: gettext_noop(
        "The password is correct, but it is known to others. Please choose a new one first: reset"
        " your password."
    ),
    LoginRejected: gettext_noop(
        "This sign-in looks unusual, so it was stopped. Try again from a device or network that"
        " you use more often, or contact the operator of the service."
    ),
    LoginDenied: gettext_noop(
        "The operator of the service does not allow this sign-in. Please contact the operator."
    ),
    MfaEnrolmentOverdue: gettext_noop(
        "This service requires a second factor, and your account has none. Please contact the"
        " operator of the service."
    ),
    FactorUnavailable: gettext_noop("This is not possible here. Please choose another way."),
    CaptchaRequired: gettext_noop(
        "To be sure that you are not a robot, your browser has to solve a small task. Enter your"
        " password again; this needs JavaScript."
    ),
    ValidationFailed: gettext_noop("Please fill in all fields; one of them is empty or too long."),
    CsrfFailed: gettext_noop(
        "This form belongs to another sign-in, so nothing was changed. Go back, load the page"
        " again, and repeat the step."
    ),
    SessionEnded: gettext_noop("You have been signed out. Please sign in again."),
    TokenMissing: gettext_noop("You are not signed in. Please sign in again."),
    RateLimited: gettext_noop("There were too many requests. Wait a moment, then try again."),
    ServiceBusy: gettext_noop("Very many people are signing in right now. Please try again."),
    ServiceUnavailable: gettext_noop(
        "The service cannot answer right now; nothing was changed. Please try again in a moment."
    ),
    ProviderRejected: gettext_noop(
        "The answer of the provider was not valid, so it was not accepted. Please begin again."
    ),
    FederationDenied: gettext_noop(
        "The sign-in was cancelled at the provider. Begin again, or sign in in another way."
    ),
    FederationExpired: gettext_noop(
        "This sign-in took too long, was completed before, or was begun in another browser. Please"
        " begin again."
    ),
    ProviderUnavailable: gettext_noop(
        "The provider does not answer right now. Try again in a moment, or sign in in another way."
    ),
    IdentityNotAllowed: gettext_noop(
        "This account of the provider cannot be used here. Use another one, or contact the operator"
        " of the service."
    ),
    IdentityNotLinked: gettext_noop(
        "This account of the provider belongs to no account here yet. Sign in in another way, or"
        " create an account; then link the two in your account."
    ),
    IdentityTaken: gettext_noop(
        "This account of the provider is linked to another account here. Sign in with it, and"
        " unlink it there first."
    ),
    LastSignInMethod: gettext_noop(
        "This is your only way to sign in. Choose a password or add a passkey first."
    ),
    SignInExpired: gettext_noop(
        "This sign-in took too long, or was not begun here. Go back to the application, and sign in"
        " from there again."
    ),
    TooManyPages: gettext_noop(
        "This sign-in went in circles, so it was stopped. Go back to the application, and sign in"
        " from there again."
    ),
    UnknownClient: gettext_noop(
        "The application that sent you here is not registered with this service, or is disabled."
        " Please tell those who run the application."
    ),
    UnregisteredRedirectUri: gettext_noop(
        "The application that sent you here wants you back at an address that it is not registered"
        " with. Please tell those who run the application."
    ),
    InvalidRequest: gettext_noop(
        "The application that sent you here made a mistake in its request. Please tell those who"
        " run the application."
    ),
    MalformedRequest: gettext_noop(
        "The request is ambiguous: something in it was sent twice. Please tell those who run the"
        " application that sent you here."
    ),
    CurrentPasswordWrong: gettext_noop("The current password is wrong."),
    UsernameTaken: gettext_noop("This username is taken. Please choose another one."),
    PhoneTaken: gettext_noop("This phone number belongs to another account by now."),
    PhoneUnverified: gettext_noop("Please confirm your phone number first."),
    TooManyFactors: gettext_noop(
        "You have this factor already, or as many as are possible. Remove one first."
    ),
    ResetNotPending: gettext_noop("There is nothing to cancel any more."),
    LastAdministrator: gettext_noop(
        "You are the last administrator, so your account cannot be deleted. Make another person"
        " an administrator first."
    ),
    NotFound: gettext_noop("This does not exist, or is no longer there."),
}
OTHER = gettext_noop("That did not work. Please try again.")
MISSING = gettext_noop("Please fill this in.")
FIELD_SENTENCES = {
    "required": MISSING,
    "blank": MISSING,
    "too_long": gettext_noop("This is too long."),
    "one_proof": gettext_noop("Enter your password or a recovery code, one of the two."),
    "unprintable": gettext_noop("This contains characters that cannot be used here."),
}
"""Codes of field errors, and what the pages say; other field errors are shown as they are."""
HINTS = {
    "email": gettext_noop("Enter a complete e-mail address, such as name@example.com."),
    "identifier": gettext_noop("Enter your e-mail address, username or phone number."),
    "code": gettext_noop("Enter the code from the message."),
    "password": gettext_noop("Enter a password."),
    "token": gettext_noop("Paste the complete link from the e-mail."),
}
"""What the best-known fields need, for people who left one empty or mistyped it."""
MISTYPED = ("required", "blank", "invalid")
FIELDS_OF_ERRORS: dict[type[ApiError], str] = {
    InvalidCode: "code",
    RegistrationPasswordWrong: "password",
    EmailChangePasswordWrong: "password",
    MfaRecoveryPasswordWrong: "password",
    UsernameTaken: "username",
}
WHOLE = "_schema"
"""The key of errors that concern no single field."""


def describe_error(error: ApiError) -> str:
    """Return the sentence about an error for users, in the language of the response."""
    known = (SENTENCES[cls] for cls in type(error).__mro__ if cls in SENTENCES)
    return gettext(next(known, OTHER))


def describe_fields(error: ApiError | None) -> dict[str, list[str]]:
    """Return the sentences about each field, in the language of the response; {} without any."""
    if isinstance(error, ValidationFailed):
        return {
            name: [_describe_field(name, item) for item in found]
            for name, found in error.errors.items()
            if name != WHOLE
        }
    names = [FIELDS_OF_ERRORS[cls] for cls in type(error).__mro__ if cls in FIELDS_OF_ERRORS]
    return {name: [describe_error(error)] for name in names[:1] if error}


def _describe_field(name: str, item: Mapping[str, str]) -> str:
    if item["code"] in MISTYPED and name in HINTS:
        return gettext(HINTS[name])
    return current_locale().gettext(FIELD_SENTENCES.get(item["code"], item["message"]))
