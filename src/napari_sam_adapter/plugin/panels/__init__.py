"""What Qt shows: panels, tables and windows."""
