"""What annotations of tools and data sets show themselves by: keys of JSON, tags of XML, and what to do with each."""

from __future__ import annotations

from dataclasses import dataclass

_EXPORT = "Export it as, or convert it to, COCO JSON or Pascal VOC XML."


@dataclass(frozen=True)
class Signature:
    """The keys by which a kind of file is known."""

    title: str
    keys: tuple[frozenset[str], ...]
    """Sets of keys (of JSON, at any depth) or tags (of XML); all of one of the sets are there."""
    advice: str = _EXPORT
    without: frozenset[str] = frozenset()
    """Keys of which none is there."""

    def matches(self, keys: frozenset[str]) -> bool:
        return self.without.isdisjoint(keys) and any(needed <= keys for needed in self.keys)


def _sign(title: str, *keys: str, advice: str = _EXPORT, without: str = "") -> Signature:
    """A row of the tables below: each of `keys` is a set of keys with blanks between them."""
    sets = tuple(frozenset(text.split()) for text in keys)
    return Signature(title, sets, advice, frozenset(without.split()))


JSON: tuple[Signature, ...] = (
    _sign("Datumaro JSON", "items categories label_id", "items categories media_type", "items categories labels",
          advice="Its categories should stand before its items, as Datumaro writes them."),
    _sign("SageMaker Ground Truth manifest", "source-ref",
          advice="Name the output manifest of a labelling job, whose lines have annotations."),
    _sign("Labelbox JSON", "data_row projects", "data_row label_details", "data_row media_attributes",
          "Labeled_Data Label", advice="Export it from Labelbox as NDJSON (export version 2)."),
    _sign("VoTT version 1 JSON", "frames visitedFrames", "frames inputTags", "frames framerate",
          advice="Export it from VoTT 1 as 'Tensorflow Pascal VOC'."),
    _sign("Scale AI JSON", "task_id response params", "task_id callback_url", "task_id attachment annotations"),
    _sign("Dataloop JSON", "datasetId annotations", "itemMetadata annotations", "filename itemId coordinates",
          advice="Export it from Dataloop as COCO, YOLO or Pascal VOC."),
    _sign("V7 Darwin JSON", "annotations bounding_box slots", "schema_ref item annotations",
          "dataset image annotations bounding_box", "schema_ref annotations",
          advice="Each file should have an item (version 2) or an image (version 1) with its annotations."),
    _sign("BDD100K or Scalabel JSON", "labels box2d", "labels poly2d category", "frames box2d",
          advice="Each frame should have a name, and labels with a category and a box2d of x1, y1, x2 and y2."),
    _sign("nuScenes or nuImages tables", "token sample_token", "token sample_data_token", "token category_token",
          "token log_token", advice="Convert object_ann.json (bbox, category_token) to COCO JSON."),
    _sign("Prodigy JSON", "_input_hash", "spans _task_hash",
          advice="Its spans are boxes in pixels: write them as COCO JSON."),
    _sign("SuperAnnotate JSON", "metadata instances className", "metadata instances classId",
          advice="Each file should have the metadata and instances of one image."),
    _sign("Edge Impulse JSON", "boundingBoxesType", "files boundingBoxes", "version boundingBoxes",
          advice="Export it from Edge Impulse Studio with its bounding_boxes.labels or info.labels."),
    _sign("FiftyOne JSON", "samples _cls", "samples ground_truth detections", "samples filepath media_type",
          advice="Export it with FiftyOne as fiftyone.types.FiftyOneDataset or COCODetectionDataset."),
    _sign("Vertex AI JSON Lines", "imageGcsUri boundingBoxAnnotations", "imageGcsUri",
          advice="Export it for object detection, with boundingBoxAnnotations in each line."),
    _sign("CrowdHuman odgt", "gtboxes", advice="Each line should be an object with ID and gtboxes."),
    _sign("Ultralytics NDJSON", "class_names task type", "type file split annotations",
          advice="Its first line should have the task and the class_names, as Ultralytics writes it."),
    _sign("Azure Machine Learning JSON Lines", "image_url topX", "image_url label bottomX"),
    _sign("Azure Custom Vision JSON", "regions tagName", "tagId regions"),
    _sign("Kili JSON", "jsonResponse externalId", "json_response external_id",
          advice="Export it from Kili as COCO, YOLO or Pascal VOC."),
    _sign("Encord JSON", "label_hash data_units", "data_hash objects boundingBox", "label_hash",
          advice="Export it from Encord as COCO."),
    _sign("Hasty JSON", "label_classes images image_name", "project_name label_classes",
          advice="Export it from Hasty as COCO or Pascal VOC."),
    _sign("OpenLABEL JSON", "openlabel"),
    _sign("Cityscapes JSON", "imgHeight imgWidth objects", "imgHeight imgWidth annotations"),
    _sign("EuroCity Persons JSON", "imagename identity children"),
    _sign("TT100K JSON", "imgs types", "imgs bbox category"),
    _sign("Visual Genome JSON", "image_id objects synsets"),
    _sign("DeepFashion2 JSON", "item1 pair_id"),
    _sign("GeoJSON", "features geometry", "features bounds_imcoords",
          advice="Its places are on a map: convert them to pixels of the images, as COCO JSON."),
    _sign("Amazon Rekognition JSON", "Labels Instances BoundingBox", "BoundingBox Confidence"),
    _sign("COCO results JSON (detections, not annotations)", "image_id category_id bbox score",
          without="images annotations", advice="Name the JSON with images, annotations and categories."),
    _sign("COCO JSON without 'categories'", "images annotations bbox image_id",
          without="categories", advice="Add the list 'categories', an id and a name for each class."),
    _sign("COCO JSON without 'images'", "annotations categories image_id", without="images",
          advice="Add the list 'images', an id and a file_name for each image."),
    _sign("COCO JSON without 'annotations'", "images categories file_name", without="annotations",
          advice="Name the JSON that has the annotations, too."),
)  # fmt: skip
"""The first that matches counts, so those that say most stand first."""

XML: tuple[Signature, ...] = (
    _sign("XML of dlib's imglab", "dataset images image box",
          advice="Convert it to COCO JSON: each box has top, left, width and height in pixels."),
    _sign("UA-DETRAC XML", "sequence frame target_list", "frame target box",
          advice="Convert it to COCO JSON: each box has left, top, width and height in pixels."),
    _sign("XML of PETS or CAVIAR", "dataset frame objectlist", "frame objectlist object box"),
    _sign("PAGE XML", "PcGts Page"),
    _sign("ALTO XML", "alto Layout"),
    _sign("Street View Text XML", "tagset image taggedRectangle"),
    _sign("KML", "kml Placemark", advice="Its places are on a map: convert them to pixels of the images."),
)  # fmt: skip


def find(signatures: tuple[Signature, ...], keys: frozenset[str]) -> Signature | None:
    """The first kind of file that has these keys or tags."""
    return next((signature for signature in signatures if signature.matches(keys)), None)
