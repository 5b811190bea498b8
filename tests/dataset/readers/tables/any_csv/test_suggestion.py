"""What is suggested for a CSV that is not known."""

from __future__ import annotations

import shlex

import pytest

from odtool.dataset.readers.tables.any_csv.columns import parse_columns
from odtool.dataset.readers.tables.any_csv.suggestion import suggest_columns


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (
            "image_id,width,height,bbox,source",
            "b6ab77fd7|1024|1024|[834.0, 222.0, 56.0, 36.0]|usask_1",
            "file=image_id,class=source,xywh=bbox",
        ),
        ("pic,kind,l,t,r,b", "a.jpg|cat|1|2|3|4", "file=pic,class=kind,x1=l,y1=t,x2=r,y2=b"),
        (
            "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
            "50a4|Aortic enlargement|0|R11|691|375|1653|831",
            "file=image_id,class=class_name,x1=x_min,y1=y_min,x2=x_max,y2=y_max",
        ),
        (
            "patientId,x,y,width,height,Target",
            "0004|264|152|213|379|1",
            "file=patientId,class=Target,x=x,y=y,w=width,h=height",
        ),
        ("name,x_center,y_center,w,h", "a.jpg|1|2|3|4", "file=name,cx=x_center,cy=y_center,w=w,h=h"),
        ("Image No,a,b,c,d,what it is", "x7|1|2|3|4|big dog", "'file=Image No,class=what it is,x1=a,y1=b,x2=c,y2=d'"),
        ("a.jpg,cat,1,2,3,4", "b.jpg|cat|1|2|3|4", "file=1,class=2,x1=3,y1=4,x2=5,y2=6"),
        ("a.jpg,cat,1,2,3,4", "", "file=1,class=2,x1=3,y1=4,x2=5,y2=6"),
        ("train,a.jpg,cat,1,2,3,4", "", "file=2,class=3,x1=4,y1=5,x2=6,y2=7"),
    ],
)
def test_the_example_is_made_of_the_files_own_columns(header: str, row: str, expected: str) -> None:
    words = suggest_columns(header.split(","), row.split("|") if row else ())
    assert words == f"--columns {expected}"
    assert parse_columns(shlex.split(words)[1])


def test_what_has_no_box_gets_an_example_with_gaps() -> None:
    expected = "--columns file=day,x1=rain,y1=...,x2=...,y2=..."
    assert suggest_columns(["day", "rain"], ["mon", "1"]) == expected
