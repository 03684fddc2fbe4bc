"""The seed of PyTorch, which is not imported for it: it gets its seed now, or when somebody imports it."""

import importlib.util
import sys
from typing import Any, Optional


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


def _seed(torch: Any, seed: int) -> None:
    torch.manual_seed(seed)
    if torch.cuda.device_count():
        torch.cuda.manual_seed_all(seed)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
