"""How nets are run: the device, seeds, evaluation with nothing left behind, outputs of units."""
