"""What a run's detections are worth: figures by COCO's rules, and the page that shows them."""
