"""The bad network of the drill is the harness's too."""

from gateway.simulation.proxy import Proxy, Way

__all__ = ["Proxy", "Way"]
