"""Attestation: an operator can allow only certain authenticators, which must then attest."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.mfa.authenticator import AAGUID, sign
from tests.mfa.conftest import REJECTED, is_rejected, is_success, status_and_code

NOT_ALLOWED = (400, "authenticator_not_allowed")
AAGUID_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
UNIT = "Authenticator Attestation"


class Manufacturer:
    """A manufacturer of authenticators, with a root certificate."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
        self.root = _certificate(name, name, self.key.public_key(), self.key, ca=True)

    @property
    def pem(self):
        return self.root.public_bytes(Encoding.PEM).decode()

    def attest(self, aaguid=AAGUID, unit=UNIT, ca=False):
        """Return the overrides for packed attestation, with a certificate of these properties."""
        key = ec.generate_private_key(ec.SECP256R1())
        unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Leaf"), unit])
        leaf = _certificate(name, self.root.subject, key.public_key(), self.key, aaguid, ca)
        chain = [leaf.public_bytes(Encoding.DER)]
        return {
            "fmt": "packed",
            "statement": lambda signed: {"alg": -7, "sig": sign(key, signed), "x5c": chain},
        }


def _certificate(name, issuer, public, key, aaguid=None, ca=False):
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, name, public, x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=365))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if aaguid:
        extension = x509.UnrecognizedExtension(AAGUID_EXTENSION, b"\x04\x10" + aaguid)
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256())


MANUFACTURER = Manufacturer()
only_this_manufacturer = pytest.mark.settings(GATEHOUSE_PASSKEY_ATTESTATION_ROOTS=MANUFACTURER.pem)
only_this_model = pytest.mark.settings(
    GATEHOUSE_PASSKEY_ATTESTATION_ROOTS=MANUFACTURER.pem,
    GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS=str(UUID(bytes=AAGUID)),
)


def self_attestation(browser):
    return {
        "fmt": "packed",
        "statement": lambda signed: {"alg": -7, "sig": sign(browser.authenticator.key, signed)},
    }


@pytest.mark.requirement("WA-13")
def test_attestation_is_not_requested_by_default(browser):
    assert browser.request_options("registration")["public_key"]["attestation"] == "none"
    assert is_success(browser.register())


@pytest.mark.requirement("WA-13")
def test_attestation_that_was_not_requested_is_still_verified(browser, new_browser):
    wrong = {"fmt": "packed", "statement": {"alg": -7, "sig": b"wrong"}}

    assert is_rejected(browser.register(**wrong))
    assert is_rejected(browser.register(fmt="packed", statement={}))
    assert is_success(browser.register(**self_attestation(browser)))
    assert is_success(new_browser().register(**MANUFACTURER.attest()))


@only_this_manufacturer
@pytest.mark.requirement("WA-13")
def test_attestation_of_an_allowed_manufacturer_is_requested_and_accepted(browser):
    assert browser.request_options("registration")["public_key"]["attestation"] == "direct"
    assert is_success(browser.register(**MANUFACTURER.attest()))
    assert is_success(browser.sign_in())


@only_this_manufacturer
@pytest.mark.requirement("WA-13")
def test_attestation_is_required_where_authenticators_are_restricted(browser):
    assert status_and_code(browser.register()) == NOT_ALLOWED
    assert status_and_code(browser.register(**self_attestation(browser))) == NOT_ALLOWED


@only_this_manufacturer
@pytest.mark.requirement("WA-13")
def test_attestation_chain_must_end_at_a_trusted_root(browser):
    impostor = Manufacturer()  # the same name, but another key

    assert is_rejected(browser.register(**impostor.attest()))


@only_this_manufacturer
@pytest.mark.requirement("WA-13")
def test_attestation_chain_that_is_malformed_is_rejected_cleanly(browser):
    chains = [[b""], [b"nonsense"], ["text"], "text", 1, [[]]]
    statements = [{"alg": -7, "sig": b"wrong", "x5c": chain} for chain in chains]

    responses = [
        status_and_code(browser.register(fmt="packed", statement=one)) for one in statements
    ]

    assert responses == [REJECTED] * 6


@only_this_manufacturer
@pytest.mark.requirement("WA-13")
def test_attestation_certificate_must_match_the_authenticator(browser):
    overrides = [{"aaguid": bytes(16)}, {"unit": "Web Servers"}, {"ca": True}]

    responses = [
        status_and_code(browser.register(**MANUFACTURER.attest(**override)))
        for override in overrides
    ]

    assert responses == [NOT_ALLOWED] * 3


@only_this_model
@pytest.mark.requirement("WA-13")
def test_attestation_certificate_determines_whether_the_model_is_allowed(browser):
    other = bytes(15) + b"\x01"

    assert (
        status_and_code(browser.register(aaguid=other, **MANUFACTURER.attest(aaguid=other)))
        == NOT_ALLOWED
    )
    assert status_and_code(browser.register(**MANUFACTURER.attest(aaguid=None))) == NOT_ALLOWED
    assert status_and_code(browser.register(aaguid=other, **MANUFACTURER.attest())) == NOT_ALLOWED
    assert is_success(browser.register(**MANUFACTURER.attest()))
