"""HTML, SVG charts, boxes drawn on images, and fonts, as inspect, report and predict use them."""
