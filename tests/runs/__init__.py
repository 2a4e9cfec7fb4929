"""Tests of runs and their folders."""
