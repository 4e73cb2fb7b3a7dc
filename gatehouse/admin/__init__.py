"""The operators' API: each route needs a permission, a second factor and a recent sign-in."""
