"""Colours for a terminal, and none for a file, a pipe, or a reader who has set NO_COLOR."""

import os
import re
import sys
from typing import Any

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_LINE = re.compile(r"^(\[.*\])|^([^\s=:][^=:]*?)(\s*[=:]\s*)(.*)$|^\s*[#;].*$")


def wanted(stream: Any = None) -> bool:
    """Whether a stream, stdout if none is given, is a terminal that may be written to in colours."""
    stream = sys.stdout if stream is None else stream
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: str, on: bool) -> str:
    """The text in a colour (or "bold", "dim"), or as it is when colours are not on."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if on and text else text


def paint_config(text: str, on: bool) -> str:
    """A config file with its sections, names, registered functions and comments told apart."""
    return "\n".join(map(_paint_line, text.split("\n"))) if on else text


def _paint_line(line: str) -> str:
    found = _LINE.match(line)
    if not found:
        return line
    section, name, between, value = found.groups()
    if section:
        return paint(line, "bold", True)
    if name is None:
        return paint(line, "dim", True)
    return f"{paint(name, 'cyan', True)}{between}{paint(value, 'yellow', name.startswith('@'))}"
