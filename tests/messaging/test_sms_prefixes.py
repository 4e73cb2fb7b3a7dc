"""Number prefixes, by which SMS are counted."""

from gatehouse.messaging import sms_budget


def test_sms_prefix_is_the_calling_code_and_three_digits():
    prefixes = {
        "+4915112345678": "49151",
        "+12025550123": "1202",
        "+447911123456": "44791",
        "+3906123456": "39612",
        "+8613912345678": "86139",
    }

    assert {number: sms_budget.prefix_of(number) for number in prefixes} == prefixes
