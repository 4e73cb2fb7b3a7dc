"""An operator may allow certain authenticators only; then each has to prove what it is."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.mfa.authenticator import MODEL, sign
from tests.mfa.conftest import REFUSED, succeeds, told

NOT_ALLOWED = (400, "authenticator_not_allowed")
NAMES_MODEL = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
UNIT = "Authenticator Attestation"


class Maker:
    """A maker of authenticators, with an authority of its own."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")])
        self.root = _certificate(name, name, self.key.public_key(), self.key, ca=True)

    @property
    def pem(self):
        return self.root.public_bytes(Encoding.PEM).decode()

    def attest(self, model=MODEL, unit=UNIT, ca=False):
        """Return the lies with which an authenticator attests itself: in truth, or not."""
        key = ec.generate_private_key(ec.SECP256R1())
        unit = x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Leaf"), unit])
        leaf = _certificate(name, self.root.subject, key.public_key(), self.key, model, ca)
        chain = [leaf.public_bytes(Encoding.DER)]
        return {
            "fmt": "packed",
            "statement": lambda signed: {"alg": -7, "sig": sign(key, signed), "x5c": chain},
        }


def _certificate(name, issuer, public, key, model=None, ca=False):
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, name, public, x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=365))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if model:
        named = x509.UnrecognizedExtension(NAMES_MODEL, b"\x04\x10" + model)
        builder = builder.add_extension(named, critical=False)
    return builder.sign(key, hashes.SHA256())


MAKER = Maker()
only_from_maker = pytest.mark.settings(GATEHOUSE_PASSKEY_ROOTS=MAKER.pem)
only_the_model = pytest.mark.settings(
    GATEHOUSE_PASSKEY_ROOTS=MAKER.pem, GATEHOUSE_PASSKEY_MODELS=str(UUID(bytes=MODEL))
)


def self_attestation(browser):
    return {
        "fmt": "packed",
        "statement": lambda signed: {"alg": -7, "sig": sign(browser.authenticator.key, signed)},
    }


@pytest.mark.requirement("WA-13")
def test_nobody_is_asked_what_their_authenticator_is(browser):
    assert browser.options("registration")["public_key"]["attestation"] == "none"
    assert succeeds(browser.register())


@pytest.mark.requirement("WA-13")
def test_attestation_that_comes_unasked_must_still_be_right(browser, new_browser):
    wrong = {"fmt": "packed", "statement": {"alg": -7, "sig": b"wrong"}}

    assert told(browser.register(**wrong)) == REFUSED
    assert told(browser.register(fmt="packed", statement={})) == REFUSED
    assert succeeds(browser.register(**self_attestation(browser)))
    assert succeeds(new_browser().register(**MAKER.attest()))


@only_from_maker
@pytest.mark.requirement("WA-13")
def test_an_authenticator_of_an_allowed_maker_is_asked_and_accepted(browser):
    assert browser.options("registration")["public_key"]["attestation"] == "direct"
    assert succeeds(browser.register(**MAKER.attest()))
    assert succeeds(browser.sign_in())


@only_from_maker
@pytest.mark.requirement("WA-13")
def test_an_authenticator_that_proves_nothing_is_not_allowed(browser):
    assert told(browser.register()) == NOT_ALLOWED
    assert told(browser.register(**self_attestation(browser))) == NOT_ALLOWED


@only_from_maker
@pytest.mark.requirement("WA-13")
def test_the_chain_must_end_at_an_allowed_maker(browser):
    pretender = Maker()  # with the same name, and another key

    assert told(browser.register(**pretender.attest())) == REFUSED


@only_from_maker
@pytest.mark.requirement("WA-13")
def test_a_chain_that_is_none_is_refused_cleanly(browser):
    chains = [[b""], [b"nonsense"], ["text"], "text", 1, [[]]]
    statements = [{"alg": -7, "sig": b"wrong", "x5c": chain} for chain in chains]

    answers = [told(browser.register(fmt="packed", statement=one)) for one in statements]

    assert answers == [REFUSED] * 6


@only_from_maker
@pytest.mark.requirement("WA-13")
def test_a_certificate_must_be_one_for_this_authenticator(browser):
    lies = [{"model": bytes(16)}, {"unit": "Web Servers"}, {"ca": True}]

    answers = [told(browser.register(**MAKER.attest(**lie))) for lie in lies]

    assert answers == [NOT_ALLOWED] * 3


@only_the_model
@pytest.mark.requirement("WA-13")
def test_only_allowed_models_are_accepted_and_a_certificate_says_which_it_is(browser):
    other = bytes(15) + b"\x01"

    assert told(browser.register(aaguid=other, **MAKER.attest(model=other))) == NOT_ALLOWED
    assert told(browser.register(**MAKER.attest(model=None))) == NOT_ALLOWED
    assert told(browser.register(aaguid=other, **MAKER.attest())) == NOT_ALLOWED
    assert succeeds(browser.register(**MAKER.attest()))
