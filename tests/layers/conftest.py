"""`pytest tests/layers/test_layers_contract.py --contract-table` prints layers x batches x checks."""

from collections import Counter, defaultdict
from typing import Any, Dict, Tuple

import pytest

WHERE: Dict[str, Tuple[str, str]] = {}  # test: its check and its row of the table


def pytest_addoption(parser: Any) -> None:
    parser.addoption("--contract-table", action="store_true", help="print what each layer was put through")


def pytest_collection_modifyitems(items: Any) -> None:
    for item in items:
        params = getattr(item, "callspec", None) and item.callspec.params
        if params and hasattr(params.get("case"), "kinds"):
            WHERE[item.nodeid] = (item.originalname.removeprefix("test_"), params["case"])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("--contract-table", default=False):
        return
    passed, failed = defaultdict(Counter), Counter()
    for outcome, counts in terminalreporter.stats.items():
        for report in counts:
            check, case = WHERE.get(getattr(report, "nodeid", ""), (None, None))
            if check and outcome == "passed":
                passed[case.id, "+".join(case.kinds)][check] += 1
            elif check and outcome in ("failed", "error"):
                failed[check] += 1
    checks = sorted({check for counts in passed.values() for check in counts})
    write = terminalreporter.write_line
    write("\n| layer | batches | " + " | ".join(check.replace("_", " ") for check in checks) + " |")
    write("|---" * (len(checks) + 2) + "|")
    for (layer, kinds), counts in sorted(passed.items()):
        write(f"| {layer} | {kinds} | " + " | ".join(str(counts[check] or "-") for check in checks) + " |")
    total = Counter()
    for counts in passed.values():
        total += counts
    write(f"| {len(passed)} rows | | " + " | ".join(str(total[check]) for check in checks) + " |")
    write(f"{sum(total.values())} passed, {sum(failed.values())} failed: {dict(failed) or 'none'}")
