"""From reviewers' votes to training labels: consensus, masks, splits."""
