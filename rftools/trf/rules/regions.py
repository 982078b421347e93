"""Reading at places that are data: pooled regions of interest, deformable convolutions."""

from __future__ import annotations

from rftools.trf.joins import join_fields
from rftools.trf.rules.registry import Answer, Call, rule


@rule("torchvision.roi_align", "torchvision.roi_pool", "torchvision.ps_roi_align", "torchvision.ps_roi_pool")
def region_pool(call: Call) -> Answer:
    """The boxes are data: any position may be read."""
    shape, fields = call.shape, []
    image, boxes = call.field("input"), call.field("rois")
    wide = (shape[0], *[1] * (len(shape) - 1))
    if image is not None:
        fields.append(image.reduce(*range(len(image.shape))).reshape([1] * len(shape)).expand(shape).bounded())
    if boxes is not None:
        fields.append(boxes.reduce(1).reshape(wide).expand(shape))
    return call.every(join_fields(fields, shape))


@rule("torchvision.deform_conv2d")
def deformable_convolution(call: Call) -> Answer:
    """Offsets are data: any position may be read."""
    shape = call.shape
    fields = []
    image = call.field("input")
    if image is not None:
        fields.append(image.reduce(1, 2, 3).expand(shape).bounded())
    for name in ("offset", "mask"):
        other = call.field(name)
        if other is not None:
            fields.append(other.reduce(1).expand(shape).bounded())
    return join_fields(fields, shape)
