"""YOLO text: Ultralytics data.yaml, Darknet's obj.data, or images and labels beside a list of classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from odtool.dataset.images import masks
from odtool.dataset.readers.common import faults, parsing
from odtool.dataset.readers.common.faults import Skipping
from odtool.dataset.readers.common.source_folders import find_image_folders, walk
from odtool.dataset.readers.common.streams import input_files
from odtool.dataset.readers.datasets import dota
from odtool.dataset.readers.datasets.yolo import yolo_labels, yolo_layout, yolo_places, yolo_points
from odtool.dataset.readers.datasets.yolo.yolo_labels import Labels
from odtool.dataset.readers.namesakes.image_paths import find_stem
from odtool.dataset.readers.tables import yolo_keras
from odtool.dataset.types import AnnotatedImage, Box, Deferred, Finding, ObjectAnnotation, Problem, Source

_SAMPLES = 20
"""Text files a folder that are looked into for keypoints."""


def detect(path: Path) -> str | None:
    """Says how a folder or file shows itself as YOLO, or None."""
    if path.is_file():
        if path.suffix.lower() in yolo_layout.YAML and yolo_layout.looks_like(path):
            return f"{path.name} has names and train"
        return f"{path.name} has names and train" if path.suffix == ".data" and yolo_layout.looks_like(path) else None
    folders = list(walk(path))
    texts = [file for folder in folders for file in folder.find_files(".txt")]
    label = next(filter(is_label, texts), None)
    if layout := next((file for folder in folders for file in yolo_layout.find_documents(folder)), None):
        # Oriented boxes may have a data.yaml beside labels in DOTA's own form, YOLO-Keras an obj.data.
        is_other = label is None and any(dota.looks_like(file) or yolo_keras.looks_like(file) for file in texts)
        return None if is_other else f"{layout} has names and train"
    lists = [file for folder in folders for file in yolo_layout.find_name_lists(folder)]
    return f"{lists[0]} names the classes of text files such as {label}" if lists and label else None


def is_label(path: Path) -> bool:
    """Whether the first line is a class number and four numbers, or more of the size of fractions.

    Four may be in pixels or percent, too (dialects.py).
    """
    if path.name in yolo_layout.NAME_LISTS:
        return False
    words = input_files.read_ends(path).split(b"\n")[0].split()
    try:
        numbers = [float(word) for word in words[1:]]
        has_box = len(numbers) == 4 or (len(numbers) > 4 and all(abs(number) < 10 for number in numbers))
        return has_box and _parse_class(words[0]) is not None
    except ValueError:
        return False


def _parse_class(word: str | bytes) -> int | None:
    """The number of a class, which numpy.savetxt writes as 0.0; None where it is not whole or below 0."""
    try:
        number = float(word)
    except ValueError:
        return None
    return int(number) if number >= 0 and number.is_integer() else None


def read(source: Source) -> Iterator[Finding]:
    """Every image of the splits, with the objects of its text file.

    Raises:
        DataError: the layout is broken, or none of its folders is there.
    """
    label_folders: dict[str, _LabelFolder] = {}
    backgrounds: set[str] = set()
    labels = Labels(source)
    for part in yolo_places.find_parts(source):
        if isinstance(part, Problem):
            yield part
            continue
        for image in part.images:
            label = labels.find_text(image)
            layout = part.layout(label or image)
            if label is not None:
                # As text: pathlib's own way took longer than the rest.
                folder, _, name = str(label).rpartition("/")
                label_folder = label_folders.get(folder) or label_folders.setdefault(folder, _LabelFolder(layout))
                if not label_folder.is_first(str(image), name.rpartition(".")[0]):
                    yield Problem("label_shared", label, f"{image} is not the only image with this name")
            else:
                backgrounds.add(str(image).rpartition("/")[0])
            split = part.split or yolo_places.find_folder_split(image, source)
            arguments = (image, label, split, layout.names, layout.file, layout.keypoints, source.masks)
            yield Deferred(parse_file, arguments)
    for folder, label_folder in label_folders.items():
        yield from _check_label_folder(Path(folder), label_folder)
    if source.path.is_dir():  # what lies beside a file that the user names is not asked for
        used_folders = {*backgrounds, *(folder for item in label_folders.values() for folder in item.folders)}
        yield from _report_unused_labels(source, label_folders, [Path(folder) for folder in sorted(used_folders)])


@dataclass(frozen=True)
class _LabelFolder:
    """What was met in one folder of labels."""

    layout: yolo_layout.Layout
    images: dict[str, int] = field(default_factory=dict)
    """The first image of each text file; by hashes, as there may be millions."""
    folders: dict[str, None] = field(default_factory=dict)
    """Where the images lie, in the order in which they were met."""

    def is_first(self, image: str, stem: str) -> bool:
        """Whether no other image has the text file with this name."""
        self.folders.setdefault(image.rpartition("/")[0])
        identity = hash(image)
        return self.images.setdefault(stem, identity) == identity


def _check_label_folder(labels: Path, label_folder: _LabelFolder) -> Iterator[Problem]:
    """Keypoints that no layout speaks of, and text files beside others for which there is no image.

    Those of images that no split lists are left alone.
    """
    texts = (labels / f"{stem}.txt" for stem in islice(label_folder.images, _SAMPLES))
    if not label_folder.layout.keypoints and (count := yolo_points.count_undeclared_numbers(texts)):
        detail = f"a box and {count} numbers in each line, and no kpt_shape in {label_folder.layout.file}"
        yield Problem("keypoints_unsaid", labels, detail)
    folders = list(map(Path, label_folder.folders))
    for file in sorted(labels.glob("*.txt")):
        if file.stem not in label_folder.images and is_label(file) and not _has_image(file.stem, folders):
            yield Problem("image_missing", file, f"no image '{file.stem}' in {folders[0]}")


def _has_image(stem: str, folders: Sequence[Path]) -> bool:
    """Whether there is an image for a text file of this name, which may have passed through an address."""
    return any(find_stem(name, folders) for name in dict.fromkeys((stem, yolo_labels.unescape(stem))))


def _report_unused_labels(
    source: Source, used_labels: Collection[str], used_images: Sequence[Path]
) -> Iterator[Problem]:
    """Folders of labels that no image was read with. Those of images that no split names are told with the images."""
    images: list[Path] | None = None
    for folder in walk(source.root):
        if str(folder.path) in used_labels:
            continue
        texts = [file for file in islice(folder.find_files(".txt"), _SAMPLES) if is_label(file)]
        if not texts:
            continue
        stems = [file.stem for file in texts]
        detail = f"{len(list(folder.find_files('.txt')))} text files such as {texts[0].name}: "
        if any(_has_image(stem, used_images) for stem in stems):
            yield Problem("labels_unused", folder.path, f"{detail}other labels of their images are read")
            continue
        images = find_image_folders(source) if images is None else images
        if not any(_has_image(stem, images) for stem in stems):
            yield Problem("labels_unused", folder.path, f"{detail}none of their images is there")


def parse_file(
    image: Path,
    label: Path | None,
    split: str | None,
    names: Mapping[int, str],
    layout: Path,
    keypoints: int,
    with_outlines: bool,
) -> Iterator[AnnotatedImage | Problem]:
    """One image with its text file; without one it is background."""
    if label is None:
        yield AnnotatedImage(image, image, (), "fraction", split)
        return
    data = input_files.read_bytes(label)
    objects, problems = parse(data, label, names, layout, keypoints, with_outlines=with_outlines)
    faults.refuse_all_broken(objects, problems, label)
    for kind, detail in problems:
        yield Problem(kind, label, detail)
    if not faults.is_nothing_left(objects, problems):
        yield AnnotatedImage(image, label, objects, "fraction", split, dialect="yolo")


def parse(
    data: bytes,
    path: Path,
    names: Mapping[int, str],
    layout: Path,
    keypoints: int = 0,
    *,
    with_outlines: bool = False,
) -> tuple[tuple[ObjectAnnotation, ...], list[tuple[str, str]]]:
    """A label file's objects, and the problems (kind and detail); the paths are only named in errors.

    A line is a class and a box (centre, width, height), perhaps with a confidence; or a class and the corners
    of a polygon or of an oriented box, of which the envelope is taken; or a class, a box and so many numbers for
    keypoints. A line that is none of these, or whose class has no name, is a problem.
    """
    problems: list[tuple[str, str]] = []
    skipping, objects = Skipping(problems), list[ObjectAnnotation]()
    for number, line in enumerate(parsing.decode_text(data, path).splitlines(), start=1):
        if not (words := line.split()):
            continue
        with skipping:
            index, values = _parse_words(words, line, path, number, layout, keypoints)
            if index not in names:
                what, hint = (
                    f"class {index} has no name in {layout}",
                    f"It names {len(names)} classes; add the missing ones.",
                )
                raise faults.undefined_class(path, what, hint, line=number)
            corners = list(zip(values[0::2], values[1::2], strict=True)) if len(values) > 5 else []
            outline = masks.make_polygon(corners) if with_outlines and corners else None
            box = _make_box(values)
            objects.append(ObjectAnnotation(names[index], box, outline=outline, enclosed=bool(corners)))
    return tuple(objects), problems


def _parse_words(
    words: list[str], line: str, path: Path, number: int, layout: Path, keypoints: int
) -> tuple[int, list[float]]:
    """The class of a line, and the numbers of its box or outline; raises AnnotationError where it has none."""
    index = _parse_class(words[0])
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        raise parsing.line_error(path, number, f"not a YOLO line: '{line[:60]}'") from None
    if index is None:
        what = f"not a YOLO line: its class is not a whole number of 0 or more: '{line[:60]}'"
        raise parsing.line_error(path, number, what)
    if keypoints and len(values) in (4 + keypoints, 5 + keypoints):
        values = values[:4]
    elif keypoints and len(values) > 5:
        what = f"not a box and {keypoints} keypoint numbers: '{line[:60]}'"
        raise parsing.line_error(path, number, what, f"kpt_shape in {layout} sets how many there are.")
    if len(values) < 4 or (len(values) > 5 and len(values) % 2):
        what = f"not a YOLO line: {len(words)} numbers: '{line[:60]}'"
        raise parsing.line_error(path, number, what, "If it has keypoints, write kpt_shape into a data.yaml.")
    return index, values


def _make_box(values: list[float]) -> Box:
    if len(values) <= 5:
        x, y, width, height = values[:4]
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    xs, ys = values[0::2], values[1::2]
    return Box(min(xs), min(ys), max(xs), max(ys))
