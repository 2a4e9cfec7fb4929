"""Tests of the room callbacks."""
