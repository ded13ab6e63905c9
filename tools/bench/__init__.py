"""Speed, size and load: what is counted, and the pages and baselines made from it."""
