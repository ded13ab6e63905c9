"""A fake CSMS for tests and demonstrations, with faults that can be switched on."""
