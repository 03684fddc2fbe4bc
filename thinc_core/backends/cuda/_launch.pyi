from typing import Any, Callable, Optional, Tuple

class Kernel:
    name: str
    def __init__(
        self,
        name: str,
        function: int,
        entry: int,
        explain: Callable[[int], str],
        kinds: Optional[str] = None,
        owner: Any = None,
    ) -> None: ...
    def __call__(
        self, blocks: int, threads: int, stream: int, args: Tuple[Any, ...], rows: int = 1, shared: int = 0
    ) -> None: ...
