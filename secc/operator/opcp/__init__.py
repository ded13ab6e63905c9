"""The ecosystem of Plug and Charge: pools of roots, cars and contracts, over OPCP."""
