"""Checks what `make dist` built, before it is published: contents, metadata and versions.

    python scripts/check_dist.py dist [--release]

Prints a line for each fault and exits with 1 where there is one. With --release, also what has to be written down
before this version may be published: a dated heading in CHANGELOG.md and the repository's address.
"""

from __future__ import annotations

import argparse
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.metadata import ExceptionGroup, Metadata

ROOT = Path(__file__).parent.parent


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with the one wheel and the one sdist in a folder, a sentence each."""
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if (len(wheels), len(sdists)) != (1, 1):
        yield f"{folder}: {len(wheels)} wheels and {len(sdists)} sdists, not one of each; build them: make dist"
        return
    wheel, sdist = wheel_files(wheels[0]), sdist_files(sdists[0])
    modules = {path.relative_to(ROOT).as_posix() for path in source_files()}
    yield from (f"{sdists[0].name}: lacks {name}" for name in sorted(modules - set(sdist)))
    packed = {re.sub("^templates/", "odtool/templates/", name) for name in modules}
    for name in sorted(packed ^ {name for name in wheel if not re.match(r"odtool-[^/]*\.dist-info/", name)}):
        yield f"{wheels[0].name}: {'lacks' if name in packed else 'should not hold'} {name}"
    yield from metadata_faults(wheels[0].name, wheel.get(f"odtool-{version()}.dist-info/METADATA", b""))
    yield from metadata_faults(sdists[0].name, sdist.get("PKG-INFO", b""))


def metadata_faults(archive: str, text: bytes) -> Iterator[str]:
    """What an index would refuse in an archive's metadata, and what does not agree with the checkout."""
    try:
        metadata = Metadata.from_email(text, validate=True)
    except ExceptionGroup as group:
        yield from (f"{archive}: {error}" for error in group.exceptions)
        return
    if str(metadata.version) != version():
        yield f"{archive}: its version {metadata.version} is not {version()}, that of odtool/__init__.py"
    if metadata.description != (ROOT / "README.md").read_text(encoding="utf-8"):
        yield f"{archive}: its description is not README.md"


def release_faults(number: str, changelog: str, urls: Mapping[str, str]) -> Iterator[str]:
    """What is still to be written down before a version is released.

    Args:
        urls: the metadata's addresses, by label.
    """
    if not re.search(rf"^## \[{re.escape(number)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md: has no heading '## [{number}] - YYYY-MM-DD'"
    if "Repository" not in urls:
        yield "pyproject.toml: [project.urls] does not name the Repository"


def version() -> str:
    """The checkout's version, as its package says it."""
    source = (ROOT / "odtool" / "__init__.py").read_text(encoding="utf-8")
    (number,) = re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)
    return str(number)


def source_files() -> Iterator[Path]:
    """The checkout's files that an installation consists of."""
    for part in (ROOT / "odtool", ROOT / "templates"):
        yield from (path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def wheel_files(wheel: Path) -> dict[str, bytes]:
    """A wheel's files by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_files(sdist: Path) -> dict[str, bytes]:
    """An sdist's files by name, without the folder that holds them all."""
    with tarfile.open(sdist) as archive:
        streams = ((member.name, archive.extractfile(member)) for member in archive.getmembers())
        return {name.partition("/")[2]: stream.read() for name, stream in streams if stream is not None}


def urls_of(sdist: Path) -> Mapping[str, str]:
    """The addresses in an sdist's metadata, by label."""
    return Metadata.from_email(sdist_files(sdist)["PKG-INFO"], validate=True).project_urls or {}


def main() -> None:
    """Prints the faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the wheel and the sdist lie")
    parser.add_argument("--release", action="store_true", help="ask also whether this version may be published")
    options = parser.parse_args()
    found = list(faults(options.folder))
    if options.release and not found:
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        found += release_faults(version(), changelog, urls_of(next(options.folder.glob("*.tar.gz"))))
    if found:
        sys.exit("\n".join(found))
    print(f"odtool {version()}: the wheel and the sdist in {options.folder} are complete")


if __name__ == "__main__":
    main()
