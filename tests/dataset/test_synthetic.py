from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from odtool.dataset import synthetic


def boxes(folder: Path) -> list[tuple[str, list[float]]]:
    found = []
    for path in sorted((folder / "annotations").iterdir()):
        for element in ElementTree.parse(path).iter("object"):
            corners = [float(element.findtext(f"bndbox/{name}", "")) for name in ("xmin", "ymin", "xmax", "ymax")]
            found.append((element.findtext("name", ""), corners))
    return found


def test_every_image_has_an_annotation_and_every_box_lies_inside(tmp_path: Path) -> None:
    synthetic.draw(tmp_path, images=20)
    images = sorted((tmp_path / "images").iterdir())
    assert [path.stem for path in images] == [path.stem for path in sorted((tmp_path / "annotations").iterdir())]
    for path in images:
        with Image.open(path) as image:
            assert image.size == (synthetic.SIZE, synthetic.SIZE)
    drawn = boxes(tmp_path)
    assert {label for label, _ in drawn} == set(synthetic.CLASSES)
    for _, (xmin, ymin, xmax, ymax) in drawn:
        assert 0 <= xmin < xmax < synthetic.SIZE
        assert 0 <= ymin < ymax < synthetic.SIZE


def test_the_same_seed_draws_the_same_and_another_does_not(tmp_path: Path) -> None:
    first, second, third = (
        synthetic.draw(tmp_path / name, images=count, seed=seed)
        for name, count, seed in (("a", 5, 1), ("b", 8, 1), ("c", 5, 2))
    )
    assert boxes(first) == boxes(second)[: len(boxes(first))]
    assert (first / "images" / "0003.jpg").read_bytes() == (second / "images" / "0003.jpg").read_bytes()
    assert boxes(first) != boxes(third)
