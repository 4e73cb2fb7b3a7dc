"""Signatures of Standard Webhooks."""

import base64

from gatehouse.hooks import signing
from gatehouse.hooks.signing import SignedMessage

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = SignedMessage("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
"""The known answer in the tests of the libraries of the specification."""


def test_signature_has_the_known_value():
    assert signing.sign(MESSAGE, 1614265330, SECRET) == SIGNATURE


def test_signature_is_by_each_secret_in_their_order(app):
    other = signing.create_secret()
    with app.app_context():
        headers = signing.build_headers(MESSAGE, [other, SECRET])

    timestamp = int(headers["webhook-timestamp"])
    assert headers["webhook-id"] == MESSAGE.id
    assert headers["webhook-signature"].split(" ") == [
        signing.sign(MESSAGE, timestamp, other),
        signing.sign(MESSAGE, timestamp, SECRET),
    ]


def test_secret_has_256_random_bits():
    first, second = (base64.b64decode(signing.create_secret()[6:]) for _ in range(2))

    assert len(first) == len(second) == 32
    assert first != second
