"""What stands behind package.py: from locked wheels to packages that need nothing but Python on the box."""
