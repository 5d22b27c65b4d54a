#!/usr/bin/env python
"""Ripen's command line."""

import os
import sys


def main() -> None:
    """Run one command, with the embedded services at hand where the environment names no others."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.local.session import serve_command

    with serve_command(sys.argv):
        from django.core.management import execute_from_command_line

        from config.web.through import COMMAND, come_through

        come_through(COMMAND, label=" ".join(sys.argv[1:2]))
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
