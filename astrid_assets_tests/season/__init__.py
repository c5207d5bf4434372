"""A season of the loop: nights, labels, trainings, deployments, and what is refused."""
