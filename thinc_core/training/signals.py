"""Stopping a run from outside: between two updates, so that what is saved is consistent."""

import signal
import threading
from contextlib import contextmanager
from types import FrameType
from typing import Callable, Iterator, List, Optional


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], Optional[int]]]:
    """Within the block, Ctrl-C and SIGTERM only ask to stop; a second Ctrl-C interrupts at once.

    Stopping between two updates is what keeps weights, optimizer and random state consistent.
    YIELDS: a function that returns the number of the signal that came, or None.
    """
    received: List[int] = []

    def handler(number: int, frame: Optional[FrameType]) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, handler) for number in numbers]
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, old in zip(numbers, previous):
            signal.signal(number, old)
