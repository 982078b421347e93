"""Maps of units, image by image: gradients, attributions, and the cone that gradients are worked out in."""
