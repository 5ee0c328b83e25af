"""FaultDeform: random earthquakes on rough faults, and how they move the ground."""
