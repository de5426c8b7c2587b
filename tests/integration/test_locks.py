"""Each image has only the packages of its lock: do they suffice for what runs in it?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Refuses every module of a package that the lock doesn't name, as if it weren't installed.
ALONE = """
import importlib, pkgutil, re, sys
from importlib.metadata import packages_distributions
from pathlib import Path

def plain(name): return re.sub("[-_.]+", "-", name).lower()

lock = {plain(name) for name in re.findall(r"(?m)^([\\w.-]+)==", Path(sys.argv[1]).read_text())} | {"pocketrec"}
hidden = {
    module
    for module, owners in packages_distributions().items()
    if owners and not any(plain(owner) in lock for owner in owners) and module not in sys.modules
}
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
assert "pytest" in hidden and "hypothesis" in hidden

for package in map(importlib.import_module, sys.argv[2].split(",")):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith(("__main__", "migrations.env", "trainer")) and ".versions." not in module.name:
            importlib.import_module(module.name)
from registry.settings import Settings
from app.queue import _celery
for url in ("redis://127.0.0.1:1/0", "rediss://127.0.0.1:1/0", "redis+socket:///nowhere"):
    _celery(url).connection_for_write().transport
if "worker" in sys.argv[2]:
    from worker.celery_app import make_app
    make_app(Settings(broker_url="redis://127.0.0.1:1/0")).connection_for_read().transport
from sqlalchemy import create_engine
create_engine("postgresql+psycopg://x")
from uvicorn import Config
Config("app.main:create_app").load_app
"""


@pytest.mark.parametrize(
    ("lock", "packages"),
    [("api.txt", "app,registry,reco_core.config,reco_core.datasets"), ("worker.txt", "worker,registry")],
)
def test_the_locked_packages_suffice(lock: str, packages: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, f"requirements/{lock}", packages], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
