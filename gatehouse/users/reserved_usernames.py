"""Usernames that no user may choose: others would take their owner for the service or its staff.

The roles of RFC 2142, the names that operators use, and words that a URL or a log may contain.
"""

PRODUCT_NAME = "gatehouse"
NAMES = """
abuse account accounts admin administration administrator admins all anonymous api auth
authentication billing bot compliance contact customerservice customersupport daemon everyone
feedback ftp guest help helpdesk hostmaster info legal localhost login logout mail mailerdaemon
marketing moderator moderators news nobody noc noreply notifications null oauth official
operator operators owner password payment payments policy postmaster press privacy register root
sales security service settings signin signout signup staff status sudo superadmin superuser
support sysadmin sysop system systemadmin team trust undefined uucp verification verified
webmaster www
"""
RESERVED_USERNAMES = frozenset(NAMES.split())
_WITHOUT_SEPARATORS = str.maketrans("", "", "._- ")


def is_reserved(username: str, service_name: str) -> bool:
    """Return whether a username is reserved, in any case and however it is punctuated."""
    plain = _strip_separators(username)
    return plain in RESERVED_USERNAMES | {PRODUCT_NAME, _strip_separators(service_name)}


def _strip_separators(name: str) -> str:
    return name.lower().translate(_WITHOUT_SEPARATORS)
