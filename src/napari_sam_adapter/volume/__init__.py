"""nD arrays without torch: planes, session, propagation."""
