"""A simulated GPU for machines without one: real values in the CPU's memory that know where they live."""
