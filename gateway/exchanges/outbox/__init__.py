"""From what happened to the rows that notices are made of."""
