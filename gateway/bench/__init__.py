"""The workbench: an unknown device on a desk is recognised, recorded and played back, without the daemon."""
