"""The configs to start from that `thinc-core init` writes, with values replaced and comments kept."""

import json
import re
from pathlib import Path
from typing import Any, List, Mapping, Optional

from .errors import UserError
from .settings import TrainingSettings, parse_config, read_section

DATA = Path(__file__).parent / "data"
_SECTION = re.compile(r"\[([^\[\]]+)\]\s*$")


def starter_config(task: str, overrides: Mapping[str, Any] = {}) -> str:
    """The text of a task's config. overrides: {"section.key": value} for values that stand in it."""
    path = DATA / f"{task}.cfg"
    text = path.read_text(encoding="utf8")
    config = parse_config(text, path.name, overrides)
    lines: List[str] = text.splitlines()
    for key, value in overrides.items():
        section, _, option = key.rpartition(".")
        index = _find(lines, section, option)
        if index is None:
            raise UserError(f"--{key}: the starter config has no such value to replace")
        lines[index] = f"{option} = {json.dumps(value)}"
    read_section(config, "training", TrainingSettings)
    return "\n".join(lines) + "\n"


def _find(lines: List[str], section: str, option: str) -> Optional[int]:
    current = ""
    for index, line in enumerate(lines):
        heading = _SECTION.match(line)
        if heading:
            current = heading[1]
        elif current == section and line.partition("=")[0].strip() == option:
            return index
    return None
