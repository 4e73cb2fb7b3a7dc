"""Checks of `gatehouse doctor`: one module for each subject, and the list of all in `checks`."""
