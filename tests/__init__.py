"""Tests: through the public API, over real sockets, in tables of small cases."""
