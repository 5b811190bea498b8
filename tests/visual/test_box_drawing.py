from PIL import Image, ImageColor

from odtool.dataset.types import Box
from odtool.visual import box_drawing
from odtool.visual.box_drawing import DrawnBox


def test_a_mask_is_a_veil_of_the_colour_of_its_class_within_its_outline() -> None:
    grey = Image.new("RGB", (100, 100), (128, 128, 128))
    triangle = (20.0, 20.0, 80.0, 20.0, 20.0, 80.0)
    picture = box_drawing.annotate(grey, [DrawnBox(Box(20, 20, 80, 80), "disc", 1, 0.5, (triangle,))])
    inside, outside = picture.getpixel((35, 40)), picture.getpixel((70, 70))
    assert outside == (128, 128, 128)
    red, green, blue = inside  # type: ignore[misc]  # an RGB picture has three
    assert red > 150
    assert max(green, blue) < 110


def test_a_mask_that_reaches_beyond_the_picture_is_cut() -> None:
    outline = (-4e6, -4e6, 4e6, -4e6, 4e6, 4e6, -4e6, 4e6)
    item = DrawnBox(Box(-40, -40, 140, 140), "disc", 1, 0.5, (outline,))
    elsewhere = DrawnBox(Box(60, 60, 90, 90), "disc", 1, 0.5, ((60.0, 60.0, 90.0, 60.0, 90.0, 90.0),))
    assert box_drawing.annotate(Image.new("RGB", (50, 50)), [elsewhere]).size == (50, 50)
    picture = box_drawing.draw_boxes(Image.new("RGB", (50, 50)), [item], side=100)
    assert picture.size == (100, 100)
    assert picture.getpixel((50, 50)) != (0, 0, 0)


def test_a_detection_is_drawn_in_its_class_colour_at_the_scaled_place() -> None:
    image = Image.new("RGB", (100, 50))
    box = Box(20, 10, 60, 40)
    picture = box_drawing.draw_boxes(image, [DrawnBox(box, "disc", 2, score=0.5)], side=200)
    assert picture.size == (200, 100)
    assert picture.getpixel((80, 80)) == ImageColor.getrgb(box_drawing.choose_class_colour(2))
    assert picture.getpixel((80, 50)) == (0, 0, 0)


def test_a_true_box_is_white_and_lies_on_top() -> None:
    box = Box(10, 10, 40, 40)
    boxes = [DrawnBox(box, "disc", 1), DrawnBox(box, "disc", 1, score=0.9)]
    picture = box_drawing.draw_boxes(Image.new("RGB", (50, 50)), boxes, side=50)
    assert picture.getpixel((25, 40)) == (255, 255, 255)


def test_the_surest_detection_lies_on_top() -> None:
    boxes = [DrawnBox(Box(10, 10, 40, 40), "disc", 1, 0.9), DrawnBox(Box(10, 10, 40, 40), "star", 2, 0.3)]
    picture = box_drawing.draw_boxes(Image.new("RGB", (50, 50)), boxes, side=50)
    assert picture.getpixel((25, 40)) == ImageColor.getrgb(box_drawing.choose_class_colour(1))


def test_gray_and_transparent_images_are_drawn_on() -> None:
    for mode in ("L", "RGBA", "P", "I;16"):
        picture = box_drawing.draw_boxes(Image.new(mode, (20, 30)), [DrawnBox(Box(1, 1, 9, 9), "a", 1, 0.1)], side=60)
        assert (picture.mode, picture.size) == ("RGB", (40, 60))


def test_a_grid_holds_every_picture_and_its_caption() -> None:
    pictures = [Image.new("RGB", (40, 30), "#123456") for _ in range(5)]
    sheet = box_drawing.make_grid(pictures, columns=3, caption="five")
    assert sheet.width == 3 * 48 + 8
    colours = {colour: count for count, colour in sheet.getcolors(100_000) or []}
    assert colours[(0x12, 0x34, 0x56)] == 5 * 40 * 30


def test_a_picture_is_annotated_in_its_own_size_and_the_original_is_left() -> None:
    image = Image.new("RGB", (900, 400))
    picture = box_drawing.annotate(image, [DrawnBox(Box(20, 100, 60, 140), "disc", 1, 0.5)])
    assert picture.size == (900, 400)
    assert picture.getpixel((20, 120)) == ImageColor.getrgb(box_drawing.choose_class_colour(1))
    assert image.getcolors() == [(900 * 400, (0, 0, 0))]


def test_a_label_stays_within_the_picture() -> None:
    boxes = [DrawnBox(Box(380, 5, 398, 60), "a rather long name", 1, 0.5)]
    picture = box_drawing.annotate(Image.new("RGB", (400, 200)), boxes)
    assert picture.getpixel((300, 9)) != (0, 0, 0)


def test_hundreds_of_classes_have_colours_of_their_own_that_white_letters_show_on() -> None:
    colours = [box_drawing.choose_class_colour(number) for number in range(1, 301)]
    assert len(set(colours)) > 290
    for colour in colours[10:]:
        assert sum(ImageColor.getrgb(colour)[:3]) / 3 < 160


def test_a_mask_covers_its_pixels_and_no_others_with_smooth_edges() -> None:
    # Outlines count from the pixels' edges: these are of pixels 10 to 19 and half of the twentieth.
    square = ((10.0, 10.0), (20.5, 10.0), (20.5, 20.5), (10.0, 20.5))
    veil = box_drawing._draw_veil([square], (30, 30), 1)
    across = [int(veil.getpixel((x, 15))) for x in range(30)]  # type: ignore[arg-type]  # one channel
    assert across == [veil.getpixel((15, y)) for y in range(30)]
    full = box_drawing._VEIL
    assert across[12:19] == [full] * 7
    # Half of the outline's pixel lies on either side of its left edge, all of it in the middle of the last pixel.
    assert (across[8], across[21]) == (0, 0)
    assert 0 < across[9] < 255
    assert full < across[10] < 255
    assert full < across[20] < 255


def test_a_mask_of_a_large_picture_is_drawn_without_more_memory_than_it_takes() -> None:
    size = (2000, 1000)
    veil = box_drawing._draw_veil([[(0.0, 0.0), (2000.0, 0.0), (2000.0, 1000.0), (0.0, 1000.0)]], size, 3)
    assert veil.size == size
    assert veil.getpixel((1000, 500)) == box_drawing._VEIL
