"""Seed and state of PyTorch's generators. It is not imported for them: it gets its seed now, or when it is imported."""

import importlib.util
import sys
from typing import Any, List, Optional, Sequence


class _SeedsPyTorch:
    """A finder on sys.meta_path that finds nothing by itself: it adds the seed to the import of torch."""

    seed = 0
    _is_asking = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[Any]:
        if name != "torch" or self._is_asking:
            return None
        self._is_asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._is_asking = False
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                run(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                    _seed(module, self.seed)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


_FINDER: Any = _SeedsPyTorch()


def seed_torch(seed: int) -> None:
    """Seed PyTorch, now if it is imported already, else when it is."""
    from . import compat

    if _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)
    if "torch" in sys.modules:
        if compat.has_torch:
            _seed(compat.torch, seed)
        return
    _FINDER.seed = seed
    sys.meta_path.insert(0, _FINDER)


def torch_state() -> List[List[int]]:
    """The state of PyTorch's generators, of the CPU and of each GPU in use; none when it is not imported."""
    torch = _imported_torch()
    if torch is None:
        return []
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [state.tolist() for state in (torch.get_rng_state(), *on_gpus)]


def set_torch_state(states: Sequence[Sequence[int]]) -> None:
    """The inverse of torch_state. On a machine with other GPUs, those keep theirs."""
    torch = _imported_torch()
    if torch is None or not states:
        return
    cpu, *on_gpus = (torch.tensor(state, dtype=torch.uint8) for state in states)
    torch.set_rng_state(cpu)
    if on_gpus and torch.cuda.device_count() == len(on_gpus):
        torch.cuda.set_rng_state_all(on_gpus)


def _imported_torch() -> Optional[Any]:
    from . import compat

    return compat.torch if "torch" in sys.modules and compat.has_torch else None


def _seed(torch: Any, seed: int) -> None:
    torch.manual_seed(seed)
    if torch.cuda.device_count():
        torch.cuda.manual_seed_all(seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
