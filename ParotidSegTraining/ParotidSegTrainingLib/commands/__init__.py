"""The subcommands of `parotidseg-train`, one a file."""
