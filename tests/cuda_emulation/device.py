"""The device that CupyOps launches its kernels on when they are emulated."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path
from typing import Any, Optional

import numpy
from fake_cupy import FAKE, check_guards, note_launch

from thinc_core.backends.cuda import Device, Kernel
from thinc_core.backends.cuda._errors import ErrorWord

from . import build

SCHEDULES = ("forward", "reverse", "random")
THREADS, BLOCKS = 64, 4  # small, so that two warps, several blocks and strides over the rest are met with little work
CHUNK = 16  # rows, so that sequences of a few are long
LOCK = threading.RLock()


class EmulatedDevice(Device):
    """Kernels of a library that build.py made, on arrays of fake_cupy.py.

    library: None: every .cu file as it is.  schedule: the order in which threads run between barriers; None: what the
    environment variable THINC_CORE_CUDA_SCHEDULE says.  at_once: faults that kernels report are raised at once.
    blocks: how many run at most.
    """

    threads = THREADS
    chunk = CHUNK

    def __init__(
        self,
        library: Optional[Path] = None,
        schedule: Optional[str] = None,
        at_once: bool = True,
        blocks: int = BLOCKS,
    ) -> None:
        self.emulator = ctypes.CDLL(str(library or build.build(build.texts())))
        for name in ("find", "kinds", "failure"):
            getattr(self.emulator, f"thinc_emulation_{name}").restype = (
                ctypes.c_void_p if name == "find" else ctypes.c_char_p
            )
        self.emulator.thinc_emulation_kinds.argtypes = [ctypes.c_void_p]
        self.schedule = schedule or os.environ.get("THINC_CORE_CUDA_SCHEDULE", "forward")
        self.set_schedule(self.schedule)
        self._at_once = at_once
        super().__init__(FAKE)
        self.most_blocks = blocks

    def set_schedule(self, name: str, seed: int = 1) -> None:
        """Run threads in this order from now on, on all devices of the same library."""
        if name not in SCHEDULES:
            raise ValueError(f"THINC_CORE_CUDA_SCHEDULE: it must be one of {', '.join(SCHEDULES)}; got {name!r}")
        self.emulator.thinc_emulation_schedule(SCHEDULES.index(name), seed)

    def launch(self, stem: str, name: str, work: int, *args: Any) -> None:
        note_launch(name)
        with LOCK:
            super().launch(stem, name, work, *args)
        check_guards(name, args)

    def launch_blocks(self, stem: str, name: str, blocks: int, *args: Any, shared: int = 0) -> None:
        note_launch(name)
        with LOCK:
            super().launch_blocks(stem, name, blocks, *args, shared=shared)
        check_guards(name, args)

    def read_later(self, X: Any) -> Any:
        values = X._data.copy()
        return lambda: values

    def _stream(self) -> int:
        return 0

    def _capability(self) -> int:
        return 90

    def _multiprocessors(self) -> int:
        return 1

    def _error_word(self) -> ErrorWord:
        words = numpy.zeros(4, dtype="int64")
        return ErrorWord(words, words.ctypes.data, lambda: None, self._at_once)

    def _load(self, stem: str, name: str) -> Kernel:
        function = self.emulator.thinc_emulation_find(name.encode())
        assert function, f"{stem}.cu has no kernel {name}"
        kinds = self.emulator.thinc_emulation_kinds(function).decode()
        entry = ctypes.cast(self.emulator.thinc_emulation_launch, ctypes.c_void_p).value or 0
        return Kernel(name, function, entry, self._failure, kinds, self.emulator)

    def _failure(self, status: int) -> str:
        return str(self.emulator.thinc_emulation_failure().decode())


_device: Optional[EmulatedDevice] = None


def emulated_device() -> EmulatedDevice:
    """The one for the whole suite, compiled when it is first asked for."""
    global _device
    with LOCK:
        if _device is None:
            _device = EmulatedDevice()
    return _device
