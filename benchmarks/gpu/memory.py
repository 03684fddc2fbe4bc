"""Whether training keeps memory, and whether PyTorch's pool gets back what CuPy's arrays had from it."""

import gc
from typing import Any, Callable, Dict, Iterator

from ..bench_models import WORKLOADS, functional
from ..result import OURS, Result, Target
from ..timing import Timing
from .card import Card
from .models import batches_of

STEPS = 200
SLACK = 2 << 20  # bytes; blocks of the driver are as large


def flat(card: Card, peers: Dict[str, Any]) -> Iterator[Result]:
    """Bytes of the device that are gone after many steps of the tagger, of batches of several sizes."""
    import thinc_core.api

    work = WORKLOADS["tagger"]
    batches = [card.moved(batch) for batch in batches_of(card, work, min(card.scale.batches, 4))]
    train = functional(thinc_core.api, work, batches)["train"]
    train()
    free = free_bytes(card)
    steps = 1 if card.dry else STEPS // len(batches)
    for _ in range(steps):
        train()
    yield row(card, f"memory kept by {steps * len(batches)} steps", free - free_bytes(card))


def shared(card: Card, peers: Dict[str, Any]) -> Iterator[Result]:
    """Bytes that PyTorch still counts as in use after arrays of CuPy that had them are gone."""
    name, torch = "memory of PyTorch's pool not given back", peers.get("torch")
    if torch is None or card.dry:
        yield Result("gpu", name, "", {}, [Target("limit", 1.0)], "memory", note="needs PyTorch with CUDA")
        return
    from thinc_core.api import set_gpu_allocator

    before_allocator, before = card.cuda.get_allocator(), torch.cuda.memory_allocated(card.number)
    set_gpu_allocator("pytorch")
    try:
        yield row(card, name, left_behind(card, lambda: torch.cuda.memory_allocated(card.number) - before))
    finally:
        card.cuda.set_allocator(before_allocator)


def left_behind(card: Card, used: Callable[[], int]) -> int:
    """What `used` says after arrays of 64 MB have been made and dropped. RAISES: AssertionError if it saw none."""
    arrays = [card.ops.alloc((1 << 24,)) for _ in range(4)]
    seen = used()
    del arrays
    gc.collect()
    if seen < 4 << 26:
        raise AssertionError(f"arrays of {4 << 26} bytes are in the pool as {seen}")
    return used()


def free_bytes(card: Card) -> int:
    """What the driver says that is free."""
    card.synchronize()
    gc.collect()
    return int(card.cuda.runtime.memGetInfo()[0])


def row(card: Card, name: str, kept: int) -> Result:
    """Bytes that should be none."""
    if card.dry:
        return Result("gpu", name, "", {}, family="memory", note="dry run: ran", extra={"dry_run": True})
    costs = {OURS: Timing(float(max(kept, 0))), "limit": Timing(float(SLACK))}
    return Result("gpu", name, "", costs, [Target("limit", 1.0)], "memory", unit="bytes")
