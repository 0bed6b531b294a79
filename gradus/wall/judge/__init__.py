"""The judge's side: asks, and believes nothing but data."""
