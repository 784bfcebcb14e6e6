"""What changes in data and models, seen and explained."""
