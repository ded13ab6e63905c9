"""Services of a charging point operator: `pip install secc[cpo]`. A station does not need them."""
