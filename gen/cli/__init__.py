"""The `nomul` command line: one small file per command."""

from nomul.gen.cli.application import main

__all__ = ["main"]
