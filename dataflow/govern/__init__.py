"""What people decide about the data: dead letters, restores, reviews."""
