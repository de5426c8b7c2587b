"""One view of a file, a folder or a zip: names, and a local path for each on request."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path, PurePosixPath

from reco_core.datasets.archive import Archive
from reco_core.datasets.limits import Limits
from reco_core.errors import DatasetInvalid, DatasetUnreadable, FieldError

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"


@dataclass(frozen=True)
class Files:
    """The files of a source, a single folder around all of them left out of their names.

    `main` is the file that the user named; its siblings are seen only so that an item table can be found beside it.
    `elsewhere` are files that lie outside and were allowed one by one, found under their whole path and never detected.
    """

    label: str
    names: tuple[str, ...]
    main: str | None
    _local: Callable[[str], Path]
    elsewhere: Mapping[str, Path] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where `name` lies on this machine; a member of a zip is unpacked now."""
        return self.elsewhere.get(name) or self._local(name)

    def named(self, name: str, pointer: str) -> str:
        """`name` itself if it is one of `names`.

        Raises:
            DatasetInvalid: there is no such file.
        """
        wanted = str(PurePosixPath(name))
        if wanted in self.names or wanted in self.elsewhere:
            return wanted
        close = get_close_matches(wanted, self.names, n=1)
        outside = PurePosixPath(wanted).is_absolute() or ".." in PurePosixPath(wanted).parts
        hint = "it must lie in the folder or zip of the log" if outside else f"files there: {self._listed()}"
        hint = f"did you mean {close[0]!r}?" if close and not outside else hint
        raise DatasetInvalid(
            f"{self.label}: there is no file {name!r}; {hint}", [FieldError(pointer, "file_unknown", hint)]
        )

    def _listed(self) -> str:
        return ", ".join(self.names[:10]) or "none"


@contextmanager
def opened(source: Path, limits: Limits, elsewhere: Sequence[Path] = ()) -> Iterator[Files]:
    """The files of `source`; what was unpacked is removed at the end.

    Args:
        elsewhere: further files that the spec may name, by their whole path.

    Raises:
        DatasetUnreadable: nothing is there, or it can't be read.
        ArchiveRejected: a zip that is unsafe to unpack.
    """
    outside = {path.as_posix(): path for path in elsewhere}
    try:
        if source.is_dir():
            yield replace(_folder(source, limits), elsewhere=outside)
            return
        with source.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise DatasetUnreadable(
            f"{source}: can't be read ({error.strerror}); give the path of a file, folder or zip"
        ) from None
    if head not in (_ZIP, _EMPTY_ZIP):
        yield replace(_single(source), elsewhere=outside)
        return
    with tempfile.TemporaryDirectory(prefix="pocketrec-unzip-") as folder:
        archive = Archive(source, source.name, Path(folder), limits)
        try:
            names = _without_common_folder([name for name in archive.names if _is_content(name)])
            yield Files(source.name, tuple(names), None, lambda name: archive.unpack(names[name]), outside)
        finally:
            archive.close()


def _single(source: Path) -> Files:
    siblings = tuple(sorted(path.name for path in source.parent.iterdir() if path.is_file()))
    return Files(source.name, siblings, source.name, lambda name: source.parent / name)


def _folder(source: Path, limits: Limits) -> Files:
    inside = (path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    found = sorted(islice((name for name in inside if _is_content(name)), limits.archive_entries))
    names = _without_common_folder(found)
    return Files(source.name, tuple(names), None, lambda name: source / names[name])


def _is_content(name: str) -> bool:
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _without_common_folder(names: Sequence[str]) -> dict[str, str]:
    """Short name -> name. `ml-1m/ratings.dat, ml-1m/movies.dat` -> `ratings.dat, movies.dat`."""
    shorts = list(names)
    while shorts and all("/" in name for name in shorts) and len({name.split("/", 1)[0] for name in shorts}) == 1:
        shorts = [name.split("/", 1)[1] for name in shorts]
    return dict(zip(shorts, names, strict=True))
