"""From what people say to training labels: votes, consensus, masks, splits."""
