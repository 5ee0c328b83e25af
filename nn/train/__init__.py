"""Training of the networks: what `dislok train CONFIG.toml` does.

- `config`: every word of a configuration, the published recipe and a better one
- `sources`, `bank`: pairs made on the way, or kept with what the matching engine says of them
- `losses`, `schedules`, `tasks`: what is made small, and how
- `loop`, `parallel`, `checkpoints`, `reports`: steps that can be stopped, killed, shared, and followed
"""
