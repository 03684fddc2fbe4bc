"""What the text of a .cu file says of its kernels: which of them make threads of a block wait for each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, List, Set

from thinc_core.backends.cuda import _device

BARRIER = re.compile(r"^ *__sync(?:threads|warp)\w*\([^;]*\);[ \\]*\n", re.MULTILINE)
SHARES = re.compile(r"\b(?:__syncthreads\w*|__syncwarp|SHARED|DYNAMIC_SHARED)\(")


@dataclass
class Barrier:
    """A statement that is nothing but a barrier. text: what is compiled, without it."""

    file: str
    line: int
    text: str


def barriers(stem: str, file: str) -> List[Barrier]:
    """Those of one file, in the text that is compiled for a stem."""
    text, found = _device.source(stem), []
    for match in BARRIER.finditer(text):
        before = text[: match.start()]
        (number, name), *_ = re.findall(r'#line (\d+) "(.*)"\n', before[before.rindex("#line ") :])
        if name == file:
            line = int(number) - 1 + before.count("\n", before.rindex("#line "))
            found.append(Barrier(file, line, f"{before}\n{text[match.end() :]}"))
    return found


def sharing_kernels(stem: str) -> Set[str]:
    """How the names of kernels begin that may use barriers or shared memory, by themselves or in what they call."""
    pieces = _pieces(re.sub(r"//.*", "", _device.source(stem)))
    sharing = {name for name, text in pieces.items() if SHARES.search(text)}
    while True:
        calls = re.compile(rf"\b(?:{'|'.join(sharing)})\b")
        more = {name for name, text in pieces.items() if calls.search(text)} if sharing else set()
        if more <= sharing:
            return {name[1:] for name in sharing if name.startswith("@")}
        sharing |= more


def _pieces(source: str) -> Dict[str, str]:
    """Bodies of functions and structs by name; those of kernels by "@" and the name up to what a macro adds to it."""
    found: Dict[str, str] = {}
    for piece in re.split(r"^(?=DEVICE|struct|#define \w+\(suffix|(?:\w+_)?KERNEL\()", source, flags=re.MULTILINE):
        for kernel in re.split(r"\b(?:\w+_)?KERNEL\((?!name)", piece)[1:]:
            _add(found, "@" + re.split(r"##|,", kernel)[0], kernel)
        head = re.match(r"struct (?:__align__\(.*?\) )?(\w+)|DEVICE [^(]*?(\w+)\(", piece)
        if head:
            _add(found, head[1] or head[2], piece[head.end() :])
    return found


def _add(found: Dict[str, str], name: str, text: str) -> None:
    found[name] = found.get(name, "") + text
