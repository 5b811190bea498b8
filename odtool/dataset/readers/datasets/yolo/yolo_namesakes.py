"""Folders of pictures that share the text files of a YOLO data set's images without being its photographs.

Where no file lists the images, all pictures are taken, and masks, depth maps or the originals of resized photographs
would get the boxes of the photographs, or be background beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from odtool.dataset.readers.datasets.yolo.yolo_labels import Labels, list_label_folders
from odtool.dataset.readers.namesakes import rivals
from odtool.dataset.readers.namesakes.contender import Contender, state_nothing
from odtool.dataset.types import Problem, Source

_MOST = 0.5
"""Share of a folder's images that have namesakes, from which on it holds the same scenes as another one."""

Files = Mapping[str, Path]
"""The images of a folder by their names without endings."""


def leave_out_namesakes(images: Sequence[Path], source: Source) -> tuple[list[Path], list[Problem]]:
    """The images without those of other folders that have the names of labelled photographs, and what is said of them.

    Raises:
        DataError: nothing says which of two folders the labels are of.
    """
    # As text: for a large set pathlib's own way takes as long as listing the folders.
    folders: dict[str, list[Path]] = {}
    for image in images:
        folders.setdefault(str(image).rpartition("/")[0], []).append(image)
    if len(folders) == 1:
        return list(images), []
    labels = Labels(source)
    sharing: dict[Path | None, list[Path]] = {}
    for folder in map(Path, folders):
        sharing.setdefault(labels.find_first_folder(folder), []).append(folder)
    unlabelled = [folder for folder in sharing.get(None, ()) if rivals.may_be_masks(folder)]
    out: dict[Path, str] = {}
    for texts, candidates in sharing.items():
        if texts is not None and (len(candidates) > 1 or unlabelled):
            files = {folder: {image.stem: image for image in folders[str(folder)]} for folder in candidates}
            for folder in unlabelled:
                if _are_masks(folder, folders[str(folder)], files):
                    out |= dict.fromkeys(folders[str(folder)], f"'{folder.name}' is what folders of masks are called")
            out |= _settle(texts, files)
    reasons = {image.parent: reason for image, reason in out.items()}
    problems = [Problem("image_namesakes", folder, reason) for folder, reason in reasons.items()]
    return [image for image in images if image not in out] if out else list(images), problems


def _are_masks(folder: Path, images: Sequence[Path], candidates: Mapping[Path, Files]) -> bool:
    """Whether a folder without labels has the names of a labelled folder beside it."""
    beside = [files for other, files in candidates.items() if other.parent == folder.parent]
    return any(_share_names({image.stem: image for image in images}, files) for files in beside)


def _share_names(files: Files, others: Files) -> bool:
    return len(files.keys() & others.keys()) >= _MOST * min(len(files), len(others))


def _settle(texts: Path, candidates: Mapping[Path, Files]) -> dict[Path, str]:
    """Images that a folder of text files is not of, each with the reason."""
    counts = Counter(stem for files in candidates.values() for stem in files)
    contested = [stem for stem, count in counts.items() if count > 1]
    rival_files = {
        folder: files
        for folder, files in candidates.items()
        if any(_share_names(files, others) for other, others in candidates.items() if other != folder)
    }
    if not rival_files:
        return {}
    contenders = [
        # All count alike: a split that is smaller than another is no less a folder of images.
        Contender(folder, {stem: files[stem] for stem in contested if stem in files}, 1)
        for folder, files in rival_files.items()
    ]
    left, losers = rivals.decide(
        contenders, contested, state_nothing, lambda folder: (texts not in list_label_folders(folder), 0, 0), texts
    )
    out = {image: rival.reason for rival in losers for image in rival_files[rival.folder].values()}
    nearer = f"{left[0].folder} has images of the same names, and is where those of {texts} usually are"
    for contender in contenders:
        if contender.folder not in {winner.folder for winner in left}:
            out = dict.fromkeys(contender.files.values(), nearer) | out
    return out
