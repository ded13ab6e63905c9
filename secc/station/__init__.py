"""The asyncio shell: sockets, TLS, timers and tasks around the pure core. Nothing here decides."""
