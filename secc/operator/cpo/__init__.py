"""The services of a charging point operator: `pip install secc[cpo]`. Nothing in a station needs them."""
