"""What to change, whether we may, and what comes next. Pure: plans are values, running them is a fold over the journal."""
