"""Subjects: what an application calls a user, who keeps that name alone and for ever."""

import pytest

from gatehouse.operations.cleanup import run_cleanup
from models import PairwiseSubject
from tests.rows import rows


@pytest.fixture
def ada(make_user):
    return make_user(email="ada@example.com")


@pytest.mark.requirement("OP-04")
def test_pairwise_subject_is_one_for_each_sector(app, make_relying_party, ada):
    pairwise = {"subject_type": "pairwise"}
    first = make_relying_party(**pairwise, sector="shop.example.com")
    second = make_relying_party(id="twin", **pairwise, sector="shop.example.com")
    other = make_relying_party(id="other", **pairwise, sector="other.example.com")

    subjects = [party.sign_in(ada)["claims"]["sub"] for party in (first, first, second, other)]
    tokens = first.tokens

    assert subjects[0] == subjects[1] == subjects[2] != subjects[3]
    assert first.userinfo(tokens["access_token"]).json["sub"] == subjects[0]
    assert len(rows(app, PairwiseSubject)) == 2
    assert ada.email not in subjects


@pytest.mark.requirement("OP-04")
def test_subject_of_an_erased_user_is_not_given_to_who_registers_with_the_address(
    app, make_relying_party, make_user, client, ada, wait
):
    public = make_relying_party()
    pairwise = make_relying_party(id="pair", subject_type="pairwise", sector="pair.example.com")
    before = [party.sign_in(ada)["claims"]["sub"] for party in (public, pairwise)]
    own = client.as_(client.log_in(ada))
    assert own.delete("/auth/me").status_code == 204
    wait(days=31)
    with app.app_context():
        run_cleanup()

    again = make_user(email=ada.email)

    after = [party.sign_in(again)["claims"]["sub"] for party in (public, pairwise)]
    assert len({*before, *after}) == 4
