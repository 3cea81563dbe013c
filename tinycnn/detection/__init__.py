"""Detection: boxes, their codes, anchors, assignment, necks, and what makes detections of a network's output."""
