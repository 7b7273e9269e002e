"""Training: recipes, material, mixes, objective and loop."""
