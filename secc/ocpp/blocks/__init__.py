"""Messages that a CSMS of 2.x may send: message in, answer out; one module for each functional block."""
