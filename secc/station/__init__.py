"""The asyncio shell: sockets, TLS, timers and tasks around the pure core. It makes no decisions."""
