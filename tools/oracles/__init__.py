"""Other EXI processors, and our codec compared with them."""
