"""Tests of the room datamodules."""
