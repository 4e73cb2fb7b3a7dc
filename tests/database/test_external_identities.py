"""External identities: (issuer, subject) names one user, and is deleted with the user."""

import pytest
import sqlalchemy as sa

from gatehouse.database.session import db
from models import ExternalIdentity, User
from tests.rows import rows

pytestmark = pytest.mark.stores
ISSUER = "https://idp.example.com"


@pytest.fixture
def link(app):
    """Link an external identity to the account of an e-mail address."""

    def link(email, issuer, subject):
        [user] = rows(app, User, email_canonical=email)
        with app.app_context():
            identity = {"issuer": issuer, "subject": subject, "provider": "example"}
            db.session.add(ExternalIdentity(user_id=user.id, **identity))
            db.session.commit()

    return link


def test_external_identity_belongs_to_one_user_who_may_have_several(app, link, make_user):
    ada, bob = make_user().email, make_user().email
    link(ada, ISSUER, "1")
    link(ada, ISSUER, "2")
    link(bob, "https://other.example.com", "1")

    with pytest.raises(sa.exc.IntegrityError):
        link(bob, ISSUER, "1")

    assert len(rows(app, ExternalIdentity)) == 3


def test_external_identity_is_deleted_with_its_user(app, link, make_user):
    link(make_user().email, ISSUER, "1")

    with app.app_context():
        db.session.execute(sa.delete(User))
        db.session.commit()

    assert rows(app, ExternalIdentity) == []
