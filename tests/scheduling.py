"""Which tests stay in one process when several share the work, and in which order they come.

pytest-xdist has `--dist loadgroup` for this, by a mark on the tests; with pytest 9.2 the mark is lost without a word,
since the plugin (3.8) writes the group into an attribute that pytest no longer reads. So the groups go by path.

The longest come first, so that all processes end at about the same time. How long each file takes stands in
seconds.json; after `make test`, the times of that run are put there by

    python tests/scheduling.py .pytest_cache/times.xml
"""

from __future__ import annotations

import json
import sys
from collections import Counter, OrderedDict
from pathlib import Path
from xml.etree import ElementTree

import pytest
from xdist.scheduler import LoadScopeScheduling

# Each shares fixtures of the session, which in both processes would cost a minute: trained models, bundles, a service.
SHARING = {
    "service": tuple(f"tests/e2e/test_{name}.py" for name in ("bad_input", "killed", "main_job", "types")),
    "training": ("tests/reco_core/model/", "tests/reco_core/training/"),
    "files": ("tests/reco_core/export/", "tests/reco_core/adding/", "tests/reco_core/test_"),
}
SECONDS = Path(__file__).with_name("seconds.json")
# Of a test in a file that isn't in the table, which holds those that take more than a second.
SECONDS_OF_OTHERS = 0.05


class LongestFirst(OrderedDict[str, dict[str, bool]]):
    """Groups by name, each with its tests; the one that takes longest is taken first."""

    def __init__(self) -> None:
        super().__init__()
        self.table: dict[str, float] = json.loads(SECONDS.read_text())

    def popitem(self, last: bool = True) -> tuple[str, dict[str, bool]]:
        """Whichever end is asked for."""
        longest = max(self, key=lambda name: self.seconds(self[name]))
        return longest, self.pop(longest)

    def seconds(self, tests: dict[str, bool]) -> float:
        """What the files of these tests take together."""
        counts = Counter(map(file_of, tests))
        return sum(self.table.get(path, count * SECONDS_OF_OTHERS) for path, count in counts.items())


class ByGroup(LoadScopeScheduling):
    """A group at a time, the longest first; whatever is in no group goes by its file."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        self.workqueue = LongestFirst()

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """The group of a test."""
    for name, paths in SHARING.items():
        if nodeid.startswith(paths):
            return name
    return file_of(nodeid)


def file_of(nodeid: str) -> str:
    """The file of a test."""
    return nodeid.split("::", 1)[0]


@pytest.hookimpl(optionalhook=True)  # there is no such hook with `-p no:xdist`
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByGroup | None:
    """For `--dist loadgroup` only."""
    return ByGroup(config, log) if config.getoption("dist") == "loadgroup" else None


def main(report: str) -> None:
    """Write the table from a report of all tests in JUnit's format."""
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        seconds[case.attrib["file"]] += float(case.attrib["time"])  # type: ignore[assignment]
    table = {path: round(total, 1) for path, total in sorted(seconds.items()) if total > 1}
    SECONDS.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
