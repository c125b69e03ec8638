"""waveboard keeps a fleet of Docker VMs the way its operator's policy says it must be."""

__version__ = "0.1.0"
