"""Ways to follow a fault: to a version, to rows and weeks, to inputs. Each says what was done and what was found."""
