"""What builds, tests and checks thinc_core. Standard library only."""
