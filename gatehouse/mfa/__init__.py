"""Second factors: enrolment, challenges, verification, reset. Must not import `login`."""
